"""Where a container finds the curated schema, and what is said when it can't."""

from pathlib import Path

import pytest

from pipeline.kubeflow.compile import check
from pipeline.kubeflow.compile.pipeline import cluster_config
from pipeline.kubeflow.compile.targets import KUBEFLOW, target_of
from schemas.errors import InputError

ROOT = Path(__file__).resolve().parents[4]


def config(schema, *overrides):
    return cluster_config(preset="demo", overrides=[f"curated_schema={schema}", *overrides])


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ("cxr", "/app/schemas/cxr/schema.pbtxt"),
        (f"{ROOT}/schemas/cxr", "/app/schemas/cxr/schema.pbtxt"),
        (f"{ROOT}/schemas/cxr/schema.pbtxt", "/app/schemas/cxr/schema.pbtxt"),
        ("/mnt/remedis/retina", "/mnt/remedis/retina/schema.pbtxt"),
        ("/mnt/remedis/retina.pbtxt", "/mnt/remedis/retina.pbtxt"),
    ],
)
def test_in_the_image_or_on_a_volume(schema, place):
    assert check.schema_place(config(schema), "/app") == place
    assert check.without_schema(config(schema), KUBEFLOW) == []


def test_relative_to_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)
    place = check.schema_place(config("./schemas/cxr"), "/app")
    assert place == "/app/schemas/cxr/schema.pbtxt"


def test_elsewhere_it_is_refused():
    (said,) = check.without_schema(config("/home/me/retina"), KUBEFLOW)
    assert "'curated_schema': received '/home/me/retina'" in said
    assert "node 'ImportSchemaGen'" in said
    assert "(/mnt/remedis)" in said
    no_volumes = config("/home/me/retina", "kubernetes.step.volumes=[]")
    assert "(it has none)" in check.without_schema(no_volumes, KUBEFLOW)[0]


def test_on_vertex_a_volume_is_a_bucket():
    vertex = target_of("vertex", "gs://bucket/root")
    assert check.without_schema(config("/gcs/bucket/retina"), vertex) == []
    assert "(/gcs)" in check.without_schema(config("/mnt/remedis/retina"), vertex)[0]


def test_what_should_be_in_the_image_and_is_not():
    with pytest.raises(InputError, match=r"'.*retina/schema.pbtxt' can't be read"):
        check.without_schema(config(f"{ROOT}/schemas/retina"), KUBEFLOW)
