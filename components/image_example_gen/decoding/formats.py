"""Image files other than DICOM: chooses the main picture and reads it at full depth.

Pillow reads nearly all of them. What it would reduce to 8 bits (16-bit color, PPM) or can't read
(most TIFF files that don't have 8 bits) is read here, so that one policy decides the range of the
values.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from components.image_example_gen.decoding import tiff
from components.image_example_gen.pixels import intensity, picture
from components.image_example_gen.pixels.intensity import Values, declared_range
from components.image_example_gen.pixels.picture import Picture
from components.image_example_gen.pixels.rejected import (
    TOO_LARGE,
    UNREADABLE,
    UNSUPPORTED,
    Rejected,
    require_size,
)
from components.image_example_gen.settings import Intensity

if TYPE_CHECKING:
    from PIL import Image
    from PIL.MpoImagePlugin import MpoImageFile
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM", "JPEG2000")
_CONTAINERS = (
    ("PNG", (b"\x89PNG",)),
    ("JPEG", (b"\xff\xd8\xff",)),
    ("TIFF", tiff.MAGIC),
    ("BMP", (b"BM",)),
    ("GIF", (b"GIF8",)),
    ("WEBP", (b"RIFF",)),
    ("PPM", (b"P5", b"P6")),
    ("JPEG 2000", (b"\0\0\0\x0cjP", b"\xff\x4f\xff\x51")),
)
# Rules that change images of 8 bits too.
_STRETCHING = ("minmax", "percentile", "fixed")
_PPM_HEADER = re.compile(rb"(P[56])" + rb"(?:\s+(?:#[^\n]*\n\s*)*)(\d{1,6})" * 3 + rb"\s")
_ORIENTATION = 0x0112
# Pillow's names for 16-bit color, and the modes to read its bytes with: high byte first, then low
# byte first, which yields the other byte. Gray and alpha fill four channels.
_HALVES = {
    "RGB;16B": ("RGB;16B", "RGB;16L"),
    "RGBA;16B": ("RGBA;16B", "RGBA;16L"),
    "LA;16B": ("RGBA",),
}
_PRIMARY, _REPRESENTATIVE = "Baseline MP Primary Image", "RepresentativeImageFlag"
_LOSSLESS_JPEG = (0xC3, 0xC7, 0xCB, 0xCF, 0xF7)


def container(head: bytes) -> str:
    """Kind of file by its first bytes; empty for what is none of the accepted kinds."""
    return next((name for name, magic in _CONTAINERS if head.startswith(magic)), "")


def decode(file: BinaryIO, max_pixels: int, policy: Intensity) -> Picture:
    """Decodes the file's main picture.

    Raises:
        Rejected: the file has no usable picture.
    """
    from PIL import Image

    # Pillow's own guard, which also covers frames inside a file, follows the setting.
    Image.MAX_IMAGE_PIXELS = max_pixels
    head = file.read(1024)
    file.seek(0)
    if head.startswith(tiff.MAGIC):
        return _decode_tiff(file, max_pixels, policy)
    deep = _PPM_HEADER.match(head)
    if deep and int(deep[4]) > 255:
        require_size(int(deep[2]), int(deep[3]), max_pixels)
        return intensity.render(_ppm(file, deep), policy)
    image = _opened(file, head, max_pixels)
    several = image.format == "MPO"
    if several:
        image.seek(_main_picture(image))
    require_size(image.width, image.height, max_pixels)
    if not several and getattr(image, "n_frames", 1) > 1:
        raise Rejected(UNSUPPORTED, f"{image.n_frames} frames, one is accepted")
    shown = _shown(image, file, policy)
    if several:
        shown = dataclasses.replace(shown, flags=(*shown.flags, picture.SEVERAL_PICTURES))
    return shown


def _opened(file: BinaryIO, head: bytes, max_pixels: int) -> Image.Image:
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(file, formats=_FORMATS)
    except Image.DecompressionBombError:
        raise Rejected(TOO_LARGE, f"more than data.max_pixels {max_pixels}") from None
    except UnidentifiedImageError:
        if head.startswith(b"\xff\xd8\xff"):
            _refuse_kind_of_jpeg(file)
        if container(head):
            raise Rejected(UNREADABLE, "header is damaged") from None
        raise Rejected(UNSUPPORTED, f"not one of {', '.join(_FORMATS)}") from None


def _refuse_kind_of_jpeg(file: BinaryIO) -> None:
    """Raises Rejected for a valid JPEG of an unsupported kind."""
    file.seek(2)
    while (marker := file.read(2))[:1] == b"\xff" and len(marker) == 2:
        length = int.from_bytes(file.read(2), "big")
        body = file.read(max(0, length - 2))
        code = marker[1]
        if (0xC0 <= code <= 0xCF and code not in (0xC4, 0xC8, 0xCC)) or code == 0xF7:
            kind = "JPEG-LS" if code == 0xF7 else "lossless JPEG"
            if code in _LOSSLESS_JPEG:
                raise Rejected(UNSUPPORTED, f"{kind}: supported only in DICOM files")
            if body and body[0] != 8:
                raise Rejected(UNSUPPORTED, f"JPEG of {body[0]} bits: only 8 bits are supported")
            return


def _main_picture(image: MpoImageFile) -> int:
    """The primary picture of a multi-picture JPEG."""
    entries = [entry["Attribute"] for entry in image.mpinfo.get(0xB002, ())]
    places = [n for n, entry in enumerate(entries) if entry.get("MPType") == _PRIMARY]
    places += [n for n, entry in enumerate(entries) if entry.get(_REPRESENTATIVE)]
    return next((place for place in places if place < image.n_frames), 0)


def _decode_tiff(file: BinaryIO, max_pixels: int, policy: Intensity) -> Picture:
    try:
        pages = tiff.main_pages(file)
        if not pages:
            raise Rejected(UNREADABLE, "header is damaged")
        if len(pages) > 1:
            raise Rejected(UNSUPPORTED, f"{len(pages)} frames, one is accepted")
        place, tags = pages[0]
        require_size(*tiff.size(tags), max_pixels)
        if tiff.is_deep(tags):
            shown = intensity.render(tiff.read(file, tags), policy)
            return _turned(shown, tiff.orientation(tags))
        return _plain_tiff(file, place, tags, max_pixels, policy)
    except tiff.Unsupported as error:
        raise Rejected(UNSUPPORTED, f"TIFF: {error}") from None


def _plain_tiff(
    file: BinaryIO, place: int, tags: ImageFileDirectory_v2, max_pixels: int,
    policy: Intensity,
) -> Picture:  # fmt: skip
    """A TIFF file of at most 8 bits, which Pillow reads."""
    from PIL import Image, UnidentifiedImageError

    file.seek(0)
    try:
        image = Image.open(file, formats=("TIFF",))
    except UnidentifiedImageError:
        raise Rejected(UNSUPPORTED, f"TIFF: {tiff.describe(tags)}") from None
    image.seek(place)
    colors = tiff.colormap(tags)
    if image.mode == "P" and colors and max(colors) < 256:
        # The standard says 16 bits, some writers use 8: nearly black if read as 16.
        palette = np.array(colors, np.uint8).reshape(3, -1)
        indices = np.minimum(np.asarray(image), palette.shape[1] - 1)
        shown = Picture(palette[:, indices].transpose(1, 2, 0), flags=(picture.RANGE_GUESSED,))
        return _turned(shown, tiff.orientation(tags))
    shown = _shown(image, file, policy)
    return dataclasses.replace(shown, inverted=tiff.is_inverted(tags))


def _ppm(file: BinaryIO, header: re.Match[bytes]) -> Values:
    """A binary PGM or PPM file of more than 8 bits."""
    width, height, largest = (int(header[n]) for n in (2, 3, 4))
    shape = (height, width) if header[1] == b"P5" else (height, width, 3)
    file.seek(header.end())
    data = file.read(2 * int(np.prod(shape)))
    samples = np.frombuffer(data, ">u2", int(np.prod(shape))).reshape(shape)
    return Values(
        samples.astype(np.uint16), declared=(0.0, float(largest)), container=largest == 65535
    )


def _shown(image: Image.Image, file: BinaryIO, policy: Intensity) -> Picture:
    """The pixels of a Pillow image, upright."""
    from PIL import ImageOps

    values = _deep(image, file)
    if values is not None:
        return _turned(intensity.render(values, policy), image.getexif().get(_ORIENTATION, 1))
    image.load()
    pixels = _bytes(ImageOps.exif_transpose(image))
    if policy.rule in _STRETCHING:
        return intensity.render(Values(pixels, declared=(0.0, 255.0)), policy)
    return Picture(pixels)


def _deep(image: Image.Image, file: BinaryIO) -> Values | None:
    """Samples of more than 8 bits; None for an image of at most 8 bits."""
    if image.format == "JPEG2000":
        return _jpeg2000(file)
    raw = image.tile[0].args if image.tile else ""
    if image.format == "PNG" and raw in _HALVES:
        return _png(image, file, raw)
    if image.mode == "F":
        return Values(np.asarray(image))
    if image.mode.startswith("I"):
        samples = np.asarray(image)
        clear = image.info.get("transparency")
        padding = samples == clear if isinstance(clear, int) else None
        return Values(samples, declared=declared_range(16), container=True, padding=padding)
    return None


def _png(image: Image.Image, file: BinaryIO, raw: str) -> Values:
    """16-bit color, or gray with alpha, of which Pillow keeps only the upper 8 bits."""
    from PIL import Image

    halves = []
    for way in _HALVES[raw]:
        file.seek(0)
        again = Image.open(file, formats=("PNG",))
        again.tile = [part._replace(args=way) for part in again.tile]
        halves.append(np.asarray(again))
    if len(halves) == 1:
        samples = halves[0].view(">u2").astype(np.uint16)
    else:
        samples = halves[0].astype(np.uint16) << 8 | halves[1]
    clear = image.info.get("transparency")
    padding = (samples == clear).all(axis=-1) if isinstance(clear, tuple) else None
    return _over_black(samples, declared_range(16), padding)


def _jpeg2000(file: BinaryIO) -> Values | None:
    """JPEG 2000 of more than 8 bits, or signed, which Pillow would stretch or clip."""
    from openjpeg.utils import decode as decode_jpeg2000
    from openjpeg.utils import get_parameters

    file.seek(0)
    found = get_parameters(file)
    bits, signed = int(found["precision"]), bool(found["is_signed"])
    if bits <= 8 and not signed:
        return None
    file.seek(0)
    declared = declared_range(bits, signed)
    return _over_black(decode_jpeg2000(file), declared, None, container=bits in (16, 32))


def _over_black(
    samples: np.ndarray,
    declared: tuple[float, float],
    padding: np.ndarray | None,
    container: bool = True,
) -> Values:
    """Gray or color, composited over black if there is alpha."""
    if samples.ndim == 3 and samples.shape[2] in (2, 4):
        alpha = samples[..., -1:] / declared[1]
        samples = (samples[..., :-1] * alpha).astype(samples.dtype)
    if samples.ndim == 3 and samples.shape[2] == 1:
        samples = samples[..., 0]
    return Values(samples, declared=declared, container=container, padding=padding)


def _bytes(image: Image.Image) -> np.ndarray:
    """Gray or RGB pixels of a Pillow image of 8 bits."""
    from PIL import Image

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


def _turned(shown: Picture, orientation: int) -> Picture:
    """A picture turned as its EXIF orientation says."""
    turn = _TURNS.get(orientation)
    if turn is None:
        return shown
    return dataclasses.replace(shown, pixels=np.ascontiguousarray(turn(shown.pixels)))


def _transposed(pixels: np.ndarray) -> np.ndarray:
    return np.swapaxes(pixels, 0, 1)


_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: _transposed,
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(_transposed(pixels), 2),
    8: np.rot90,
}
