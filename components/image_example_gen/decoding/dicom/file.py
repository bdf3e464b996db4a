"""From a DICOM file to the 8-bit pixels that a viewer would show first.

Reads only the tags listed here; never parses names, dates or free text. Gray values
go through the modality transform (rescale slope and intercept, or its table), then through the
first usable VOI table or window, as `intensity` decides. MONOCHROME1 is inverted, palettes and YBR
become RGB; signed values and 1 to 32 bits are supported. pydicom's plugins decode compressed
transfer syntaxes (`plugins`). Header errors that the data reveal are corrected (`layout`,
`samples`), and a flag names each correction.

Text burnt into the pixels is not detected. A flag marks files that declare such text and files that
do not declare its absence.
"""

from __future__ import annotations

import dataclasses
import io
import struct
import sys
import zlib
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from components.image_example_gen.decoding.dicom import (
    layout as layouts,
)
from components.image_example_gen.decoding.dicom import (
    lookup_tables,
    voi,
)
from components.image_example_gen.decoding.dicom import (
    samples as sampling,
)
from components.image_example_gen.decoding.dicom import (
    values as tags,
)
from components.image_example_gen.decoding.dicom.errors import Damaged, TooLarge, Unusable
from components.image_example_gen.decoding.dicom.layout import Layout
from components.image_example_gen.decoding.dicom.plugins import (
    read_frame,
    require_decoder,
    silence,
    stated_syntax,
)
from components.image_example_gen.pixels import intensity, picture
from components.image_example_gen.pixels.picture import Picture
from components.image_example_gen.settings import Intensity

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["Damaged", "TooLarge", "Unusable", "decode", "is_dicom", "read_tags"]

BURNED_IN = "burned_in_annotation"
BURNED_IN_UNKNOWN = "burned_in_annotation_not_stated"
SUFFIXES = (".dcm", ".dicom", ".ima")

_TAGS: tuple[str | int, ...] = (
    *layouts.PIXEL_TAGS, *sampling.PADDING_TAGS, *sampling.OVERLAY_BIT_POSITIONS,
    "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence", "WindowCenter", "WindowWidth",
    "VOILUTFunction", "VOILUTSequence", "PresentationLUTShape", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence", "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor", "BluePaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData", "SegmentedRedPaletteColorLookupTableData",
    "SegmentedGreenPaletteColorLookupTableData", "SegmentedBluePaletteColorLookupTableData",
    "BurnedInAnnotation",
)  # fmt: skip
_SHAPES = {"MONOCHROME1": ("", "INVERSE"), "MONOCHROME2": ("", "IDENTITY")}
# Where a data set without preamble begins: group 0002 or 0008, a length, a character set or a type.
_FIRST_ELEMENTS, _SHORT = 0x0018, 64
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_BLOCK = 1 << 20
# 16-bit color, and room for the data that are not pixels.
_BYTES_A_PIXEL = 8


def is_dicom(head: bytes, path: str) -> bool:
    """Whether a file is DICOM, by its first 132 bytes, or by its name if it has no preamble."""
    marked = head[128:132] == b"DICM" or path.lower().endswith(SUFFIXES)
    return marked or _begins_bare(head)


def _begins_bare(head: bytes) -> bool:
    """Whether these bytes begin a data set, as in old files without a preamble."""
    for order in ("<", ">"):
        if len(head) == 132:
            group, element, length = struct.unpack(f"{order}HHL", head[:8])
            if group in (2, 8) and element <= _FIRST_ELEMENTS:
                return head[4:6] in (b"UL", b"CS", b"UI", b"SH", b"OB") or 0 < length <= _SHORT
    return False


def read_tags(file: BinaryIO, names: tuple[str | int, ...]) -> Dataset:
    """Returns only the named tags of a file; leaves the file positioned where its pixels begin.

    Raises:
        Unusable: it is not DICOM.
    """
    import pydicom
    from pydicom import config
    from pydicom.errors import InvalidDicomError

    # Nonstandard values are common, and warnings about them would quote them.
    config.settings.reading_validation_mode = config.IGNORE
    file.seek(0)
    try:
        with silence():
            return pydicom.dcmread(
                file, stop_before_pixels=True, force=True, specific_tags=list(names)
            )
    except InvalidDicomError:
        raise Unusable("not a DICOM file") from None


def decode(
    file: BinaryIO, frame: int | None, max_pixels: int, policy: Intensity = intensity.AUTO
) -> Picture:
    """Decodes one frame.

    Args:
        file: open for reading.
        frame: counted from 0; None for files that must have exactly one frame.
        max_pixels: of a frame.
        policy: how values become gray levels.

    Raises:
        Unusable: there is no such image, or no plugin for its compression.
    """
    file = _inflated(file, max_pixels)
    header = read_tags(file, _TAGS)
    with silence():
        layout = layouts.read_layout(file, header, stated_syntax(header), max_pixels)
        _require_frame(layout, frame)
        require_decoder(layout.syntax)
        shown = _render(read_frame(file, frame or 0, layout), layout, header, frame or 0, policy)
    flags = dict.fromkeys((*layout.flags, *shown.flags, *_burned_in(header)))
    return dataclasses.replace(shown, flags=tuple(flags))


def count_frames(file: BinaryIO) -> int:
    """How many frames a file holds, possibly fewer than it declares; for listing only."""
    header = read_tags(file, layouts.PIXEL_TAGS)
    with silence():
        layout = layouts.read_layout(file, header, stated_syntax(header), sys.maxsize)
    return min(layout.frames, layout.stated_frames)


def _require_frame(layout: Layout, frame: int | None) -> None:
    if frame is None and min(layout.frames, layout.stated_frames) > 1:
        raise Unusable(
            f"{layout.frames} frames, one is accepted here; source dicom reads every frame"
        )
    if layout.frames <= (frame or 0) < layout.stated_frames:
        raise Damaged(f"the pixel data end before frame {frame}")
    if not 0 <= (frame or 0) < layout.frames:
        raise Unusable(f"no frame {frame}: the file has {layout.frames}")


def _burned_in(header: Dataset) -> tuple[str, ...]:
    """What the file declares about text in its pixels."""
    stated = tags.text(header, "BurnedInAnnotation")
    return {"YES": (BURNED_IN,), "NO": ()}.get(stated, (BURNED_IN_UNKNOWN,))


def _render(
    samples: np.ndarray, layout: Layout, header: Dataset, frame: int, policy: Intensity
) -> Picture:
    little = tags.is_little_endian(header)
    if layout.kind == "PALETTE COLOR":
        return _colored(samples, header, little)
    if layout.samples > 1:
        declared = intensity.declared_range(layout.stored)
        container = layout.stored in (16, 32)
        return intensity.render(
            intensity.Values(samples, declared=declared, container=container), policy
        )
    return intensity.render(_gray(samples, layout, header, frame, little), policy)


def _gray(
    samples: np.ndarray, layout: Layout, header: Dataset, frame: int, little: bool
) -> intensity.Values:
    """Gray values, with what the header says about them."""
    found = sampling.settle(samples, layout, header)
    extremes = (float(found.values.min()), float(found.values.max()))
    to_units, modality_flags = voi.modality(header, frame, little, extremes)
    everything = _width(to_units, 2.0**layout.allocated) if layout.allocated > 8 else np.inf
    views, view_flags = voi.views(header, frame, little, everything)
    declared = None
    if found.values.dtype.kind in "iu":
        declared = intensity.declared_range(found.bits, found.signed)
        if isinstance(to_units, lookup_tables.Table):
            declared = to_units.span()[:2]
        elif to_units:
            declared = tuple(sorted(to_units(np.array(declared)).tolist()))
    shape = tags.text(header, "PresentationLUTShape")
    polarity = () if shape in _SHAPES[layout.kind] else (picture.POLARITY_GUESSED,)
    values = intensity.Values(
        found.values,
        declared=declared,
        stretch=True,
        views=views,
        padding=found.padding,
        inverted=layout.kind == "MONOCHROME1",
        flags=(*found.flags, *modality_flags, *view_flags, *polarity),
    )
    return dataclasses.replace(values, to_units=to_units) if to_units else values


def _width(to_units: voi.Units | None, samples: float) -> float:
    """Converts a number of samples to units; a lookup table leaves it unchanged."""
    if to_units is None or isinstance(to_units, lookup_tables.Table):
        return samples
    return abs(float(np.subtract(*to_units(np.array([samples, 0.0])))))


def _colored(samples: np.ndarray, header: Dataset, little: bool) -> Picture:
    """Maps palette indices to their colors, all three channels scaled alike."""
    tables = lookup_tables.read_palette(header, little)
    if not tables:
        raise Unusable("PALETTE COLOR without a usable palette")
    low, high = float(samples.min()), float(samples.max())
    tables = [table.over(low, high) for table in tables]
    bits = max(table.bits for table in tables)
    entries = np.concatenate([table.entries for table in tables])
    white, guessed = _white(float(entries.max()), bits)
    channels = [
        np.clip(np.rint(table.entries * (255 / white)), 0, 255).astype(np.uint8)[
            np.clip(samples.astype(np.int64) - table.first, 0, len(table.entries) - 1)
        ]
        for table in tables
    ]
    flags = (picture.RANGE_GUESSED,) if guessed else ()
    return Picture(np.stack(channels, axis=-1), "palette", 0.0, white, flags=flags)


def _white(largest: float, bits: int) -> tuple[float, bool]:
    """The palette entry that is white: by the declared bits, unless its entries contradict them."""
    if 1 <= bits <= 16 and 2 ** (bits - 1) <= largest < 2**bits:
        return 2.0**bits - 1, False
    return 2.0 ** intensity.guessed_depth(largest) - 1, True


def _inflated(file: BinaryIO, max_pixels: int) -> BinaryIO:
    """The file itself, or the inflated content of a deflated file, up to the size of an image."""
    file.seek(0)
    head = file.read(144)
    if head[128:132] != b"DICM":
        return file
    meta = file.read(int.from_bytes(head[140:144], "little"))
    if _DEFLATED not in meta:
        return file
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    room = max_pixels * _BYTES_A_PIXEL
    unpacked = io.BytesIO()
    while block := file.read(_BLOCK):
        while block and unpacked.tell() < room:
            unpacked.write(stream.decompress(block, _BLOCK))
            block = stream.unconsumed_tail
        if unpacked.tell() >= room:
            raise TooLarge(f"unpacks to more than data.max_pixels {max_pixels} can need")
    return unpacked
