"""Attributes as numbers and text."""

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from components.image_example_gen.decoding.dicom import values


def _dataset(name, vr, value):
    made = Dataset()
    made.add_new(name, vr, value)
    return made


def _raw(name, vr, data):
    """An element as it is read from a file, not yet converted."""
    made = Dataset()
    tag = Tag(name)
    made[tag] = RawDataElement(tag, vr, len(data), data, 0, False, True)
    return made


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        ("DS", ["1.5", "-2"], [1.5, -2]),
        ("DS", "", []),
        ("DS", None, []),
        ("LO", "1,5", [1.5]),
        ("FD", 0.25, [0.25]),
        ("US", 7, [7]),
    ],
)
def test_numbers(vr, value, expected):
    assert values.numbers(_dataset("WindowCenter", vr, value), "WindowCenter") == expected


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "abc", "1e999", "\0", "12x"])
def test_what_is_no_finite_number_is_none(text):
    made = _dataset("WindowCenter", "LO", text)
    assert values.number(made, "WindowCenter") is None
    assert values.integer(made, "WindowCenter") is None


@pytest.mark.parametrize(
    ("name", "vr", "data", "expected"),
    [
        ("WindowCenter", "DS", b"40,5", 40.5),
        ("WindowCenter", "DS", b"x\\3", None),
        ("NumberOfFrames", "IS", b"1A", None),
        ("BitsStored", "OB", b"\x0c\x00", 12),
        ("BitsStored", "UN", b"\x0c\x00", 12),
        ("BitsStored", "US", b"\x0c", None),
        ("LUTDescriptor", "OW", np.array([256, 3, 12], "<u2").tobytes(), 256),
    ],
)
def test_values_that_could_not_be_converted(name, vr, data, expected):
    assert values.number(_raw(name, vr, data), name) == expected


def test_absent_attributes():
    made = Dataset()
    assert values.numbers(made, "WindowCenter") == []
    assert values.text(made, "PhotometricInterpretation") == ""
    assert values.items(made, "VOILUTSequence") == []
    assert not values.given(made, "RescaleSlope")
    assert values.tag_integer(made, 0x60000102) is None


def test_text_and_sequences_of_the_wrong_vr():
    made = _dataset("PhotometricInterpretation", "UN", b"Monochrome1\0")
    assert values.text(made, "PhotometricInterpretation") == "MONOCHROME1"
    made = _dataset("VOILUTSequence", "LO", "none")
    assert values.items(made, "VOILUTSequence") == []
    assert values.integers(_dataset("LUTDescriptor", "LO", ["1", "x", "2"]), "LUTDescriptor") == []
