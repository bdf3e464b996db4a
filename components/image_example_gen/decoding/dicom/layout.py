"""How the pixels of a DICOM file are laid out, with errors of its header corrected.

Each attribute of the image pixel module that is missing, empty, invalid or contradicted by the
length of the data is replaced by a value that fits, and a flag names it. pydicom, which trusts the
header, then gets the result.
"""

from __future__ import annotations

import dataclasses
import io
import os
import struct
from typing import TYPE_CHECKING, BinaryIO

from components.image_example_gen.decoding.dicom import values as tags
from components.image_example_gen.decoding.dicom.errors import Damaged, TooLarge, Unusable
from components.image_example_gen.pixels import picture

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.uid import UID

_KEYWORDS = {
    (0x7FE0, 0x0010): "PixelData",
    (0x7FE0, 0x0008): "FloatPixelData",
    (0x7FE0, 0x0009): "DoubleFloatPixelData",
}
_UNDEFINED = 0xFFFFFFFF
_GRAY = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR")
_COLOR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "YBR_PARTIAL_422",
          "YBR_PARTIAL_420")  # fmt: skip
PIXEL_TAGS = (
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows",
    "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Element:
    """The element that holds the pixels.

    Attributes:
        keyword: PixelData, FloatPixelData or DoubleFloatPixelData.
        vr: value representation; empty in implicit VR.
        offset: position of its value in the file.
        length: bytes of its value; None for a value in fragments.
    """

    keyword: str
    vr: str
    offset: int
    length: int | None


@dataclasses.dataclass(frozen=True)
class Layout:
    """The layout that decoding needs.

    Attributes:
        syntax: transfer syntax of the pixels.
        element: the element that holds them.
        kind: photometric interpretation.
        samples: samples per pixel.
        rows: of a frame.
        columns: of a frame.
        frames: frames that the data hold.
        stated_frames: frames that the header states.
        allocated: bits of a sample.
        stored: used bits of a sample.
        high: the most significant of them by the header; None if the header doesn't say.
        signed: whether samples have a sign.
        planar: whether colors are stored plane by plane.
        offsets: the extended tables of offsets and lengths of compressed frames.
        flags: what was corrected.
    """

    syntax: UID
    element: Element
    kind: str
    samples: int
    rows: int
    columns: int
    frames: int
    stated_frames: int
    allocated: int
    stored: int
    high: int | None
    signed: bool
    planar: int
    offsets: tuple[bytes, bytes] | None
    flags: tuple[str, ...]

    def options(self) -> dict[str, object]:
        """The options that pydicom's decoders take instead of a header."""
        options: dict[str, object] = {
            "rows": self.rows,
            "columns": self.columns,
            "samples_per_pixel": self.samples,
            "photometric_interpretation": self.kind,
            "number_of_frames": self.frames,
            "bits_allocated": self.allocated,
            "bits_stored": self.stored,
            "pixel_representation": int(self.signed),
            "pixel_keyword": self.element.keyword,
            # `samples` decides what unused bits mean, because it sees all of them.
            "correct_unused_bits": False,
        }
        if self.samples > 1:
            options["planar_configuration"] = self.planar
        if self.element.vr:
            options["pixel_vr"] = self.element.vr
        if self.offsets:
            options["extended_offsets"] = self.offsets
        return options


def find_pixels(file: BinaryIO, header: Dataset) -> Element:
    """The element at which a header ended, where the file is positioned.

    Raises:
        Unusable: the element holds no pixels.
    """
    implicit, little = header.original_encoding
    order = "<" if little else ">"
    head = file.read(8)
    if len(head) < 8:
        raise Unusable("DICOM without pixels")
    keyword = _KEYWORDS.get(struct.unpack(f"{order}HH", head[:4]))
    if keyword is None:
        raise Unusable("DICOM without pixels")
    vr = "" if implicit else head[4:6].decode("ascii", errors="replace")
    length = struct.unpack(f"{order}L", head[4:] if implicit else file.read(4))[0]
    return Element(keyword, vr, file.tell(), None if length == _UNDEFINED else length)


def read_layout(file: BinaryIO, header: Dataset, syntax: UID, max_pixels: int) -> Layout:
    """How the pixels are laid out.

    Args:
        file: positioned where the header ended.
        header: with `PIXEL_TAGS`.
        syntax: transfer syntax that the file states.
        max_pixels: of a frame.

    Raises:
        Unusable: there are no pixels, or they make no image.
    """
    rows, columns = (tags.integer(header, name) or 0 for name in ("Rows", "Columns"))
    if rows < 1 or columns < 1:
        raise Unusable("DICOM without pixels")
    if rows * columns > max_pixels:
        raise TooLarge(f"{columns}x{rows}, data.max_pixels is {max_pixels}")
    element = find_pixels(file, header)
    flags: list[str] = []
    kind, samples = _color(header, flags)
    allocated, stored = _bits(header, element, flags)
    planar = tags.integer(header, "PlanarConfiguration")
    if samples > 1 and planar not in (0, 1):
        flags.append(picture.HEADER_REPAIRED)
    sign = tags.integer(header, "PixelRepresentation")
    if sign not in (0, 1) and element.keyword == "PixelData":
        flags.append(picture.HEADER_REPAIRED)
    frames = tags.integer(header, "NumberOfFrames") or 1
    if frames < 1:
        frames = 1
        flags.append(picture.FRAMES_CONTRADICTED)
    layout = Layout(
        syntax=syntax, element=element, kind=kind, samples=samples, rows=rows, columns=columns,
        frames=frames, stated_frames=frames, allocated=allocated, stored=stored,
        high=tags.integer(header, "HighBit"), signed=sign == 1, planar=int(planar == 1),
        offsets=_offsets(header), flags=tuple(flags),
    )  # fmt: skip
    layout = _true_syntax(file, layout)
    fitted = _fragments(file, layout) if layout.syntax.is_encapsulated else _native(file, layout)
    file.seek(element.offset)
    return fitted


def _offsets(header: Dataset) -> tuple[bytes, bytes] | None:
    offsets, lengths = (tags.raw(header, name) for name in PIXEL_TAGS[-2:])
    if isinstance(offsets, bytes) and isinstance(lengths, bytes) and offsets:
        return offsets, lengths
    return None


def _color(header: Dataset, flags: list[str]) -> tuple[str, int]:
    """Photometric interpretation and samples per pixel, each corrected by the other if wrong."""
    kind = tags.text(header, "PhotometricInterpretation").replace("_COLOR", " COLOR")
    samples = tags.integer(header, "SamplesPerPixel")
    if kind not in (*_GRAY, *_COLOR):
        if kind and samples != 1:
            raise Unusable(f"photometric interpretation {kind[:20]} is not supported")
        flags.append(picture.POLARITY_GUESSED if samples != 3 else picture.HEADER_REPAIRED)
        kind = "RGB" if samples == 3 else "MONOCHROME2"
    fitting = 3 if kind in _COLOR else 1
    if samples not in (1, 3):
        if samples is not None and samples > 1:
            raise Unusable(f"{samples} samples per pixel, 1 and 3 are accepted")
        flags.append(picture.HEADER_REPAIRED)
    elif samples != fitting:
        flags.append(picture.HEADER_REPAIRED)
        return ("RGB" if samples == 3 else "MONOCHROME2"), samples
    return kind, fitting


def _bits(header: Dataset, element: Element, flags: list[str]) -> tuple[int, int]:
    """Allocated and stored bits."""
    if element.keyword != "PixelData":
        bits = 32 if element.keyword == "FloatPixelData" else 64
        return bits, bits
    allocated = tags.integer(header, "BitsAllocated") or 0
    stored = tags.integer(header, "BitsStored") or 0
    if allocated != 1 and (allocated < 1 or allocated % 8 or allocated > 64):
        if allocated > 0 and allocated % 8:
            raise Unusable(f"{allocated} bits allocated, 1 and multiples of 8 are accepted")
        allocated = 16 if stored > 8 else 8
        flags.append(picture.BITS_CONTRADICTED)
    if stored > allocated and stored <= 16 and allocated == 8:
        allocated = 16
        flags.append(picture.BITS_CONTRADICTED)
    if not 1 <= stored <= allocated:
        stored = allocated
        flags.append(picture.BITS_CONTRADICTED)
    return allocated, stored


def _true_syntax(file: BinaryIO, layout: Layout) -> Layout:
    """The actual syntax of the pixels: some archives change the pixels but not the header."""
    from pydicom.uid import UID, ExplicitVRLittleEndian

    length = layout.element.length
    if (length is None) == layout.syntax.is_encapsulated:
        return layout
    syntax: str = ExplicitVRLittleEndian
    if length is None:
        syntax = _sniffed(file, layout.element)
    elif length < _frame_bits(layout) * layout.frames // 8:
        raise Damaged(f"transfer syntax {layout.syntax.name}: the data are not in fragments")
    flags = (*layout.flags, picture.SYNTAX_CONTRADICTED)
    return dataclasses.replace(layout, syntax=UID(syntax), flags=flags)


def _sniffed(file: BinaryIO, element: Element) -> str:
    """The transfer syntax of the first fragment, by its first bytes."""
    from pydicom import uid

    file.seek(element.offset)
    for _ in range(2):  # The first item is the table of offsets.
        head = file.read(8)
        if len(head) < 8:
            break
        data = file.read(min(struct.unpack("<L", head[4:])[0], 1 << 16))
        if data.startswith(b"\xff\x4f\xff\x51"):
            return uid.JPEG2000Lossless
        if data.startswith(b"\xff\xd8"):
            for marker, syntax in ((b"\xff\xf7", uid.JPEGLSLossless), (b"\xff\xc3",
                    uid.JPEGLosslessSV1), (b"\xff\xc1", uid.JPEGExtended12Bit)):  # fmt: skip
                if marker in data:
                    return syntax
            return uid.JPEGBaseline8Bit
    return uid.RLELossless


def _native(file: BinaryIO, layout: Layout) -> Layout:
    """Frames and bits that fit the length of the data."""
    held = _held(file, layout.element)
    frames = held * 8 // _frame_bits(layout)
    flags = list(layout.flags)
    if layout.kind == "YBR_FULL_422" and held * 8 >= _frame_bits(layout) * 3 // 2 * layout.frames:
        # Not subsampled, whatever its name says.
        layout = dataclasses.replace(layout, kind="YBR_FULL")
        frames = held * 8 // _frame_bits(layout)
        flags.append(picture.HEADER_REPAIRED)
    if frames < layout.frames and layout.allocated in (16, 32):
        halved = dataclasses.replace(
            layout,
            allocated=layout.allocated // 2,
            stored=min(layout.stored, layout.allocated // 2),
        )
        wanted = _frame_bits(halved) * layout.frames // 8
        if held in (wanted, wanted + wanted % 2):
            layout, frames = halved, layout.frames
            flags.append(picture.BITS_CONTRADICTED)
    if not frames:
        raise Damaged("the pixel data end before the first frame does")
    if frames != layout.frames:
        flags.append(picture.FRAMES_CONTRADICTED)
    return dataclasses.replace(layout, frames=frames, flags=tuple(dict.fromkeys(flags)))


def _held(file: BinaryIO, element: Element) -> int:
    """Bytes of native pixels that the file really holds."""
    there = file.seek(0, os.SEEK_END) - element.offset
    return min(there, element.length or 0)


def _frame_bits(layout: Layout) -> int:
    bits = layout.rows * layout.columns * layout.samples * layout.allocated
    return bits * 2 // 3 if layout.kind == "YBR_FULL_422" else bits


def _fragments(file: BinaryIO, layout: Layout) -> Layout:
    """Number of frames that fits the number of fragments: each frame has at least one."""
    from pydicom.encaps import parse_basic_offsets, parse_fragments

    if layout.frames == 1:
        return layout
    file.seek(layout.element.offset)
    try:
        parse_basic_offsets(file)
        count, _ = parse_fragments(file)
    except (ValueError, struct.error, io.UnsupportedOperation):
        raise Damaged("the fragments of the pixel data are damaged") from None
    if 0 < count < layout.frames:
        flags = (*layout.flags, picture.FRAMES_CONTRADICTED)
        return dataclasses.replace(layout, frames=count, flags=flags)
    return layout
