"""Feature names of records, and the curated schemas that describe them."""

import pathlib

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.image_example_gen.writing import contract
from trainer_modules.settings import TaskSettings

SCHEMAS = pathlib.Path(contract.__file__).parents[3] / "schemas"


def test_statistics_leave_only_the_bytes_out():
    task = TaskSettings(kind="multilabel", labels=("a", "b"))
    names = contract.statistics_features(task, ("sex",))
    assert set(contract.record_features(task, ("sex",))) - set(names) == {"image/encoded"}
    assert names[-5:] == ["label/a", "label/a/weight", "label/b", "label/b/weight", "subgroup/sex"]


@pytest.mark.parametrize("name", ["cxr", "generic", "pathology"])
def test_schemas_hold_the_contract(name):
    schema = schema_pb2.Schema()
    text_format.Parse((SCHEMAS / name / "schema.pbtxt").read_text(), schema)
    by_name = {feature.name: feature for feature in schema.feature}
    assert len(by_name) == len(schema.feature)
    for core in contract.CORE:
        assert by_name[core].presence.min_fraction == 1
        assert by_name[core].value_count.max == 1
    assert not by_name["image/encoded"].HasField("presence")
    for feature, entry in by_name.items():
        if feature.startswith("label/"):
            assert entry.type == schema_pb2.FLOAT
            assert not entry.HasField("presence")
            assert feature.removesuffix("/weight") in by_name
            assert feature.removesuffix("/weight") + "/weight" in by_name
