"""More than 8 bits, and more than one picture, in files that are not TIFF."""

import io
import re
import struct
import zlib

import numpy as np
import pytest
from openjpeg.utils import encode_array
from PIL import Image

from components.image_example_gen.decoding import images
from components.image_example_gen.pixels import picture
from components.image_example_gen.settings import ByLimits, ByPercentiles, ByRule

LIMIT = 10**6
RNG = np.random.default_rng(5)


def _ramp(bits, shape=(20, 30)):
    return np.linspace(0, 2**bits - 1, shape[0] * shape[1]).round().astype(np.uint16).reshape(shape)


def _colors(bits):
    return np.stack([_ramp(bits), _ramp(bits)[::-1], _ramp(bits)[:, ::-1] // 2], axis=-1)


def _to_bytes(values, high):
    return np.clip(np.rint(values.astype(np.float64) / high * 255), 0, 255)


def _png(values, color_type, chunks=()):
    """A PNG file of 16 bits, written without Pillow, which has no such colors."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in values.astype(">u2").reshape(height, -1))
    head = struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )


def _saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _read(data, *policy):
    return images.read_bytes(data, LIMIT, *policy)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_png_of_sixteen_bits(bits):
    values, colors = _ramp(bits), _colors(bits)
    full = np.full((20, 30, 1), 65535, np.uint16)
    for data, expected in (
        (_png(values, 0), values),
        (_png(colors, 2), colors),
        (_png(np.dstack([values[..., None], full]), 4), values),
        (_png(np.dstack([colors, full]), 6), colors),
    ):
        shown = _read(data)
        np.testing.assert_array_equal(shown.pixels, _to_bytes(expected, 2**bits - 1))
        assert shown.flags == ((picture.RANGE_GUESSED,) if bits < 16 else ())


def test_png_with_noise_keeps_every_bit():
    colors = RNG.integers(0, 65536, (20, 30, 3)).astype(np.uint16)
    np.testing.assert_array_equal(_read(_png(colors, 2)).pixels, _to_bytes(colors, 65535))


def test_clear_parts_of_deep_png_are_black():
    values = _ramp(16)
    alpha = np.full(values.shape, 65535, np.uint16)
    alpha[:4], alpha[4:8] = 0, 32768
    shown = _read(_png(np.dstack([values, alpha]), 4)).pixels
    assert not shown[:4].any()
    expected = np.floor(values.astype(float) * alpha / 65535)
    assert np.abs(shown - _to_bytes(expected, 65535)).max() == 0
    # One gray value, or one color, may stand for what is clear.
    values[0, 0] = 777
    shown = _read(_png(values, 0, [(b"tRNS", struct.pack(">H", 777))])).pixels
    assert shown[0, 0] == 0
    np.testing.assert_array_equal(shown[1:], _to_bytes(values[1:], 65535))
    colors = _colors(16)
    colors[3, 3] = 9, 60000, 7
    shown = _read(_png(colors, 2, [(b"tRNS", struct.pack(">3H", 9, 60000, 7))])).pixels
    assert (shown[3, 3] == 0).all()


@pytest.mark.parametrize("largest", [1023, 4095, 65535])
@pytest.mark.parametrize("magic", [b"P5", b"P6"])
def test_portable_maps_say_their_largest_value(magic, largest):
    values = _ramp(10) // 3 if magic == b"P5" else _colors(10) // 3
    head = magic + b"\n# a comment\n30 20\n%d\n" % largest
    shown = _read(head + values.astype(">u2").tobytes())
    # Sixteen bits may be just what the format has to allocate.
    white = largest if largest < 65535 else 1023
    np.testing.assert_array_equal(shown.pixels, _to_bytes(values, white))
    assert shown.flags == (() if largest < 65535 else (picture.RANGE_GUESSED,))


def test_a_portable_map_that_ends_early_is_quarantined():
    with pytest.raises(images.Rejected) as refused:
        _read(b"P5 30 20 4095 " + b"\0" * 100)
    assert refused.value.reason == images.UNREADABLE


def test_a_floating_point_map():
    values = np.linspace(-1, 3, 600, dtype=np.float32).reshape(20, 30)
    data = b"Pf\n30 20\n-1.0\n" + values[::-1].astype("<f4").tobytes()
    shown = _read(data)
    assert np.abs(shown.pixels - _to_bytes(values + 1, 4)).max() <= 1
    assert shown.flags == (picture.RANGE_GUESSED,)


@pytest.mark.parametrize(
    ("used", "declared", "white"),
    [(10, 12, 4095), (12, 12, 4095), (14, 14, 16383), (12, 16, 4095), (16, 16, 65535)],
)
@pytest.mark.parametrize("colors", [1, 3])
def test_jpeg2000_of_more_than_eight_bits(colors, used, declared, white):
    values = _ramp(used, (64, 64)) if colors == 1 else np.stack([_ramp(used, (64, 64))] * 3, -1)
    data = encode_array(
        values,
        bits_stored=declared,
        photometric_interpretation=2 if colors == 1 else 1,
        codec_format=0,
    )
    shown = _read(data)
    np.testing.assert_array_equal(shown.pixels, _to_bytes(values, white))
    guessed = white < 2**declared - 1
    assert shown.flags == ((picture.RANGE_GUESSED,) if guessed else ())


def test_jpeg2000_of_eight_bits_stays():
    values = _ramp(8, (64, 64)).astype(np.uint8)
    data = _saved(Image.fromarray(values), "JPEG2000", irreversible=False)
    np.testing.assert_array_equal(_read(data).pixels, values)


def test_the_main_picture_of_several_is_taken():
    main = RNG.integers(0, 256, (48, 64, 3), dtype=np.uint8)
    data = _saved(
        Image.fromarray(main), "MPO", save_all=True, quality=95,
        append_images=[Image.new("RGB", (16, 16)), Image.new("RGB", (320, 240))],
    )  # fmt: skip
    shown = _read(data)
    np.testing.assert_array_equal(
        shown.pixels, _read(_saved(Image.fromarray(main), "JPEG", quality=95)).pixels
    )
    assert shown.flags == (picture.SEVERAL_PICTURES,)


def test_the_main_picture_is_turned_upright():
    main = np.kron(RNG.integers(0, 256, (6, 8), dtype=np.uint8), np.ones((8, 8), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    data = _saved(Image.fromarray(main), "MPO", save_all=True, quality=95, exif=exif,
                  append_images=[Image.new("L", (16, 16))])  # fmt: skip
    shown = _read(data).pixels
    assert np.abs(shown.astype(int) - np.rot90(main, -1)).mean() < 4


def test_the_main_picture_need_not_be_the_first():
    preview, main = (RNG.integers(0, 256, (48, side, 3), dtype=np.uint8) for side in (40, 64))
    data = bytearray(_saved(Image.fromarray(preview), "MPO", save_all=True,
                            append_images=[Image.fromarray(main)]))  # fmt: skip
    # The attributes of both pictures, 16 bytes apart, in the index that the first one carries.
    entry = re.compile(rb"\x00\x00\x03\x00...\x00\x00{8}", re.DOTALL)
    place = entry.search(data, data.index(b"MPF\0")).start()
    data[place : place + 4] = struct.pack("<L", 0x010001)
    data[place + 16 : place + 20] = struct.pack("<L", 0x20030000)
    assert _read(bytes(data)).pixels.shape == (48, 64, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_images_are_turned_as_shallow_ones_are(orientation):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    values = _ramp(16)
    image = Image.fromarray(values)
    expected = ImageOps.exif_transpose(
        Image.open(io.BytesIO(_saved(Image.fromarray(values), "PNG", exif=exif)))
    )
    shown = _read(_saved(image, "PNG", exif=exif)).pixels
    np.testing.assert_array_equal(shown, _to_bytes(np.asarray(expected), 65535))


@pytest.mark.parametrize(
    ("marker", "bits", "message"),
    [
        (0xC1, 12, "JPEG of 12 bits"),
        (0xC3, 16, "lossless JPEG: supported only in DICOM"),
        (0xF7, 8, "JPEG-LS: supported only in DICOM"),
    ],
)
def test_kinds_of_jpeg_are_refused_by_their_name(marker, bits, message):
    body = struct.pack(">BHHB", bits, 20, 30, 1) + b"\1\x11\0"
    data = b"\xff\xd8\xff\xe0\0\x04ab" + bytes([0xFF, marker]) + struct.pack(">H", 2 + len(body))
    with pytest.raises(images.Rejected, match=message) as refused:
        _read(data + body + b"\xff\xda\0\x08\1\1\0\0\0\0\xff\xd9")
    assert refused.value.reason == images.UNSUPPORTED


def test_the_setting_changes_shallow_images_too():
    values = (_ramp(8) // 4 + 50).astype(np.uint8)
    data = _saved(Image.fromarray(values), "PNG")
    for policy in (ByRule(), ByRule(rule="declared"), ByRule(rule="window")):
        np.testing.assert_array_equal(_read(data, policy).pixels, values)
    for policy, low, high in (
        (ByRule(rule="minmax"), 50, 113),
        (ByLimits(low=60, high=100), 60, 100),
        (ByPercentiles(low=10, high=90),
         *np.percentile(values, (10, 90), method="inverted_cdf")),
    ):  # fmt: skip
        expected = np.clip(np.rint((values - float(low)) / (float(high) - low) * 255), 0, 255)
        np.testing.assert_array_equal(_read(data, policy).pixels, expected)
