"""Which schema `curated_schema` names: a folder of schemas/, or any file by its path."""

import shutil
from pathlib import Path

import pytest

from pipeline.config.config import load_config
from pipeline.config.curated_schema import read_schema, schema_names
from schemas.errors import InputError

SCHEMAS = Path(__file__).resolve().parents[3] / "schemas"


@pytest.fixture
def own(tmp_path):
    """A schema of the user's, in a folder."""
    folder = tmp_path / "schemas" / "retina"
    folder.mkdir(parents=True)
    shutil.copy(SCHEMAS / "generic" / "schema.pbtxt", folder)
    return folder


def test_every_folder_of_schemas_is_a_name():
    assert schema_names() == ["cxr", "generic", "pathology"]
    for name in schema_names():
        assert load_config(preset="demo", overrides=[f"curated_schema={name}"])
        assert read_schema(name) == SCHEMAS / name / "schema.pbtxt"


def test_a_new_folder_is_a_name(monkeypatch, own):
    monkeypatch.setattr("pipeline.config.curated_schema.REPOSITORY", own.parent.parent)
    assert schema_names() == ["retina"]
    config = load_config(preset="demo", overrides=["curated_schema=retina"])
    assert read_schema(config.curated_schema) == own / "schema.pbtxt"


def test_a_path_to_a_file_or_its_folder(own, monkeypatch):
    for given in (own, own / "schema.pbtxt", f"{own}/"):
        config = load_config(preset="demo", overrides=[f"curated_schema={given}"])
        assert read_schema(config.curated_schema) == own / "schema.pbtxt"
    monkeypatch.chdir(own)
    assert read_schema("./schema.pbtxt") == read_schema("schema.pbtxt") == own / "schema.pbtxt"


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(InputError) as caught:
        load_config(preset="demo", overrides=["curated_schema=pathologie"])
    assert "received 'pathologie'" in str(caught.value)
    assert "nearest valid name: 'pathology'" in str(caught.value)
    assert "cxr, generic, pathology, or a path" in str(caught.value)


def test_what_is_not_a_schema_is_refused(own):
    with pytest.raises(InputError, match=r"'curated_schema': '.*nowhere/schema.pbtxt' can't be"):
        read_schema("/nowhere/")
    (own / "schema.pbtxt").write_text("feature { nam: 'x' }")
    with pytest.raises(InputError, match=r"schema.pbtxt' is not a schema: .*nam"):
        read_schema(str(own))
