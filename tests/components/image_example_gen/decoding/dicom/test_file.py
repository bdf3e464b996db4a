"""DICOM against NumPy on files written here, and against each other on pydicom's own files."""

import io
import logging
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from components.image_example_gen.decoding import images
from components.image_example_gen.decoding.dicom import file as dicom
from components.image_example_gen.decoding.dicom import plugins
from tests.components.image_example_gen.decoding.dicom.made_dicom import (
    LIMIT,
    file_of,
    make,
    picture_of,
    ramp,
    stretch,
)


def _decode(made, frame=None):
    return picture_of(made, frame).pixels


def test_eight_bits_stay_as_they_are():
    values = ramp(np.uint8, 10, 200)
    np.testing.assert_array_equal(_decode(make(values)), values)


@pytest.mark.parametrize(
    ("dtype", "low", "high", "stored"),
    [(np.uint16, 0, 4095, 12), (np.uint16, 100, 65000, 16), (np.int16, -1000, 3000, 16),
     (np.uint16, 3, 1023, 10), (np.int8, -100, 90, 8)],
)  # fmt: skip
def test_without_a_window_the_values_range_is_stretched(dtype, low, high, stored):
    values = ramp(dtype, low, high)
    shown = _decode(make(values, BitsStored=stored, HighBit=stored - 1))
    np.testing.assert_array_equal(shown, stretch(values, low, high))


def test_monochrome1_is_inverted():
    values = ramp(np.uint8, 10, 200)
    shown = _decode(make(values, PhotometricInterpretation="MONOCHROME1"))
    np.testing.assert_array_equal(shown, 255 - values)


def test_rescale_comes_before_the_window():
    # A CT: slope 2, intercept -1024, lung window of width 1500 around -600.
    values = ramp(np.int16, 0, 2000)
    tags = {"RescaleSlope": 2, "RescaleIntercept": -1024, "WindowCenter": -600, "WindowWidth": 1500}
    units = values.astype(float) * 2 - 1024
    # PS3.3 C.11.2.1.2.1, in double precision.
    expected = np.clip(((units - (-600 - 0.5)) / (1500 - 1) + 0.5) * 255, 0, 255)
    shown = _decode(make(values, **tags))
    assert np.abs(shown - expected).max() <= 0.5 + 1e-9


@pytest.mark.parametrize(
    ("function", "formula"),
    [
        ("LINEAR_EXACT", lambda x, c, w: np.clip(((x - c) / w + 0.5) * 255, 0, 255)),
        ("SIGMOID", lambda x, c, w: 255 / (1 + np.exp(-4 * (x - c) / w))),
    ],
)
def test_voi_functions(function, formula):
    values = ramp()
    tags = {"WindowCenter": [2000, 1], "WindowWidth": [900, 1], "VOILUTFunction": function}
    expected = formula(values.astype(float), 2000, 900)
    assert np.abs(_decode(make(values, **tags)) - expected).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("width", [0, -5])
def test_impossible_windows_are_left_aside(width):
    values = ramp()
    shown = _decode(make(values, WindowCenter=10, WindowWidth=width))
    np.testing.assert_array_equal(shown, stretch(values, 0, 4095))


def test_voi_table_goes_before_the_window():
    values = ramp(np.uint16, 0, 255)
    item = pydicom.Dataset()
    item.LUTDescriptor = [256, 0, 12]
    table = (np.linspace(0, 1, 256) ** 2 * 4095).round().astype(int)
    item.LUTData = table.tolist()
    item["LUTData"].VR = item["LUTDescriptor"].VR = "US"
    dataset = make(
        values, VOILUTSequence=Sequence([item]), WindowCenter=1, WindowWidth=2, BitsStored=12
    )
    np.testing.assert_array_equal(_decode(dataset), np.rint(table[values] / 4095 * 255))


def test_modality_table():
    values = ramp(np.uint16, 0, 255)
    item = pydicom.Dataset()
    item.LUTDescriptor = [256, 0, 16]
    item.ModalityLUTType = "US"
    table = np.arange(256)[::-1] * 100
    item.LUTData = table.tolist()
    item["LUTData"].VR = item["LUTDescriptor"].VR = "US"
    shown = _decode(make(values, ModalityLUTSequence=Sequence([item])))
    np.testing.assert_array_equal(shown, stretch(table[values], 0, 25500))


@pytest.mark.parametrize(("kind", "shown_as"), [("MONOCHROME2", 0), ("MONOCHROME1", 0)])
def test_padding_is_black_and_does_not_count(kind, shown_as):
    values = ramp(np.int16, 0, 1000)
    values[0] = -2000
    shown = _decode(make(values, PixelPaddingValue=-2000, PhotometricInterpretation=kind))
    expected = stretch(values, values[1:].min(), 1000)
    assert (shown[0] == shown_as).all()
    np.testing.assert_array_equal(
        shown[1:], (expected if kind == "MONOCHROME2" else 255 - expected)[1:]
    )


def test_frames_and_their_own_windows():
    values = np.stack([ramp(), ramp()[::-1]])
    groups = []
    for center in (1000, 3000):
        window, group = pydicom.Dataset(), pydicom.Dataset()
        window.WindowCenter, window.WindowWidth = center, 500
        group.FrameVOILUTSequence = Sequence([window])
        groups.append(group)
    dataset = make(values, frames=2, PerFrameFunctionalGroupsSequence=Sequence(groups))
    for frame, center in enumerate((1000, 3000)):
        expected = np.clip(((values[frame] - (center - 0.5)) / 499.0 + 0.5) * 255, 0, 255)
        assert np.abs(_decode(dataset, frame) - expected).max() <= 0.5 + 1e-9
    with pytest.raises(dicom.Unusable, match="2 frames, one is accepted"):
        _decode(dataset)
    with pytest.raises(dicom.Unusable, match="no frame 2"):
        _decode(dataset, 2)


def test_rgb_of_eight_and_sixteen_bits():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    np.testing.assert_array_equal(_decode(make(values)), values)
    wide = values.astype(np.uint16) * 257
    np.testing.assert_array_equal(_decode(make(wide)), values)


def test_ybr_becomes_rgb():
    gray = ramp(np.uint8, 0, 255)
    values = np.stack([gray, np.full_like(gray, 128), np.full_like(gray, 128)], axis=-1)
    shown = _decode(make(values, PhotometricInterpretation="YBR_FULL"))
    np.testing.assert_array_equal(shown, np.stack([gray] * 3, axis=-1))


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_lossless_compression_changes_nothing(syntax):
    values = np.kron(ramp(), np.ones((4, 4), np.uint16))
    tags = {"WindowCenter": 2000, "WindowWidth": 3000, "BitsStored": 12, "HighBit": 11}
    packed = make(values, **tags)
    packed.compress(syntax)
    np.testing.assert_array_equal(_decode(packed), _decode(make(values, **tags)))


@pytest.mark.parametrize(
    "name",
    ["MR_small_RLE.dcm", "MR_small_bigendian.dcm", "MR_small_expb.dcm", "MR_small_implicit.dcm",
     "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_padded.dcm"],
)  # fmt: skip
def test_the_same_scan_in_every_syntax(name):
    with open(get_testdata_file("MR_small.dcm"), "rb") as one:
        expected = dicom.decode(one, None, LIMIT).pixels
    with open(get_testdata_file(name), "rb") as other:
        np.testing.assert_array_equal(dicom.decode(other, None, LIMIT).pixels, expected)


@pytest.mark.parametrize(
    "name",
    ["SC_rgb_dcmtk_+eb+cr.dcm", "SC_rgb_dcmtk_+eb+cy+n1.dcm", "SC_rgb_gdcm_KY.dcm",
     "SC_rgb_jls_lossy_line.dcm", "SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_jpeg_gdcm.dcm",
     "SC_rgb_rle_16bit.dcm", "SC_ybr_full_422_uncompressed.dcm"],
)  # fmt: skip
def test_the_same_colors_in_every_syntax(name):
    with open(get_testdata_file("SC_rgb_rle.dcm"), "rb") as one:
        expected = dicom.decode(one, None, LIMIT).pixels.astype(int)
    with open(get_testdata_file(name), "rb") as other:
        shown = dicom.decode(other, None, LIMIT).pixels.astype(int)
    # JPEG blurs the edges between the ten bars; the bars themselves keep their color.
    assert np.median(np.abs(shown - expected)) <= 3


def test_palette_deflated_and_jpeg2000_files():
    for name, shape in (
        ("examples_palette.dcm", (350, 800, 3)),
        ("image_dfl.dcm", (512, 512)),
        ("693_J2KI.dcm", (512, 512)),
    ):
        with open(get_testdata_file(name), "rb") as file:
            shown = dicom.decode(file, None, LIMIT).pixels
        assert shown.shape == shape
        assert shown.std() > 10


def test_missing_plugin_is_named():
    # Twelve-bit lossy JPEG: none of the installed plugins knows it.
    with (
        open(get_testdata_file("JPGExtended.dcm"), "rb") as file,
        pytest.raises(dicom.Unusable, match=r"JPEG Extended .* needs another plugin.*pylibjpeg"),
    ):
        dicom.decode(file, None, LIMIT)


def test_unknown_syntaxes_are_named():
    dataset = make(ramp(), RLELossless)
    dataset.PixelData = encapsulate([b"\0" * 10])
    dataset["PixelData"].is_undefined_length = True
    # MPEG2, which is video.
    dataset.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.4.100")
    with pytest.raises(dicom.Unusable, match=r"transfer syntax MPEG2 .*1\.2\.4\.100"):
        _decode(dataset)


@pytest.mark.parametrize("name", ["rtplan.dcm", "test-SR.dcm", "reportsi.dcm", "no_meta.dcm"])
def test_files_without_pixels(name):
    with pytest.raises(images.Rejected, match="DICOM without pixels"):
        images.decode_file(get_testdata_file(name), LIMIT)


@pytest.mark.parametrize("name", ["MR_truncated.dcm", "SC_rgb_jpeg.dcm"])
def test_damaged_files(name):
    with pytest.raises(images.Rejected) as error:
        images.decode_file(get_testdata_file(name), LIMIT)
    assert error.value.reason == images.UNREADABLE


@pytest.mark.slow
def test_a_file_that_kills_its_decoder_is_only_quarantined():
    # Two bytes of a JPEG that make GDCM abort its process.
    data = bytearray(Path(get_testdata_file("SC_rgb_small_odd_jpeg.dcm")).read_bytes())
    data[1543], data[1807] = 201, 145
    for _ in range(2):
        with pytest.raises(images.Rejected, match="the decoder crashed") as error:
            images.decode_bytes(bytes(data), LIMIT)
        assert error.value.reason == images.UNREADABLE
    # The next file finds a decoder again.
    with open(get_testdata_file("MR_small_jpeg_ls_lossless.dcm"), "rb") as file:
        assert dicom.decode(file, None, LIMIT).pixels.shape == (64, 64)


def test_a_decoder_that_hangs_is_ended(monkeypatch):
    # A process that has still to start can't answer at once.
    monkeypatch.setattr(plugins, "_child", plugins._Child())
    monkeypatch.setattr(plugins, "_SECONDS", 0)
    with (
        open(get_testdata_file("MR_small_jpeg_ls_lossless.dcm"), "rb") as file,
        pytest.raises(dicom.Damaged, match="the decoder crashed"),
    ):
        dicom.decode(file, None, LIMIT)


def test_too_many_pixels_are_not_decoded():
    dataset = make(ramp(np.uint8))
    dataset.Rows = dataset.Columns = 60_000
    with pytest.raises(dicom.TooLarge, match="60000x60000"):
        _decode(dataset)


def test_a_deflated_bomb_is_not_unpacked():
    plain = file_of(make(ramp(np.uint8), DeflatedExplicitVRLittleEndian)).getvalue()
    start = 144 + int.from_bytes(plain[140:144], "little")
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = squeeze.compress(b"\0" * 50_000_000) + squeeze.flush()
    with pytest.raises(dicom.TooLarge, match="unpacks to more"):
        dicom.decode(io.BytesIO(plain[:start] + bomb), None, 1_000_000)
    np.testing.assert_array_equal(
        dicom.decode(io.BytesIO(plain), None, 1_000_000).pixels, ramp(np.uint8)
    )


def test_files_without_preamble_are_read_by_name(tmp_path):
    values = ramp(np.uint8, 0, 255)
    dataset = make(values, ImplicitVRLittleEndian)
    path = tmp_path / "old.dcm"
    pydicom.dcmwrite(path, dataset, implicit_vr=True, little_endian=True)
    start = path.read_bytes().index(b"\x28\x00\x02\x00")  # (0028,0002), the first of the image
    path.write_bytes(path.read_bytes()[start:])
    np.testing.assert_array_equal(images.decode_file(str(path), LIMIT), values)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [("YES", (dicom.BURNED_IN,)), ("NO", ()), (None, (dicom.BURNED_IN_UNKNOWN,))],
)
def test_burned_in_annotation_is_flagged(tmp_path, stated, expected):
    tags = {"BurnedInAnnotation": stated}
    path = tmp_path / "image"
    path.write_bytes(file_of(make(ramp(np.uint8), **tags)).getvalue())
    assert images.read_file(str(path), LIMIT).flags == expected


def test_identities_are_not_even_read(tmp_path, caplog, capfd):
    tags = {
        "PatientName": "Planted^Name",
        "PatientID": "planted-id",
        "PatientBirthDate": "19700101",
    }
    dataset = make(ramp(np.uint8), **tags)
    file = file_of(dataset)
    assert set(dicom.read_tags(file, dicom._TAGS).dir()) <= set(dicom._TAGS)
    with caplog.at_level(logging.DEBUG):
        dicom.decode(file, None, LIMIT)
    out = capfd.readouterr()
    assert "lanted" not in caplog.text + out.out + out.err
