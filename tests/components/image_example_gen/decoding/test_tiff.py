"""TIFF of every depth, order, layout and polarity, written by tifffile, Pillow or by hand."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from components.image_example_gen.decoding import images, tiff
from components.image_example_gen.pixels import picture

LIMIT = 10**6
ORDERS = ["<", ">"]


def _ramp(bits=12, shape=(33, 48)):
    return np.linspace(0, 2**bits - 1, shape[0] * shape[1]).round().astype(np.uint16).reshape(shape)


def _written(values, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def _packed(values, bits):
    """Rows of samples that share bytes, the most significant bit first."""
    places = np.arange(bits - 1, -1, -1)
    ones = (values[..., None].astype(np.int64) >> places & 1).astype(np.uint8)
    return np.packbits(ones.reshape(len(values), -1), axis=1)


def _by_hand(data, width, height, bits, order="<", photometric=1, **more):
    """A TIFF file of one strip; `more` are tags by number."""
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 277: 1, 278: height}
    tags |= {int(name[1:]): value for name, value in more.items()} | {279: len(data)}
    tags[273] = 8 + 2 + 12 * (len(tags) + 1) + 4
    file = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}LH", 8, len(tags))
    for tag, value in sorted(tags.items()):
        file += struct.pack(f"{order}HHLL", tag, 4, 1, value)
    return file + struct.pack(f"{order}L", 0) + data


def _to_bytes(values, high, low=0):
    return np.clip(np.rint((values.astype(np.float64) - low) / (high - low) * 255), 0, 255)


def _read(data):
    return images.read_bytes(data, LIMIT)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_packed_samples_are_shown_by_their_declared_bits(bits, order):
    values = _ramp(bits) // 2
    data = _packed(values, bits).tobytes()
    shown = _read(_by_hand(data, 48, 33, bits, order))
    np.testing.assert_array_equal(shown.pixels, _to_bytes(values, 2**bits - 1))
    assert (shown.rule, shown.flags) == (f"declared {bits} bits", ())


@pytest.mark.parametrize(("code", "pack"), [(8, zlib.compress), (32946, zlib.compress)])
def test_packed_samples_may_be_compressed(code, pack):
    values = _ramp(12)
    data = pack(_packed(values, 12).tobytes())
    shown = _read(_by_hand(data, 48, 33, 12, t259=code))
    np.testing.assert_array_equal(shown.pixels, _to_bytes(values, 4095))


def test_rows_of_packed_samples_begin_with_a_byte():
    values = _ramp(12, (20, 31))
    data = _packed(values, 12).tobytes()
    assert len(data) == 20 * 47
    np.testing.assert_array_equal(_read(_by_hand(data, 31, 20, 12)).pixels, _to_bytes(values, 4095))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("dtype", "high"),
    [("u1", 255), ("u2", 65535), ("u2", 4095), ("u4", 4095), ("u4", 2**32 - 1)],
)
def test_white_is_zero_of_any_depth_and_order(dtype, high, order):
    values = np.linspace(0, high, 33 * 48).round().astype(dtype).reshape(33, 48)
    shown = _read(_written(values, photometric="miniswhite", byteorder=order))
    expected = 255 - _to_bytes(values, high)
    assert np.abs(shown.pixels - expected).max() == 0
    assert (shown.pixels[0, 0], shown.pixels[-1, -1], shown.inverted) == (255, 0, True)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("bits", [1, 2, 4, 12])
def test_white_is_zero_of_packed_samples(bits, order):
    values = np.arange(33 * 48).reshape(33, 48) * 7 % 2**bits
    shown = _read(_by_hand(_packed(values, bits).tobytes(), 48, 33, bits, order, photometric=0))
    np.testing.assert_array_equal(shown.pixels, 255 - _to_bytes(values, 2**bits - 1))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "u4", "u8", "f2", "f4", "f8"])
def test_signed_wide_and_floating_samples(dtype, order):
    low = 0 if dtype.startswith("u") else -50
    values = np.linspace(low, 70_000 if dtype[1] > "2" else 70, 33 * 48).reshape(33, 48)
    values = values.astype(dtype)
    shown = _read(_written(values, byteorder=order))
    expected = _to_bytes(values, float(values.max()), float(values.min()))
    assert np.abs(shown.pixels - expected).max() <= 1
    assert picture.RANGE_GUESSED in shown.flags


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rowsperstrip": 5},
        {"tile": (16, 32)},
        {"compression": "zlib"},
        {"compression": "zlib", "predictor": 2},
        {"compression": "zlib", "tile": (16, 16), "predictor": 2},
    ],
)
@pytest.mark.parametrize("colors", [1, 3])
def test_every_layout_gives_the_same_samples(colors, options, order):
    values = _ramp(16)
    if colors == 3:
        values = np.stack([values, values[::-1], values // 3], axis=-1)
    data = _written(
        values, photometric="rgb" if colors == 3 else "minisblack", byteorder=order, **options
    )
    (_, tags), *more = tiff.main_pages(io.BytesIO(data))
    assert not more
    np.testing.assert_array_equal(tiff.read(io.BytesIO(data), tags).samples, values)


def test_planes_and_big_files():
    values = np.stack([_ramp(16), _ramp(16)[::-1], _ramp(14)])
    for options in ({"planarconfig": "separate", "rowsperstrip": 4}, {"bigtiff": True}):
        planes = "planarconfig" in options
        data = _written(values if planes else np.moveaxis(values, 0, -1), photometric="rgb",
                        **options)  # fmt: skip
        np.testing.assert_array_equal(
            _read(data).pixels, _to_bytes(np.moveaxis(values, 0, -1), 65535)
        )


@pytest.mark.parametrize("packing", ["tiff_lzw", "packbits", "tiff_deflate"])
def test_libtiff_unpacks(packing):
    for values in (_ramp(16), _ramp(12).astype(np.float32)):
        buffer = io.BytesIO()
        Image.fromarray(values).save(buffer, "TIFF", compression=packing)
        shown = _read(buffer.getvalue()).pixels
        assert np.abs(shown - _to_bytes(values, values.max())).max() <= 1


@pytest.mark.parametrize("photometric", [0, 1])
def test_a_predictor_of_floats_is_undone(photometric):
    values = np.linspace(-2, 9, 33 * 48, dtype=np.float32).reshape(33, 48)
    apart = values.astype(">f4").view(np.uint8).reshape(33, 48, 4).transpose(0, 2, 1)
    flat = apart.reshape(33, -1)
    data = zlib.compress(np.diff(flat, axis=1, prepend=np.uint8(0)).astype(np.uint8).tobytes())
    file = _by_hand(data, 48, 33, 32, photometric=photometric, t259=8, t317=3, t339=3)
    shown = _read(file).pixels
    expected = _to_bytes(values, 9, -2)
    assert np.abs(shown - (expected if photometric else 255 - expected)).max() <= 1


def test_bits_may_be_filled_from_the_other_end():
    values = _ramp(12)
    data = np.packbits(np.unpackbits(_packed(values, 12)), bitorder="little").tobytes()
    np.testing.assert_array_equal(
        _read(_by_hand(data, 48, 33, 12, t266=2)).pixels, _to_bytes(values, 4095)
    )


def test_the_largest_value_tag_tells_a_depth():
    values = _ramp(12) // 4
    tag = [(281, "H", 1, 4095, True)]
    shown = _read(_written(values, extratags=tag))
    np.testing.assert_array_equal(shown.pixels, _to_bytes(values, 4095))
    assert (shown.rule, shown.flags) == ("declared 12 bits", ())


@pytest.mark.parametrize("wide", [True, False])
def test_palettes_of_either_width(wide):
    colors = np.random.default_rng(0).integers(0, 256, (3, 256), dtype=np.uint16)
    indices = np.arange(400, dtype=np.uint8).reshape(20, 20)
    data = _written(indices, photometric="palette", colormap=colors * 257 if wide else colors)
    shown = _read(data)
    np.testing.assert_array_equal(shown.pixels, np.moveaxis(colors[:, indices], 0, -1))
    assert shown.flags == (() if wide else (picture.RANGE_GUESSED,))


def test_alpha_is_laid_over_black_at_full_depth():
    values = np.stack([_ramp(16)] * 3 + [np.full((33, 48), 65535, np.uint16)], axis=-1)
    values[:10, :, 3] = 0
    shown = _read(_written(values, photometric="rgb", extrasamples=["unassalpha"])).pixels
    assert not shown[:10].any()
    np.testing.assert_array_equal(shown[10:], _to_bytes(values[10:, :, :3], 65535))


def test_orientation_is_applied():
    values = _ramp(16)
    shown = _read(_written(values, extratags=[(274, "H", 1, 6, True)])).pixels
    np.testing.assert_array_equal(shown, np.rot90(_to_bytes(values, 65535), -1))


def test_smaller_copies_and_masks_are_no_pictures_of_their_own():
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        file.write(_ramp(8, (10, 12)).astype(np.uint8), subfiletype=1)
        file.write(_ramp(16))
    np.testing.assert_array_equal(_read(buffer.getvalue()).pixels, _to_bytes(_ramp(16), 65535))
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        file.write(_ramp(8).astype(np.uint8))
        file.write(_ramp(8, (10, 12)).astype(np.uint8), subfiletype=1)
    np.testing.assert_array_equal(_read(buffer.getvalue()).pixels, _ramp(8))


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (_by_hand(b"\0" * 9999, 48, 33, 12, t259=7), "compression 7 of 12-bit samples"),
        (_by_hand(b"\0" * 9999, 48, 33, 24, t339=3), "24-bit floating-point samples"),
        (_by_hand(b"\0" * 9999, 48, 33, 24), "24-bit unsigned samples"),
        (_written(np.zeros((20, 20), np.complex64)), "64-bit complex samples"),
        (_by_hand(b"\0" * 9999, 48, 33, 12, t339=2), "signed 12-bit samples"),
        (_by_hand(b"\0" * 9999, 48, 33, 16, photometric=8), "photometric interpretation 8"),
        (_by_hand(b"\0" * 9999, 48, 33, 16, t277=9), "9 samples per pixel"),
        (_by_hand(b"\0" * 9999, 48, 33, 8, photometric=9), "photometric interpretation 9, 8 bits"),
        (_written(_ramp(12), bigtiff=True, byteorder=">"), "big-endian BigTIFF"),
        (_written(np.zeros((3, 20, 20), "u2"), photometric="minisblack"), "3 frames, one is"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_refused_by_its_true_reason(file, message):
    with pytest.raises(images.Rejected, match=message) as refused:
        _read(file)
    assert refused.value.reason == images.UNSUPPORTED


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (_by_hand(b"\0" * 99, 48, 33, 12), images.UNREADABLE),
        (_by_hand(b"\0" * 99, 48, 33, 16, t259=5), images.UNREADABLE),
        (_by_hand(b"\0" * 99, 4800, 3300, 16), images.TOO_LARGE),
        (_by_hand(zlib.compress(b"\0" * 10**7), 48, 33, 16, t259=8, t322=10**6, t323=10**6,
                  t324=150, t325=100), images.UNSUPPORTED),
    ],
)  # fmt: skip
def test_files_that_lie_are_quarantined(file, reason):
    with pytest.raises(images.Rejected) as refused:
        _read(file)
    assert refused.value.reason == reason


def test_mutated_files_give_pixels_or_a_reason():
    rng = np.random.default_rng(2)
    originals = [
        _by_hand(_packed(_ramp(12), 12).tobytes(), 48, 33, 12),
        _written(_ramp(16), compression="zlib", tile=(16, 16), predictor=2),
        _written(_ramp(12).astype(np.float32), byteorder=">"),
    ]
    for number in range(240):
        data = bytearray(originals[number % 3])
        for place in rng.integers(0, min(len(data), 400), rng.integers(1, 6)):
            data[place] = rng.integers(256)
        try:
            shown = _read(bytes(data)).pixels
        except images.Rejected:
            continue
        assert shown.dtype == np.uint8
        assert shown.size <= 3 * LIMIT
