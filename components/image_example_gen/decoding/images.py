"""From a file's bytes to pixels, and from pixels to the bytes that are stored.

Whatever is wrong with an image ends in `Rejected` with a reason, never in a crash. Details hold no
file name: they end up in the ingest report.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import stat
import warnings
import zlib
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from components.image_example_gen.decoding import dicom
from components.image_example_gen.decoding.perceptual_hash import perceptual_hash

if TYPE_CHECKING:
    from PIL import Image

MISSING = "missing"
EMPTY = "empty"
UNREADABLE = "unreadable"
UNSUPPORTED = "unsupported"
TOO_LARGE = "too_large"
TOO_SMALL = "too_small"

MIN_SIDE = 8
# The border is this share of the shorter side, at least a pixel.
_BORDER = 1 / 16
_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM", "JPEG2000")
_MAGIC = (
    b"\x89PNG", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"BM", b"GIF8", b"RIFF", b"P5", b"P6",
    b"\0\0\0\x0cjP", b"\xff\x4f\xff\x51",
)  # fmt: skip


class Rejected(Exception):
    """An image that has to be quarantined: a reason code, and a detail without identities."""

    def __init__(self, reason: str, detail: str):
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


@dataclasses.dataclass(frozen=True)
class StoredImage:
    """An image as it is stored, with the figures that describe it."""

    encoded: bytes
    height: int
    width: int
    mean: float
    std: float
    border_mean: float
    border_std: float
    digest: str
    phash: str


def decode_file(path: str, max_pixels: int, frame: int | None = None) -> np.ndarray:
    """Decodes an image file to uint8, [height, width] (gray) or [height, width, 3].

    16-bit gray is scaled by its full range, alpha is laid over black, palettes and CMYK become
    RGB, and EXIF orientation is applied. `frame` is for DICOM, which `dicom` decodes.

    Raises:
        Rejected: the file is not an image that can be used.
    """
    try:
        info = os.stat(path)
    except (OSError, ValueError):
        raise Rejected(MISSING, "no such file") from None
    if not stat.S_ISREG(info.st_mode):
        raise Rejected(UNREADABLE, "not a regular file")
    if info.st_size == 0:
        raise Rejected(EMPTY, "0 bytes")
    try:
        with open(path, "rb") as file:
            return _decode_any(file, path, max_pixels, frame)
    except OSError as error:
        raise Rejected(UNREADABLE, type(error).__name__) from None


def decode_bytes(data: bytes, max_pixels: int) -> np.ndarray:
    """Decodes an encoded image as `decode_file` does."""
    if not data:
        raise Rejected(EMPTY, "0 bytes")
    return _decode_any(io.BytesIO(data), "", max_pixels, None)


def _decode_any(file: BinaryIO, path: str, max_pixels: int, frame: int | None) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            # What Pillow warns of is either quarantined below or harmless.
            warnings.simplefilter("ignore")
            if dicom.is_dicom(file.read(132), path):
                return _decode_dicom(file, max_pixels, frame)
            file.seek(0)
            return _decode(file, max_pixels)
    except Rejected:
        raise
    except Exception as error:  # noqa: BLE001
        # Decoders of damaged files raise nearly anything (struct, zlib, Index, Syntax errors);
        # the text of their messages can hold the file's name.
        raise Rejected(UNREADABLE, type(error).__name__) from None


def file_flags(path: str) -> tuple[str, ...]:
    """What an image file itself warns of, as codes for the ingest report; DICOM alone has some."""
    try:
        with open(path, "rb") as file:
            return _flags(file, path)
    except OSError:
        return ()


def bytes_flags(data: bytes) -> tuple[str, ...]:
    """What an encoded image warns of, as `file_flags`."""
    return _flags(io.BytesIO(data), "")


def _flags(file: BinaryIO, path: str) -> tuple[str, ...]:
    try:
        return dicom.flags(file) if dicom.is_dicom(file.read(132), path) else ()
    except Exception:  # noqa: BLE001
        # Whatever is wrong with the file, decoding it says so.
        return ()


def _decode_dicom(file: BinaryIO, max_pixels: int, frame: int | None) -> np.ndarray:
    try:
        pixels = dicom.decode(file, frame, max_pixels)
    except dicom.TooLarge as error:
        raise Rejected(TOO_LARGE, str(error)) from None
    except dicom.Damaged as error:
        raise Rejected(UNREADABLE, str(error)) from None
    except dicom.Unusable as error:
        raise Rejected(UNSUPPORTED, str(error)) from None
    if min(pixels.shape[:2]) < MIN_SIDE:
        size = f"{pixels.shape[1]}x{pixels.shape[0]}"
        raise Rejected(TOO_SMALL, f"{size}, the shortest side must be {MIN_SIDE}")
    return pixels


def _decode(file: BinaryIO, max_pixels: int) -> np.ndarray:
    from PIL import Image, ImageOps, UnidentifiedImageError

    # Pillow's own guard, which also covers frames inside a file, follows the setting.
    Image.MAX_IMAGE_PIXELS = max_pixels
    magic = file.read(16)
    file.seek(0)
    try:
        image = Image.open(file, formats=_FORMATS)
    except Image.DecompressionBombError:
        raise Rejected(TOO_LARGE, f"more than data.max_pixels {max_pixels}") from None
    except UnidentifiedImageError:
        if magic.startswith(_MAGIC):
            raise Rejected(UNREADABLE, "header is damaged") from None
        raise Rejected(UNSUPPORTED, f"not one of {', '.join(_FORMATS)}") from None
    width, height = image.size
    if width * height > max_pixels:
        raise Rejected(TOO_LARGE, f"{width}x{height}, data.max_pixels is {max_pixels}")
    if min(width, height) < MIN_SIDE:
        raise Rejected(TOO_SMALL, f"{width}x{height}, the shortest side must be {MIN_SIDE}")
    if getattr(image, "n_frames", 1) > 1:
        raise Rejected(UNSUPPORTED, f"{image.n_frames} frames, one is accepted")
    image.load()
    return _to_pixels(ImageOps.exif_transpose(image))


def _to_pixels(image: Image.Image) -> np.ndarray:
    """8-bit gray or RGB pixels of a decoded Pillow image."""
    from PIL import Image

    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise Rejected(UNSUPPORTED, "32-bit integer pixels, 8 and 16 bit are accepted")
        return ((values * 255 + 32767) // 65535).astype(np.uint8)
    if image.mode == "F":
        raise Rejected(UNSUPPORTED, "floating-point pixels, 8 and 16 bit are accepted")
    if image.mode == "L":
        return np.asarray(image)
    if image.mode == "1":
        return np.asarray(image.convert("L"))
    if "A" in image.mode or "a" in image.mode or "transparency" in image.info:
        gray = image.mode in ("LA", "La")
        image = image.convert("RGBA")
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image).convert("L" if gray else "RGB")
    return np.asarray(image if image.mode in ("L", "RGB") else image.convert("RGB"))


def store(pixels: np.ndarray, stored_size: int, encoding: str, quality: int) -> StoredImage:
    """Shrinks the longest side to `stored_size` (0: as it is) and encodes as PNG or JPEG.

    Encoding anew also drops what the file carried beside its pixels, names in EXIF included.
    """
    from PIL import Image

    digest = hashlib.sha256(str(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    image = Image.fromarray(pixels)
    longest = max(image.size)
    if stored_size and longest > stored_size:
        size = tuple(max(1, round(side * stored_size / longest)) for side in image.size)
        image = image.resize(size, Image.Resampling.LANCZOS)
        pixels = np.asarray(image)
    buffer = io.BytesIO()
    if encoding == "jpeg":
        image.save(buffer, "JPEG", quality=quality, subsampling=0)
    else:
        # For pictures as good as zlib's own strategy, three times as fast at 224 pixels.
        image.save(buffer, "PNG", compress_type=zlib.Z_RLE)
    border = _border(pixels)
    return StoredImage(
        encoded=buffer.getvalue(),
        height=image.height,
        width=image.width,
        mean=float(pixels.mean() / 255),
        std=float(pixels.std() / 255),
        border_mean=float(border.mean() / 255),
        border_std=float(border.std() / 255),
        digest=digest.hexdigest(),
        phash=perceptual_hash(image),
    )


def _border(pixels: np.ndarray) -> np.ndarray:
    """Values of the frame around an image, where scanners and hospitals leave their marks."""
    width = max(1, round(min(pixels.shape[:2]) * _BORDER))
    sides = (
        pixels[:width],
        pixels[-width:],
        pixels[width:-width, :width],
        pixels[width:-width, -width:],
    )
    return np.concatenate([side.ravel() for side in sides])
