"""TIFF files whose samples are not bytes: any depth, packed, signed, float, either byte order.

Pillow reads the tags and decompresses the parts; the bytes are interpreted here, because Pillow
supports few of these kinds and shows some of them wrongly. Ordinary 8-bit files are read by Pillow
alone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from components.image_example_gen.pixels.intensity import Values, declared_range

if TYPE_CHECKING:
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_STRIP_OFFSETS, _SAMPLES, _STRIP_ROWS, _STRIP_BYTES = 273, 277, 278, 279
_LARGEST, _PLANAR, _PREDICTOR, _COLORMAP = 281, 284, 317, 320
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES = 322, 323, 324, 325
_SUBFILE, _ORIENTATION, _EXTRA, _FORMAT = 254, 274, 338, 339
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE = 0, 1, 2, 3
_KINDS = {1: "u", 2: "i", 3: "f"}
_KIND_NAMES = {1: "unsigned", 2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}
# Compressions that Pillow's libtiff unpacks to the original bytes.
_UNPACKED = {5: "LZW", 8: "deflate", 32946: "deflate", 32773: "PackBits", 34925: "LZMA",
             50000: "Zstandard"}  # fmt: skip
_REDUCED, _MASK = 1, 4
_MOST_PAGES = 10_000
# Rows are unpacked in blocks of this many samples.
_BLOCK = 1 << 18


class Unsupported(Exception):
    """A TIFF file of an unsupported kind, which the message names."""


def pages(file: BinaryIO) -> Iterator[ImageFileDirectory_v2]:
    """Yields the tags of every page."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    file.seek(0)
    head = file.read(8)
    if head.startswith(b"MM\0+"):
        raise Unsupported("a big-endian BigTIFF file")
    if head.startswith(b"II+\0"):
        head += file.read(8)
    place = ImageFileDirectory_v2(head).next
    seen: set[int] = set()
    while place and place not in seen and len(seen) < _MOST_PAGES:
        seen.add(place)
        tags = ImageFileDirectory_v2(head)
        file.seek(place)
        tags.load(file)
        yield tags
        place = tags.next


def main_pages(file: BinaryIO) -> list[tuple[int, ImageFileDirectory_v2]]:
    """Pages that are not smaller copies or masks of others, with their places."""
    found = list(enumerate(pages(file)))
    main = [(n, tags) for n, tags in found if not int(tags.get(_SUBFILE, 0)) & (_REDUCED | _MASK)]
    return main or found


def is_deep(tags: ImageFileDirectory_v2) -> bool:
    """Whether samples are other than unsigned integers of up to 8 bits."""
    bits, formats = _tuple(tags, _BITS, 1), _tuple(tags, _FORMAT, 1)
    return any(n not in (1, 2, 4, 8) for n in bits) or any(kind != 1 for kind in formats)


def size(tags: ImageFileDirectory_v2) -> tuple[int, int]:
    """Width and height."""
    return int(tags[_WIDTH]), int(tags[_HEIGHT])


def orientation(tags: ImageFileDirectory_v2) -> int:
    """As in EXIF; 1 is upright."""
    return int(tags.get(_ORIENTATION, 1))


def colormap(tags: ImageFileDirectory_v2) -> list[int]:
    """The palette: all reds, all greens, all blues, 16 bits each; empty if there is none."""
    return list(_tuple(tags, _COLORMAP, 0)) if _COLORMAP in tags else []


def is_inverted(tags: ImageFileDirectory_v2) -> bool:
    """Whether 0 is white."""
    return int(tags.get(_PHOTOMETRIC, _BLACK_IS_ZERO)) == _WHITE_IS_ZERO


def describe(tags: ImageFileDirectory_v2) -> str:
    """Describes the kind of page, for a message."""
    bits = " + ".join(map(str, _tuple(tags, _BITS, 1)))
    return (
        f"photometric interpretation {int(tags.get(_PHOTOMETRIC, -1))}, {bits} bits, compression "
        f"{int(tags.get(_COMPRESSION, 1))}"
    )


def read(file: BinaryIO, tags: ImageFileDirectory_v2) -> Values:
    """Reads a page.

    Raises:
        Unsupported: the page is of an unsupported kind.
    """
    layout = _layout(file, tags)
    samples = _assembled(file, layout, tags)
    photometric = int(tags.get(_PHOTOMETRIC, _BLACK_IS_ZERO))
    if photometric == _PALETTE:
        return Values(_through_palette(samples[..., 0], tags), declared_range(16), container=True)
    colors = 3 if photometric == _RGB else 1
    if photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB) or samples.shape[2] < colors:
        raise Unsupported(f"photometric interpretation {photometric} of {layout.bits}-bit samples")
    shown = _over_black(samples, colors, tags, layout)
    bits, largest = layout.bits, float(max(_tuple(tags, _LARGEST, 0)))
    declared, container = None, bits in (16, 32, 64)
    if layout.kind == "u":
        declared = declared_range(bits)
        # Some writers store the largest value that occurs, not the largest possible one.
        if container and largest > 255 and largest < declared[1] and _is_depth(largest):
            declared, container = (0.0, largest), False
    return Values(
        shown if colors == 3 else shown[..., 0],
        declared=declared,
        container=container,
        inverted=is_inverted(tags),
    )


@dataclasses.dataclass(frozen=True)
class _Layout:
    """How samples are arranged in a page."""

    width: int
    height: int
    bits: int
    kind: str
    samples: int
    planes: int
    part_width: int
    part_height: int
    offsets: tuple[int, ...]
    lengths: tuple[int, ...]
    compression: int
    fill_order: int
    predictor: int
    order: str

    @property
    def part_samples(self) -> int:
        """Samples of a pixel within a part."""
        return 1 if self.planes > 1 else self.samples

    @property
    def row_bytes(self) -> int:
        """Of a row of a part."""
        return -(-self.part_width * self.part_samples * self.bits // 8)


def _layout(file: BinaryIO, tags: ImageFileDirectory_v2) -> _Layout:
    width, height = size(tags)
    bits = set(_tuple(tags, _BITS, 1))
    kinds = set(_tuple(tags, _FORMAT, 1))
    samples = int(tags.get(_SAMPLES, 1))
    compression = int(tags.get(_COMPRESSION, 1))
    if len(bits) != 1 or len(kinds) != 1:
        raise Unsupported(f"samples of different depths: {', '.join(map(str, sorted(bits)))} bits")
    depth, code = bits.pop(), kinds.pop()
    kind = _KINDS.get(code, "")
    whole = depth in (8, 16, 32, 64)
    if not kind or (kind == "f" and depth not in (16, 32, 64)) or not (whole or 1 <= depth < 16):
        raise Unsupported(f"{depth}-bit {_KIND_NAMES.get(code, 'untyped')} samples")
    if not whole and kind != "u":
        raise Unsupported(f"signed {depth}-bit samples")
    if not 1 <= samples <= 5:
        raise Unsupported(f"{samples} samples per pixel, at most 5 are supported")
    if compression != 1 and compression not in _UNPACKED:
        raise Unsupported(f"compression {compression} of {depth}-bit samples")
    tiled = _TILE_OFFSETS in tags
    part_width = int(tags[_TILE_WIDTH]) if tiled else width
    part_height = (
        int(tags[_TILE_HEIGHT]) if tiled else min(height, int(tags.get(_STRIP_ROWS, height)))
    )
    # Tiles may be larger than their page, within limits.
    if not 0 < part_width <= width + 4096 or not 0 < part_height <= height + 4096:
        raise Unsupported(f"parts of {part_width}x{part_height} pixels")
    return _Layout(
        width=width, height=height, bits=depth, kind=kind, samples=samples,
        planes=samples if int(tags.get(_PLANAR, 1)) == 2 else 1,
        part_width=part_width, part_height=part_height,
        offsets=_tuple(tags, _TILE_OFFSETS if tiled else _STRIP_OFFSETS),
        lengths=_tuple(tags, _TILE_BYTES if tiled else _STRIP_BYTES),
        compression=compression, fill_order=int(tags.get(_FILL_ORDER, 1)),
        predictor=int(tags.get(_PREDICTOR, 1)), order="<" if tags.prefix == b"II" else ">",
    )  # fmt: skip


def _assembled(file: BinaryIO, layout: _Layout, tags: ImageFileDirectory_v2) -> np.ndarray:
    """All parts, [height, width, samples]."""
    bits = next(n for n in (8, 16, 32, 64) if n >= layout.bits)
    pixels = np.empty((layout.height, layout.width, layout.samples), f"{layout.kind}{bits // 8}")
    parts = iter(zip(layout.offsets, layout.lengths, strict=True))
    for plane in range(layout.planes):
        target = pixels[..., plane : plane + 1] if layout.planes > 1 else pixels
        for top in range(0, layout.height, layout.part_height):
            for left in range(0, layout.width, layout.part_width):
                place = target[top : top + layout.part_height, left : left + layout.part_width]
                offset, length = next(parts)
                # A strip ends with the page, a tile does not.
                rows = layout.part_height if _TILE_OFFSETS in tags else place.shape[0]
                part = _samples(_unpacked(file, offset, length, rows, layout), rows, layout)
                place[...] = part[: place.shape[0], : place.shape[1]]
    return pixels


def _unpacked(file: BinaryIO, offset: int, length: int, rows: int, layout: _Layout) -> np.ndarray:
    """Bytes of a part, [rows, bytes of a row]."""
    wanted = rows * layout.row_bytes
    file.seek(offset)
    data = file.read(min(length, 2 * wanted + (1 << 16)))
    if layout.compression != 1:
        return _through_libtiff(data, rows, layout)
    if len(data) < wanted:
        raise ValueError("the pixels end early")
    found = np.frombuffer(data, np.uint8, wanted)
    if layout.fill_order == 2:
        found = np.packbits(np.unpackbits(found, bitorder="little"))
    return found.reshape(rows, layout.row_bytes)


def _through_libtiff(data: bytes, rows: int, layout: _Layout) -> np.ndarray:
    """Unpacks a part as a gray TIFF with one strip, whose pixels are the packed bytes."""
    from PIL import Image

    entries = {
        _WIDTH: layout.row_bytes, _HEIGHT: rows, _BITS: 8, _COMPRESSION: layout.compression,
        _PHOTOMETRIC: _BLACK_IS_ZERO, _FILL_ORDER: layout.fill_order, _STRIP_OFFSETS: 0,
        _SAMPLES: 1, _STRIP_ROWS: rows, _STRIP_BYTES: len(data),
    }  # fmt: skip
    entries[_STRIP_OFFSETS] = 8 + 2 + 12 * len(entries) + 4
    header = b"II*\0" + struct.pack("<LH", 8, len(entries))
    for tag, value in sorted(entries.items()):
        header += struct.pack("<HHLL", tag, 4, 1, value)
    page = io.BytesIO(header + struct.pack("<L", 0) + data)
    # The page's size has been checked; the number of its bytes differs.
    most, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    with contextlib.ExitStack() as after:
        after.callback(setattr, Image, "MAX_IMAGE_PIXELS", most)
        return np.asarray(Image.open(page, formats=("TIFF",)))


def _samples(data: np.ndarray, rows: int, layout: _Layout) -> np.ndarray:
    """Samples of a part, [rows, width, samples], with the predictor undone."""
    shape = (rows, layout.part_width, layout.part_samples)
    count = layout.part_width * layout.part_samples
    if layout.bits not in (8, 16, 32, 64):
        if layout.predictor != 1:
            raise Unsupported(f"predictor {layout.predictor} of {layout.bits}-bit samples")
        return _packed(data, count, layout.bits).reshape(shape)
    size = layout.bits // 8
    if layout.predictor == 3:
        # Bytes of equal significance are stored together, each as the difference to its neighbor.
        apart = data.reshape(rows, count * size // layout.part_samples, layout.part_samples)
        joined = np.cumsum(apart, axis=1, dtype=np.uint8).reshape(rows, size, count)
        data = np.ascontiguousarray(joined.transpose(0, 2, 1))
        return data.view(f">{layout.kind}{size}").reshape(shape)
    found = np.ascontiguousarray(data).view(f"{layout.order}{layout.kind}{size}").reshape(shape)
    if layout.predictor == 2:
        found = np.cumsum(found, axis=1, dtype=found.dtype.newbyteorder("="))
    return found


def _packed(data: np.ndarray, count: int, bits: int) -> np.ndarray:
    """Samples that share bytes, most significant bit first; each row begins at a byte."""
    found = np.empty((len(data), count), np.uint8 if bits <= 8 else np.uint16)
    weights = 1 << np.arange(bits - 1, -1, -1, dtype=np.uint16)
    step = max(1, _BLOCK // count)
    for top in range(0, len(data), step):
        ones = np.unpackbits(data[top : top + step], axis=1)[:, : count * bits]
        found[top : top + step] = ones.reshape(-1, count, bits) @ weights
    return found


def _through_palette(indices: np.ndarray, tags: ImageFileDirectory_v2) -> np.ndarray:
    colors = np.array(colormap(tags), np.uint16).reshape(3, -1)
    return colors[:, np.minimum(indices, colors.shape[1] - 1)].transpose(1, 2, 0)


def _over_black(
    samples: np.ndarray, colors: int, tags: ImageFileDirectory_v2, layout: _Layout
) -> np.ndarray:
    """Composites color over black if there is an extra sample of unassociated alpha."""
    extra = _tuple(tags, _EXTRA, 0)
    shown = samples[..., :colors]
    if samples.shape[2] == colors or extra[0] != 2:
        return shown
    full = 1 if layout.kind == "f" else 2**layout.bits - 1
    alpha = samples[..., colors : colors + 1].astype(np.float64) / full
    return (shown * alpha).astype(samples.dtype)


def _is_depth(largest: float) -> bool:
    return float(int(largest) + 1).hex().startswith("0x1.0000000000000p")


def _tuple(tags: ImageFileDirectory_v2, tag: int, default: int | None = None) -> tuple[int, ...]:
    value = tags.get(tag, default) if default is not None else tags[tag]
    return tuple(int(n) for n in value) if isinstance(value, tuple) else (int(value),)
