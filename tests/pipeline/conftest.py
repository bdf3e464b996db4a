"""A server that stands for Kubeflow Pipelines, and a pipeline file for it."""

import pytest
import yaml

from tests.kubeflow import loopback


@pytest.fixture
def kubeflow(monkeypatch, tmp_path):
    monkeypatch.setattr("kfp.client.Client._LOCAL_KFP_CONTEXT", str(tmp_path / "none"))
    with loopback.serve() as server:
        yield server


@pytest.fixture
def written(tmp_path):
    """Writes documents to a pipeline file."""

    def write(*documents):
        path = tmp_path / "pipeline.yaml"
        path.write_text(yaml.safe_dump_all(documents))
        return str(path)

    return write


@pytest.fixture
def file(written):
    return written(loopback.SPEC)
