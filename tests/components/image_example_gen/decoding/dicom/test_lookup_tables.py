"""Tables and palettes of every width, packing and byte order."""

import numpy as np
import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from components.image_example_gen.decoding.dicom import lookup_tables
from components.image_example_gen.decoding.dicom.file import Unusable
from components.image_example_gen.pixels import picture
from tests.components.image_example_gen.decoding.dicom.made_dicom import (
    make,
    picture_of,
    ramp,
    sequence,
    stretch,
    table_item,
)

ORDERS = {"<": ExplicitVRLittleEndian, ">": ExplicitVRBigEndian}
COLORS = ("Red", "Green", "Blue")
RNG = np.random.default_rng(3)


def _words(values, order):
    return np.asarray(values).astype(f"{order}u2").tobytes()


def _pairs(values, order):
    """Entries of 8 bits, two to a word: the first is the low byte."""
    return np.asarray(values, np.uint8).view("<u2").astype(f"{order}u2").tobytes()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("pack", [_words, _pairs])
def test_tables_in_words_and_in_pairs(pack, order):
    values = ramp(np.uint16, 0, 255)
    entries = np.arange(256)[::-1]
    made = make(values, ORDERS[order])
    made.VOILUTSequence = sequence(table_item([256, 0, 8], pack(entries, order), data_vr="OW"))
    np.testing.assert_array_equal(picture_of(made).pixels, 255 - values)


@pytest.mark.parametrize("order", ORDERS)
def test_pairs_may_be_written_as_numbers(order):
    values = ramp(np.uint16, 0, 255)
    entries = np.arange(256)[::-1]
    pairs = np.asarray(entries, np.uint8).view("<u2").tolist()
    made = make(values, ORDERS[order])
    made.VOILUTSequence = sequence(table_item([256, 0, 8], pairs))
    np.testing.assert_array_equal(picture_of(made).pixels, 255 - values)


def test_implicit_files_with_tables():
    values = ramp()
    made = make(values, ImplicitVRLittleEndian, BitsStored=12, HighBit=11)
    made.VOILUTSequence = sequence(
        table_item([4096, 0, 12], _words(np.arange(4096)[::-1], "<"), data_vr="OW")
    )
    np.testing.assert_array_equal(picture_of(made).pixels, stretch(4095 - values, 0, 4095))


def test_a_count_of_zero_stands_for_all_values():
    values = ramp(np.uint16, 0, 65535)
    made = make(values)
    entries = _words(65535 - np.arange(65536), "<")
    made.VOILUTSequence = sequence(table_item([0, 0, 16], entries, data_vr="OW"))
    np.testing.assert_array_equal(picture_of(made).pixels, 255 - stretch(values, 0, 65535))


@pytest.mark.parametrize("told", [100, 5000])
def test_a_count_that_the_data_contradict(told):
    values = ramp(np.uint16, 0, 255)
    table = lookup_tables.read_table(
        table_item([told, 0, 8], _words(range(256), "<"), data_vr="OW"), True
    )
    np.testing.assert_array_equal(table(values), np.minimum(values, told - 1))


@pytest.mark.parametrize(
    ("descriptor", "data"), [([256, 0, 8], b""), ([256, 0], b"ab"), (None, b"abcd"), (None, None)]
)
def test_tables_without_content_are_none(descriptor, data):
    assert lookup_tables.read_table(table_item(descriptor, data, data_vr="OW"), True) is None


def _palette(bits, first, data, vr="US", data_vr="OW", count=256):
    tags = {}
    for name, entries in zip(COLORS, data, strict=True):
        table = f"{name}PaletteColorLookupTable"
        tags[f"{table}Descriptor"] = (vr, [count, first, bits])
        tags[f"{table}Data"] = (data_vr, entries)
    return tags


def _colored(values, tags, syntax=ExplicitVRLittleEndian):
    made = make(values, syntax, PhotometricInterpretation="PALETTE COLOR")
    for name, (vr, value) in tags.items():
        made.add_new(name, vr, value)
    return made


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("bits", "pack", "factor"),
    [(16, _words, 257), (8, _words, 1), (8, _pairs, 1), (16, _words, 1), (8, _words, 257)],
)
def test_palettes_of_either_width_and_order(bits, pack, factor, order):
    """Declared and stored in 8 or 16 bits, in any combination that files have."""
    colors = RNG.integers(0, 256, (3, 256))
    colors[:, 7] = 255
    values = np.arange(192, dtype=np.uint8).reshape(12, 16)
    data = [pack(channel * factor, order) for channel in colors]
    shown = picture_of(_colored(values, _palette(bits, 0, data), ORDERS[order]))
    np.testing.assert_array_equal(shown.pixels, np.moveaxis(colors[:, values], 0, -1))
    contradicted = (bits == 16) != (factor == 257)
    assert shown.flags == ((picture.RANGE_GUESSED,) if contradicted else ())


def test_palettes_begin_anywhere_and_end_early():
    colors = RNG.integers(0, 256, (3, 64))
    colors[:, 0] = 255
    values = ramp(np.int16, -100, 91)
    data = [_words(channel * 257, "<") for channel in colors]
    tags = _palette(16, 65536 - 32, data, count=64)
    places = np.clip(values.astype(int) + 32, 0, 63)
    np.testing.assert_array_equal(
        picture_of(_colored(values, tags)).pixels, np.moveaxis(colors[:, places], 0, -1)
    )


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("bits", [8, 16])
def test_segmented_palettes(bits, order):
    """PS3.3 C.7.9.2: a run of values, a straight line, and copies of both."""
    scale = 257 if bits == 16 else 1
    segments = [0, 3, 10 * scale, 20 * scale, 30 * scale, 1, 10, 230 * scale]
    segments += [2, 2, *([0, 0] if bits == 16 else [0, 0, 0, 0])]
    line = np.rint(np.linspace(30 * scale, 230 * scale, 11)[1:])
    expected = [10 * scale, 20 * scale, 30 * scale, *line] * 2
    pack = _words if bits == 16 else _pairs
    data = pack(segments, order)
    tags = {}
    for name in COLORS:
        table = f"{name}PaletteColorLookupTable"
        tags[f"{table}Descriptor"] = ("US", [len(expected), 0, bits])
        tags[f"Segmented{table}Data"] = ("OW", data)
    values = (np.arange(192, dtype=np.uint8) % len(expected)).reshape(12, 16)
    shown = picture_of(_colored(values, tags, ORDERS[order])).pixels
    gray = np.rint(np.array(expected)[values] / scale)
    assert np.abs(shown - gray[..., None]).max() <= 1


def test_a_palette_that_is_missing_is_named():
    made = make(ramp(np.uint8, 0, 255), PhotometricInterpretation="PALETTE COLOR")
    with pytest.raises(Unusable, match="without a usable palette"):
        picture_of(made)


def test_hostile_segments_end():
    codes = [0, 1, 5, *[2, 60000, 0, 0] * 50]
    assert len(lookup_tables._expanded(codes, True)) <= 1 << 17
    assert lookup_tables._expanded([1, 9, 9, 7, 7, 7], True) == []
