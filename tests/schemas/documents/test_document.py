"""A document is read as it was written, or refused in one line that names the file."""

import json
import math
from typing import ClassVar, Literal

import numpy as np
import pytest

from schemas.documents.document import Damaged, Document, Number, Part
from schemas.errors import InputError


class Piece(Part):
    name: str
    value: Number


class Sample(Document):
    FILE: ClassVar[str] = "sample.json"

    version: Literal[3] = 3
    pieces: tuple[Piece, ...]
    lower: Number = None


class Older(Document):
    FILE: ClassVar[str] = "older.json"
    READS_UNVERSIONED: ClassVar[bool] = True

    version: Literal[1] = 1
    name: str


WRITTEN = {"version": 3, "pieces": [{"name": "a", "value": 0.5}], "lower": None}


def refusal(folder, kind, content) -> str:
    (folder / kind.FILE).write_text(json.dumps(content))
    with pytest.raises(InputError) as refused:
        kind.read(folder)
    assert "\n" not in str(refused.value)
    assert str(folder / kind.FILE) in str(refused.value)
    return str(refused.value)


def test_what_is_written_is_read(tmp_path):
    sample = Sample(pieces=(Piece(name="a", value=0.5),))
    path = sample.write(tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "sample.json"
    assert json.loads(path.read_text()) == WRITTEN
    assert Sample.read(path.parent) == sample
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float64("nan")])
def test_what_is_not_finite_is_null(tmp_path, value):
    sample = Sample(pieces=(Piece(name="a", value=value),), lower=value)
    assert sample.pieces[0].value is None
    text = sample.write(tmp_path).read_text()
    assert json.loads(text)["pieces"] == [{"name": "a", "value": None}]
    assert "NaN" not in text
    assert "Infinity" not in text


def test_an_unknown_field_is_refused(tmp_path):
    message = refusal(tmp_path, Sample, WRITTEN | {"upper": 1.0})
    assert "is not a Sample of version 3: unknown field 'upper'" in message
    nested = {"pieces": [{"name": "a", "value": 0.5, "color": "red"}]}
    assert "unknown field 'pieces.0.color'" in refusal(tmp_path, Sample, WRITTEN | nested)


def test_a_missing_and_an_ill_typed_field_are_refused_together(tmp_path):
    message = refusal(tmp_path, Sample, WRITTEN | {"pieces": [{"name": 7}]})
    assert "missing field 'pieces.0.value'" in message
    assert "'pieces.0.name'" in message
    assert "Received: 7" in message


@pytest.mark.parametrize("version", [2, 4, "3", None])
def test_another_version_is_refused(tmp_path, version):
    message = refusal(tmp_path, Sample, WRITTEN | {"version": version})
    assert f"version {version} of a Sample; accepted: 3" in message


def test_a_file_without_a_version_is_refused(tmp_path):
    content = {name: value for name, value in WRITTEN.items() if name != "version"}
    assert "version none of a Sample; accepted: 3" in refusal(tmp_path, Sample, content)


def test_older_files_without_a_version_are_read_where_they_are_the_same(tmp_path):
    (tmp_path / Older.FILE).write_text('{"name": "a"}')
    assert Older.read(tmp_path) == Older(name="a")
    assert "version 2 of a Older" in refusal(tmp_path, Older, {"name": "a", "version": 2})
    assert "missing field 'name'" in refusal(tmp_path, Older, {"version": 1})


@pytest.mark.parametrize("text", ["", "{half", "[1, 2]", "7", "\x00"])
def test_what_is_not_json_is_damaged(tmp_path, text):
    (tmp_path / Sample.FILE).write_text(text)
    with pytest.raises(Damaged, match=r"sample\.json is damaged"):
        Sample.read(tmp_path)


def test_bytes_that_are_not_text_are_damaged(tmp_path):
    (tmp_path / Sample.FILE).write_bytes(b"\xff\xfe{}")
    with pytest.raises(Damaged, match="damaged"):
        Sample.read(tmp_path)


def test_a_missing_file_is_no_damage(tmp_path):
    with pytest.raises(FileNotFoundError):
        Sample.read(tmp_path)


def test_writers_cannot_invent_or_forget_fields():
    with pytest.raises(ValueError, match="colour"):
        Piece(name="a", value=1.0, colour="red")
    with pytest.raises(ValueError, match="value"):
        Piece(name="a")
