"""Decoding real files, and quarantine of the broken ones."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from components.image_example_gen.decoding import formats
from components.image_example_gen.decoding.images import (
    Rejected,
    decode_file,
    read_bytes,
    store,
)
from tests.components.image_example_gen.decoding.dicom.made_dicom import file_of, make, ramp

LIMIT = 1_000_000
RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 256, (20, 30), np.uint8)
RGB = RNG.integers(0, 256, (20, 30, 3), np.uint8)


def saved(image: Image.Image, kind: str, **options) -> bytes:
    """Bytes of an image file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def decode(tmp_path, content: bytes, name: str = "image", limit: int = LIMIT) -> np.ndarray:
    """Decodes bytes as a file."""
    path = tmp_path / name
    path.write_bytes(content)
    return decode_file(str(path), limit)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_gray_stays_gray(tmp_path, kind):
    pixels = decode(tmp_path, saved(Image.fromarray(GRAY), kind))
    np.testing.assert_array_equal(pixels, GRAY)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "PPM"])
def test_rgb_stays_rgb(tmp_path, kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    pixels = decode(tmp_path, saved(Image.fromarray(RGB), kind, **options))
    np.testing.assert_array_equal(pixels, RGB)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_is_scaled_by_its_full_range(tmp_path, kind):
    values = np.array([0, 128, 129, 257, 32768, 65278, 65535] * 20, np.uint16).reshape(10, 14)
    pixels = decode(tmp_path, saved(Image.fromarray(values), kind))
    np.testing.assert_array_equal(pixels, np.round(values / 65535 * 255).astype(np.uint8))
    assert pixels.dtype == np.uint8


def test_palette_becomes_rgb(tmp_path):
    image = Image.fromarray(RGB).quantize(16)
    expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(decode(tmp_path, saved(image, "PNG")), expected)
    np.testing.assert_array_equal(decode(tmp_path, saved(image, "GIF")), expected)


def test_one_bit_becomes_gray(tmp_path):
    pixels = decode(tmp_path, saved(Image.fromarray(GRAY > 127), "PNG"))
    np.testing.assert_array_equal(pixels, (GRAY > 127) * 255)


def test_alpha_is_laid_over_black(tmp_path):
    rgba = np.dstack([RGB, np.full(RGB.shape[:2], 255, np.uint8)])
    rgba[:10, :, 3] = 0
    pixels = decode(tmp_path, saved(Image.fromarray(rgba), "PNG"))
    np.testing.assert_array_equal(pixels[:10], 0)
    np.testing.assert_array_equal(pixels[10:], RGB[10:])


def test_gray_with_alpha_stays_gray(tmp_path):
    both = np.dstack([GRAY, np.full(GRAY.shape, 255, np.uint8)])
    pixels = decode(tmp_path, saved(Image.fromarray(both, "LA"), "PNG"))
    np.testing.assert_array_equal(pixels, GRAY)


def test_cmyk_becomes_rgb(tmp_path):
    image = Image.fromarray(np.full((16, 16, 3), (200, 30, 60), np.uint8)).convert("CMYK")
    pixels = decode(tmp_path, saved(image, "JPEG", quality=100))
    assert pixels.shape == (16, 16, 3)
    assert np.abs(pixels.astype(int) - (200, 30, 60)).max() < 12


def test_exif_orientation_is_applied(tmp_path):
    image = Image.fromarray(GRAY)
    exif = image.getexif()
    exif[0x0112] = 6  # to be shown turned clockwise
    pixels = decode(tmp_path, saved(image, "PNG", exif=exif))
    np.testing.assert_array_equal(pixels, np.rot90(GRAY, -1))


def png_with_size(width: int, height: int) -> bytes:
    """A PNG whose header lies about its size."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


PNG = saved(Image.fromarray(RGB), "PNG")
JPEG = saved(Image.fromarray(RGB), "JPEG")
ANIMATED = saved(
    Image.fromarray(GRAY), "GIF", save_all=True, append_images=[Image.fromarray(255 - GRAY)]
)
BROKEN = {
    "zero bytes": (b"", "empty"),
    "truncated jpeg": (JPEG[: len(JPEG) // 2], "unreadable"),
    "truncated png": (PNG[: len(PNG) // 2], "unreadable"),
    "png header only": (PNG[:20], "unreadable"),
    "damaged png": (PNG[:60] + b"\xff" * 30 + PNG[90:], "unreadable"),
    "huge by its header": (png_with_size(60_000, 60_000), "too_large"),
    "large by its header": (png_with_size(1100, 1000), "too_large"),
    "lying header": (png_with_size(500, 500), "unreadable"),
    "tiny": (saved(Image.fromarray(GRAY[:7]), "PNG"), "too_small"),
    "text with an image's name": (b"this is no image at all" * 10, "unsupported"),
    "dicom": (b"\0" * 128 + b"DICM" + b"\0" * 64, "unsupported"),
    "pdf": (b"%PDF-1.7 and more", "unsupported"),
    "animation": (ANIMATED, "unsupported"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_quarantined_with_a_reason(case, tmp_path):
    content, reason = BROKEN[case]
    with pytest.raises(Rejected) as rejected:
        decode(tmp_path, content, "jane_doe.png")
    assert rejected.value.reason == reason
    assert rejected.value.detail
    assert "jane_doe" not in rejected.value.detail


def test_what_is_no_file_is_quarantined(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for name, reason in (("none.png", "missing"), ("pipe.png", "unreadable"), ("", "unreadable")):
        with pytest.raises(Rejected) as rejected:
            decode_file(str(tmp_path / name), LIMIT)
        assert rejected.value.reason == reason


@pytest.mark.parametrize("error", [PermissionError, TimeoutError])
def test_files_that_may_not_be_read_are_quarantined(error, tmp_path, monkeypatch):
    (tmp_path / "jane_doe.png").write_bytes(PNG)

    def refuse(path, *_):
        raise error(None, "refused", path)

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(Rejected) as rejected:
        decode_file(str(tmp_path / "jane_doe.png"), LIMIT)
    assert (rejected.value.reason, rejected.value.detail) == ("unreadable", error.__name__)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "GIF", "WEBP", "BMP", "JPEG2000"])
def test_mutated_files_give_pixels_or_a_reason(kind, tmp_path):
    rng = np.random.default_rng(1)
    original = saved(Image.fromarray(RGB), kind)
    for _ in range(60):
        content = bytearray(original)
        for place in rng.integers(0, len(content), rng.integers(1, 8)):
            content[place] = rng.integers(256)
        content = content[: rng.integers(1, len(content) + 1)] if rng.random() < 0.3 else content
        with contextlib.suppress(Rejected):
            pixels = decode(tmp_path, bytes(content))
            assert pixels.dtype == np.uint8
            assert pixels.size <= 3 * LIMIT


def test_storing_shrinks_the_longest_side_only(tmp_path):
    stored = store(np.tile(GRAY, (5, 5)), 64, "png", 95)
    assert (stored.height, stored.width) == (43, 64)
    assert Image.open(io.BytesIO(stored.encoded)).size == (64, 43)
    same = store(GRAY, 64, "png", 95)
    assert (same.height, same.width) == GRAY.shape


def test_stored_figures_are_those_of_the_stored_pixels():
    stored = store(RGB, 0, "png", 95)
    assert np.isclose(stored.mean, RGB.astype(np.float64).mean() / 255)
    assert np.isclose(stored.std, RGB.astype(np.float64).std() / 255)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(stored.encoded))), RGB)


@pytest.mark.parametrize(("side", "width"), [(20, 1), (64, 4)])
def test_border_figures_are_those_of_the_frame(side, width):
    pixels = np.random.default_rng(2).integers(0, 256, (side, 2 * side), np.uint8)
    inside = np.zeros(pixels.shape, bool)
    inside[width:-width, width:-width] = True
    for values in (pixels, np.stack([pixels] * 3, -1)):
        stored = store(values, 0, "png", 95)
        assert np.isclose(stored.border_mean, pixels[~inside].astype(np.float64).mean() / 255)
        assert np.isclose(stored.border_std, pixels[~inside].astype(np.float64).std() / 255)


def test_corners_and_size_are_those_before_shrinking():
    pixels = np.random.default_rng(3).integers(0, 256, (80, 120), np.uint8)
    # An eighth of the shorter side is 10 pixels.
    patches = (pixels[:10, :10], pixels[:10, -10:], pixels[-10:, :10], pixels[-10:, -10:])
    expected = [
        v / 255 for p in patches for v in (np.mean(p.astype(float)), np.std(p, dtype=float))
    ]
    for size in (0, 40):
        stored = store(pixels, size, "png", 95)
        assert (stored.source_height, stored.source_width) == (80, 120)
        np.testing.assert_allclose(stored.corners, expected, atol=1e-6)
    tiny = store(pixels[:2, :3], 0, "png", 95).corners
    np.testing.assert_allclose(tiny[::2], pixels[[0, 0, 1, 1], [0, 2, 0, 2]] / 255)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM"])
def test_the_kind_of_file_is_known(kind):
    assert read_bytes(saved(Image.fromarray(RGB), kind), LIMIT).container == kind


def test_the_digest_is_of_decoded_pixels(tmp_path):
    png = decode(tmp_path, saved(Image.fromarray(RGB), "PNG"))
    bmp = decode(tmp_path, saved(Image.fromarray(RGB), "BMP"))
    digest = store(png, 0, "png", 95).digest
    assert digest == store(bmp, 16, "jpeg", 80).digest
    assert digest == hashlib.sha256(b"(20, 30, 3)" + RGB.tobytes()).hexdigest()
    other = RGB.copy()
    other[0, 0, 0] ^= 1
    assert store(other, 0, "png", 95).digest != digest
    assert store(RGB.reshape(30, 20, 3), 0, "png", 95).digest != digest


def test_storing_drops_what_the_file_carried_beside_pixels(tmp_path):
    image = Image.fromarray(GRAY)
    exif = image.getexif()
    exif[0x010E] = "Jane Doe"
    content = saved(image, "JPEG", exif=exif)
    assert b"Jane Doe" in content
    pixels = decode(tmp_path, content)
    for encoding in ("png", "jpeg"):
        assert b"Jane Doe" not in store(pixels, 0, encoding, 95).encoded


def test_jpeg_encoding_is_close():
    smooth = np.tile(np.linspace(0, 255, 64, dtype=np.uint8), (64, 1))
    stored = store(smooth, 0, "jpeg", 95)
    decoded = np.asarray(Image.open(io.BytesIO(stored.encoded)))
    assert decoded.ndim == 2
    assert np.abs(decoded.astype(int) - smooth).mean() < 2


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("PNG", "PNG"),
        ("JPEG", "JPEG"),
        ("TIFF", "TIFF"),
        ("BMP", "BMP"),
        ("GIF", "GIF"),
        ("WEBP", "WEBP"),
        ("PPM", "PPM"),
        ("JPEG2000", "JPEG 2000"),
    ],
)
def test_formats_as_pillow_writes_them(kind, name):
    assert read_bytes(saved(Image.fromarray(GRAY), kind), LIMIT).container == name


def test_what_is_no_image_has_no_format():
    for other in (b"", b"hello", bytes(132), b"<svg"):
        assert formats.container(other) == ""


def test_a_picture_tells_what_it_was_read_from():
    dicom = file_of(make(ramp(np.uint8, 0, 255))).getvalue()
    assert read_bytes(dicom, LIMIT).container == "DICOM"
    assert read_bytes(saved(Image.fromarray(GRAY), "PNG"), LIMIT).container == "PNG"
