"""From a file's bytes to pixels, and from pixels to the bytes that are stored.

Any defect of an image raises `Rejected` with a reason and never crashes. Details contain no file
name, because they go into the ingest report.
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

from components.image_example_gen.decoding import formats, image_quality
from components.image_example_gen.decoding.dicom import file as dicom
from components.image_example_gen.decoding.image_quality import Quality
from components.image_example_gen.decoding.perceptual_hash import perceptual_hash
from components.image_example_gen.pixels import picture
from components.image_example_gen.pixels.intensity import AUTO
from components.image_example_gen.pixels.picture import Picture
from components.image_example_gen.pixels.rejected import (
    EMPTY,
    MISSING,
    TOO_LARGE,
    UNREADABLE,
    UNSUPPORTED,
    Rejected,
    require_size,
)
from components.image_example_gen.settings import Intensity

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "EMPTY", "MISSING", "TOO_LARGE", "UNREADABLE", "UNSUPPORTED", "Picture", "Rejected",
    "StoredImage", "decode_bytes", "decode_file", "read_bytes", "read_file", "store",
]  # fmt: skip

# The border is this fraction of the shorter side, at least one pixel.
_BORDER = 1 / 16
# So is the side of a corner.
_CORNER = 1 / 8
# Images with fewer distinct gray levels than this are flagged; so are images whose pixels, apart
# from this fraction of the darkest and of the brightest, lie within this many levels.
_FEW_LEVELS = 32
_OUTLIERS, _FLAT = 0.005, 4


@dataclasses.dataclass(frozen=True)
class StoredImage:
    """An image as it is stored, with the statistics that describe it."""

    encoded: bytes
    height: int
    width: int
    mean: float
    std: float
    border_mean: float
    border_std: float
    digest: str
    phash: str
    source_height: int
    source_width: int
    corners: tuple[float, ...]
    """Mean and deviation of each corner before the image was shrunk, in the order of CORNERS."""
    quality: Quality
    flags: tuple[str, ...] = ()


def decode_file(
    path: str, max_pixels: int, frame: int | None = None, intensity: Intensity = AUTO
) -> np.ndarray:
    """The pixels of `read_file`, for callers that need only them."""
    return read_file(path, max_pixels, frame, intensity).pixels


def decode_bytes(data: bytes, max_pixels: int, intensity: Intensity = AUTO) -> np.ndarray:
    """The pixels of `read_bytes`, for callers that need only them."""
    return read_bytes(data, max_pixels, intensity).pixels


def read_file(
    path: str, max_pixels: int, frame: int | None = None, intensity: Intensity = AUTO
) -> Picture:
    """Decodes an image file to uint8, [height, width] (gray) or [height, width, 3].

    `intensity` reduces more than 8 bits to 8, alpha is composited over black, palettes and CMYK
    become RGB, and EXIF orientation is applied. `frame` is for DICOM, which `dicom` decodes.

    Raises:
        Rejected: the file is not a usable image.
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
            return _decode_any(file, path, max_pixels, frame, intensity)
    except OSError as error:
        raise Rejected(UNREADABLE, type(error).__name__) from None


def read_bytes(data: bytes, max_pixels: int, intensity: Intensity = AUTO) -> Picture:
    """Decodes an encoded image as `read_file` does."""
    if not data:
        raise Rejected(EMPTY, "0 bytes")
    return _decode_any(io.BytesIO(data), "", max_pixels, None, intensity)


def _decode_any(
    file: BinaryIO, path: str, max_pixels: int, frame: int | None, intensity: Intensity
) -> Picture:
    try:
        with warnings.catch_warnings():
            # What Pillow warns about is either quarantined below or harmless.
            warnings.simplefilter("ignore")
            head = file.read(132)
            if dicom.is_dicom(head, path):
                shown = _decode_dicom(file, max_pixels, frame, intensity)
                return dataclasses.replace(shown, container="DICOM")
            file.seek(0)
            shown = formats.decode(file, max_pixels, intensity)
            return dataclasses.replace(shown, container=formats.container(head))
    except Rejected:
        raise
    except Exception as error:  # noqa: BLE001
        # On damaged files, decoders raise nearly anything (struct, zlib, Index, Syntax errors);
        # their messages can contain the file's name.
        raise Rejected(UNREADABLE, type(error).__name__) from None


def _decode_dicom(
    file: BinaryIO, max_pixels: int, frame: int | None, intensity: Intensity
) -> Picture:
    try:
        shown = dicom.decode(file, frame, max_pixels, intensity)
    except dicom.TooLarge as error:
        raise Rejected(TOO_LARGE, str(error)) from None
    except dicom.Damaged as error:
        raise Rejected(UNREADABLE, str(error)) from None
    except dicom.Unusable as error:
        raise Rejected(UNSUPPORTED, str(error)) from None
    require_size(shown.pixels.shape[1], shown.pixels.shape[0], max_pixels)
    return shown


def store(pixels: np.ndarray, stored_size: int, encoding: str, quality: int) -> StoredImage:
    """Shrinks the longest side to `stored_size` (0: unchanged) and encodes as PNG or JPEG.

    Re-encoding also drops all metadata of the file, such as names in EXIF.
    """
    from PIL import Image

    digest = hashlib.sha256(str(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    image = Image.fromarray(pixels)
    measured, corners = image_quality.measure(image), _corners(pixels)
    source_height, source_width = pixels.shape[:2]
    flags = (*_flags(image), *image_quality.flags(measured, source_width, source_height))
    longest = max(image.size)
    if stored_size and longest > stored_size:
        size = tuple(max(1, round(side * stored_size / longest)) for side in image.size)
        image = image.resize(size, Image.Resampling.LANCZOS)
        pixels = np.asarray(image)
    buffer = io.BytesIO()
    if encoding == "jpeg":
        image.save(buffer, "JPEG", quality=quality, subsampling=0)
    else:
        # Compresses images as well as zlib's default strategy, three times as fast at 224 pixels.
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
        source_height=source_height,
        source_width=source_width,
        corners=corners,
        quality=measured,
        flags=flags,
    )


def _flags(image: Image.Image) -> tuple[str, ...]:
    """Flags a picture with too few gray levels, or too few levels of its richest color."""
    counts = np.reshape(image.histogram(), (-1, 256))
    levels = int(np.count_nonzero(counts, axis=1).max())
    if levels == 1:
        return (picture.CONSTANT,)
    reached = counts.cumsum(axis=1) / counts.sum(axis=1, keepdims=True)
    dark, bright = (reached <= _OUTLIERS).sum(axis=1), (reached < 1 - _OUTLIERS).sum(axis=1)
    nearly = (picture.NEARLY_CONSTANT,) if (bright - dark).max() < _FLAT else ()
    return (*nearly, picture.FEW_LEVELS) if levels < _FEW_LEVELS else nearly


def _border(pixels: np.ndarray) -> np.ndarray:
    """Values of an image's border, where scanners and hospitals leave marks."""
    width = max(1, round(min(pixels.shape[:2]) * _BORDER))
    sides = (
        pixels[:width],
        pixels[-width:],
        pixels[width:-width, :width],
        pixels[width:-width, -width:],
    )
    return np.concatenate([side.ravel() for side in sides])


def _corners(pixels: np.ndarray) -> tuple[float, ...]:
    """Mean and deviation of each corner, where markers of side, hospital and scanner stand."""
    side = max(1, round(min(pixels.shape[:2]) * _CORNER))
    low, high = slice(None, side), slice(-side, None)
    patches = (pixels[rows, columns] for rows in (low, high) for columns in (low, high))
    return tuple(float(value / 255) for patch in patches for value in (patch.mean(), patch.std()))
