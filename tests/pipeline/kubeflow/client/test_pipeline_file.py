"""A compiled pipeline that somebody has edited."""

import copy

import pytest

from pipeline.kubeflow.client.pipeline_file import load_pipeline
from schemas.errors import InputError
from tests.kubeflow.loopback import SPEC


def _edited(change):
    spec = copy.deepcopy(SPEC)
    change(spec)
    return spec


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.pop("deploymentSpec"), "not complete"),
        (lambda s: s.pop("root"), "no root in it"),
        (lambda s: s["components"].pop("A"), "node 'A': its component is missing"),
        (lambda s: s["deploymentSpec"]["executors"].clear(), "node 'A': its executor is missing"),
        (lambda s: s.update(extra=1), "is malformed: .*extra"),
        (lambda s: s.update(schemaVersion="2.0.0"), "schema version 2.0.0"),
        (
            lambda s: s["root"]["dag"]["tasks"]["A"].update(dependentTasks=["B"]),
            "depends on 'B', which is missing",
        ),
        (
            lambda s: s["deploymentSpec"]["executors"]["A_executor"]["container"].update(
                args=["--json_x", "{"]
            ),
            "argument --json_x is no longer JSON",
        ),
    ],
)
def test_file_edited_by_hand(written, change, said):
    with pytest.raises(InputError, match=said):
        load_pipeline(written(_edited(change)))


def test_platform_part_edited_by_hand(written):
    pods = {"executors": {"A_executor": {"imagePullPolice": "Always"}}}
    platform = {"platforms": {"kubernetes": {"deploymentSpec": pods}}}
    with pytest.raises(InputError, match=r"is malformed: .*imagePullPolice"):
        load_pipeline(written(SPEC, platform))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "is not YAML"),
        ("", "not a compiled pipeline"),
        ("just text", "not a compiled pipeline"),
    ],
)
def test_file_is_no_pipeline(tmp_path, text, said):
    path = tmp_path / "pipeline.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        load_pipeline(str(path))
    with pytest.raises(InputError, match="can't be read"):
        load_pipeline(str(tmp_path / "none.yaml"))
