"""Headers that are incomplete, or contradict the pixels they describe."""

import io

import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from components.image_example_gen.decoding.dicom import file as dicom
from components.image_example_gen.pixels import picture
from tests.components.image_example_gen.decoding.dicom.made_dicom import (
    LIMIT,
    file_of,
    make,
    picture_of,
    ramp,
    stretch,
    without,
)

EIGHT = ramp(np.uint8, 10, 200)
RGB = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        ("BitsStored", picture.BITS_CONTRADICTED),
        ("HighBit", None),
        ("PixelRepresentation", picture.HEADER_REPAIRED),
        ("SamplesPerPixel", picture.HEADER_REPAIRED),
        ("PhotometricInterpretation", picture.POLARITY_GUESSED),
        ("BitsAllocated", picture.BITS_CONTRADICTED),
    ],
)
@pytest.mark.parametrize("empty", [True, False])
def test_attributes_of_the_pixels_may_be_missing_or_empty(name, empty, flag):
    made = make(EIGHT)
    if empty:
        setattr(made, name, None)
    else:
        without(made, name)
    shown = picture_of(made)
    np.testing.assert_array_equal(shown.pixels, EIGHT)
    assert shown.flags == ((flag,) if flag else ())


@pytest.mark.parametrize(
    ("name", "vr", "value"),
    [
        ("Rows", "IS", "12"),
        ("Rows", "UL", 12),
        ("Columns", "DS", "16.0"),
        ("BitsAllocated", "SS", 8),
        ("BitsStored", "LO", "8"),
        ("HighBit", "OB", b"\x07\x00"),
        ("PixelRepresentation", "SS", 0),
        ("SamplesPerPixel", "OW", b"\x01\x00"),
        ("NumberOfFrames", "US", 1),
        ("PhotometricInterpretation", "LO", "monochrome2 "),
        ("NumberOfFrames", "IS", ""),
    ],
)
def test_attributes_of_the_wrong_vr_are_read(name, vr, value):
    made = make(EIGHT)
    if name in made:
        delattr(made, name)
    made.add_new(name, vr, value)
    shown = picture_of(made)
    np.testing.assert_array_equal(shown.pixels, EIGHT)
    assert shown.flags == ()


@pytest.mark.parametrize(
    ("values", "tags", "flag"),
    [
        (ramp(), {"BitsStored": 0}, picture.BITS_CONTRADICTED),
        (ramp(), {"BitsStored": 20}, picture.BITS_CONTRADICTED),
        (ramp(), {"BitsAllocated": 8, "BitsStored": 12, "HighBit": 11}, picture.BITS_CONTRADICTED),
        (ramp(), {"PixelRepresentation": 7}, picture.HEADER_REPAIRED),
        (ramp(), {"NumberOfFrames": -3}, picture.FRAMES_CONTRADICTED),
        (ramp(), {"PresentationLUTShape": "INVERSE"}, picture.POLARITY_GUESSED),
    ],
)
def test_attributes_without_meaning_are_replaced(values, tags, flag):
    shown = picture_of(make(values, **tags))
    np.testing.assert_array_equal(shown.pixels, stretch(values, 0, 4095))
    assert flag in shown.flags


def test_eight_bits_that_are_called_sixteen():
    made = make(EIGHT, BitsAllocated=16, BitsStored=12, HighBit=11)
    shown = picture_of(made)
    np.testing.assert_array_equal(shown.pixels, EIGHT)
    assert picture.BITS_CONTRADICTED in shown.flags


@pytest.mark.parametrize(
    ("tags", "values"),
    [
        ({"PhotometricInterpretation": "MONOCHROME2"}, RGB),
        ({"PhotometricInterpretation": "RGB"}, EIGHT),
        ({"PlanarConfiguration": None}, RGB),
        ({"PlanarConfiguration": 5}, RGB),
        ({"PhotometricInterpretation": ""}, RGB),
    ],
)
def test_colors_that_are_called_gray_and_the_reverse(tags, values):
    shown = picture_of(make(values, **tags))
    np.testing.assert_array_equal(shown.pixels, values)
    assert picture.HEADER_REPAIRED in shown.flags


def test_planes_of_color():
    made = make(RGB, PlanarConfiguration=1)
    made.PixelData = np.moveaxis(RGB, -1, 0).tobytes()
    np.testing.assert_array_equal(picture_of(made).pixels, RGB)


def test_full_chroma_that_is_called_subsampled():
    gray = np.stack([EIGHT, np.full_like(EIGHT, 128), np.full_like(EIGHT, 128)], axis=-1)
    shown = picture_of(make(gray, PhotometricInterpretation="YBR_FULL_422"))
    np.testing.assert_array_equal(shown.pixels, np.stack([EIGHT] * 3, axis=-1))
    assert picture.HEADER_REPAIRED in shown.flags


@pytest.mark.parametrize("bits", [10, 12])
def test_colors_of_few_bits_in_sixteen(bits):
    values = np.stack([ramp(np.uint16, 0, 2**bits - 1)] * 3, axis=-1)
    for stored in (bits, 16):
        shown = picture_of(make(values, BitsStored=stored, HighBit=stored - 1))
        np.testing.assert_array_equal(shown.pixels, stretch(values, 0, 2**bits - 1))
        assert (picture.RANGE_GUESSED in shown.flags) == (stored == 16)


def _raw(made):
    return bytearray(file_of(made).getvalue())


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_odd_data_without_their_last_byte(syntax):
    values = ramp(np.uint8, 0, 190)[:11, :15].copy()
    data = _raw(make(values, syntax))
    assert data[-2] == values[-1, -1]
    shown = dicom.decode(io.BytesIO(data[:-1]), None, LIMIT)
    np.testing.assert_array_equal(shown.pixels, values)
    longer = dicom.decode(io.BytesIO(data + b"\0" * 7), None, LIMIT)
    np.testing.assert_array_equal(longer.pixels, values)


@pytest.mark.parametrize(
    ("stated", "frame", "flagged"), [(3, 1, True), (2, 1, False), (1, None, True), (0, None, True)]
)
def test_frames_that_are_there_count(stated, frame, flagged):
    values = np.stack([EIGHT, EIGHT[::-1]])
    made = make(values, frames=2, NumberOfFrames=stated)
    shown = picture_of(made, frame)
    np.testing.assert_array_equal(shown.pixels, values[frame or 0])
    assert (picture.FRAMES_CONTRADICTED in shown.flags) == flagged
    if stated == 3:
        with pytest.raises(dicom.Damaged, match="end before frame 2"):
            picture_of(made, 2)


def test_one_frame_that_is_called_several_needs_no_number():
    shown = picture_of(make(EIGHT, NumberOfFrames=4))
    np.testing.assert_array_equal(shown.pixels, EIGHT)
    assert picture.FRAMES_CONTRADICTED in shown.flags


def test_fewer_fragments_than_frames():
    values = np.kron(ramp(), np.ones((4, 4), np.uint16))
    made = make(values, WindowCenter=2048, WindowWidth=4096)
    expected = picture_of(made).pixels
    made.compress(RLELossless)
    made.NumberOfFrames = 5
    shown = picture_of(made)
    np.testing.assert_array_equal(shown.pixels, expected)
    assert picture.FRAMES_CONTRADICTED in shown.flags


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_fragments_that_are_called_plain(syntax):
    """Archives that compressed the pixels and left the transfer syntax."""
    values = np.kron(ramp(), np.ones((4, 4), np.uint16))
    made = make(values, WindowCenter=2048, WindowWidth=4096, BitsStored=12, HighBit=11)
    expected = picture_of(made).pixels
    if syntax == JPEGLSLossless:
        # No encoder is installed; pydicom's own file has other values.
        from pydicom import dcmread
        from pydicom.data import get_testdata_file

        made = dcmread(get_testdata_file("MR_small_jpeg_ls_lossless.dcm"))
        expected = picture_of(dcmread(get_testdata_file("MR_small.dcm"))).pixels
    else:
        made.compress(syntax)
    data = _raw(made)
    told, true = UID(syntax), ExplicitVRLittleEndian
    place = data.index(told.encode())
    data[place : place + len(told)] = true.encode().ljust(len(told), b"\0")
    shown = dicom.decode(io.BytesIO(data), None, LIMIT)
    np.testing.assert_array_equal(shown.pixels, expected)
    assert picture.SYNTAX_CONTRADICTED in shown.flags


def test_plain_data_that_are_called_compressed():
    data = _raw(make(EIGHT))
    place = data.index(ExplicitVRLittleEndian.encode())
    # The same length, so that nothing else has to move.
    uid = b"1.2.840.10008.1.2.5"
    data[place : place + len(uid)] = uid
    shown = dicom.decode(io.BytesIO(data), None, LIMIT)
    np.testing.assert_array_equal(shown.pixels, EIGHT)
    assert picture.SYNTAX_CONTRADICTED in shown.flags


@pytest.mark.parametrize("values", [EIGHT, ramp(), RGB, ramp(np.int16, -500, 500)])
def test_big_endian_files(values):
    expected = picture_of(make(values))
    shown = picture_of(make(values, ExplicitVRBigEndian))
    np.testing.assert_array_equal(shown.pixels, expected.pixels)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"SamplesPerPixel": 4, "PhotometricInterpretation": "ARGB"}, "photometric interpretation"),
        ({"SamplesPerPixel": 2}, "2 samples per pixel, 1 and 3 are accepted"),
        (
            {"PhotometricInterpretation": "HSV", "SamplesPerPixel": 3},
            "photometric interpretation HSV is not supported",
        ),
        ({"BitsAllocated": 12, "BitsStored": 12}, "12 bits allocated"),
        ({"Rows": 0}, "DICOM without pixels"),
        ({"Columns": None}, "DICOM without pixels"),
    ],
)
def test_what_can_not_be_read_is_named(tags, message):
    with pytest.raises(dicom.Unusable, match=message):
        picture_of(make(EIGHT, **tags))


def test_damaged_fragments_are_named():
    made = make(EIGHT, RLELossless, NumberOfFrames=2)
    made.PixelData = encapsulate([b"\0" * 64, b"\1" * 10])
    made["PixelData"].is_undefined_length = True
    with pytest.raises(dicom.Damaged, match="damaged"):
        picture_of(made, 1)
