"""From a DICOM file to the 8-bit pixels that a viewer would show first.

Only the tags listed here are read at all; names, dates and free text are never parsed. Gray values
go through the modality transform (rescale slope and intercept, or its table), then through the
first VOI LUT or window; without one, the values' own range is stretched. MONOCHROME1 is inverted,
palettes and YBR become RGB, signed values and 1 to 16 bits are understood. Compressed transfer
syntaxes are decoded by pydicom's plugins (`dicom_plugins`).

Text that is burnt into the pixels can't be seen here. Where a file says it has some, or does not
say that it has none, `flags` tells.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from components.image_example_gen.decoding.dicom_plugins import (
    Damaged,
    Unusable,
    read_frame,
    require_decoder,
    silence,
)

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["Damaged", "TooLarge", "Unusable", "decode", "flags", "is_dicom", "read_tags"]

BURNED_IN = "burned_in_annotation"
BURNED_IN_UNKNOWN = "burned_in_annotation_not_stated"
SUFFIXES = (".dcm", ".dicom", ".ima")

_PIXEL_TAGS = (
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows",
    "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue",
    "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence", "WindowCenter", "WindowWidth",
    "VOILUTFunction", "VOILUTSequence", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence", "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor", "BluePaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData", "BurnedInAnnotation",
)  # fmt: skip
_VALUE_TAGS = ("RescaleSlope", "RescaleIntercept")
_WINDOW_TAGS = ("WindowCenter", "WindowWidth", "VOILUTFunction")
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_BLOCK = 1 << 20
# Color of 16 bits, and room for what is not pixels.
_BYTES_A_PIXEL = 8


class TooLarge(Unusable):
    """More pixels than allowed."""


def is_dicom(head: bytes, path: str) -> bool:
    """Whether a file is DICOM: by its first 132 bytes, or by its name where it has no preamble."""
    return head[128:132] == b"DICM" or path.lower().endswith(SUFFIXES)


def read_tags(file: BinaryIO, names: tuple[str, ...]) -> Dataset:
    """Returns the named tags of a file and no others.

    Raises:
        Unusable: it is not DICOM.
    """
    import pydicom
    from pydicom import config
    from pydicom.errors import InvalidDicomError

    # Values that break the standard are common, and warnings about them would quote them.
    config.settings.reading_validation_mode = config.IGNORE
    file.seek(0)
    try:
        with silence():
            return pydicom.dcmread(
                file, stop_before_pixels=True, force=True, specific_tags=list(names)
            )
    except InvalidDicomError:
        raise Unusable("not a DICOM file") from None


def flags(file: BinaryIO) -> tuple[str, ...]:
    """What the file says of text in its pixels."""
    stated = str(read_tags(file, ("BurnedInAnnotation",)).get("BurnedInAnnotation", "")).upper()
    return {"YES": (BURNED_IN,), "NO": ()}.get(stated, (BURNED_IN_UNKNOWN,))


def decode(file: BinaryIO, frame: int | None, max_pixels: int) -> np.ndarray:
    """Decodes one frame to uint8, [height, width] or [height, width, 3].

    Args:
        file: open for reading.
        frame: counted from 0; None for files that must have one frame only.
        max_pixels: of a frame.

    Raises:
        Unusable: there is no such image, or no plugin for its compression.
    """
    deflated = _is_deflated(file, max_pixels)
    header = read_tags(file, _PIXEL_TAGS)
    rows, columns = int(header.get("Rows") or 0), int(header.get("Columns") or 0)
    if not rows or not columns:
        raise Unusable("DICOM without pixels")
    if rows * columns > max_pixels:
        raise TooLarge(f"{columns}x{rows}, data.max_pixels is {max_pixels}")
    frames = int(header.get("NumberOfFrames") or 1)
    if frame is None and frames > 1:
        raise Unusable(f"{frames} frames, one is accepted here; source dicom reads every frame")
    if not 0 <= (frame or 0) < frames:
        raise Unusable(f"no frame {frame}, there are {frames}")
    syntax = require_decoder(header)
    with silence():
        values = read_frame(file, frame or 0, syntax, deflated)
        return _displayed(values, header, frame or 0)


def _displayed(values: np.ndarray, header: Dataset, frame: int) -> np.ndarray:
    from pydicom.pixels import apply_color_lut

    kind = str(header.PhotometricInterpretation)
    if kind == "PALETTE COLOR":
        colors = apply_color_lut(values, header)
        return (colors >> (8 * (colors.dtype.itemsize - 1))).astype(np.uint8)
    if values.ndim == 3:
        return _to_bytes(values, 0, 2 ** int(header.BitsStored) - 1)
    if kind not in ("MONOCHROME1", "MONOCHROME2"):
        raise Unusable(f"photometric interpretation {kind[:20]} is not supported")
    shown = _windowed(values, header, frame)
    return 255 - shown if kind == "MONOCHROME1" else shown


def _windowed(values: np.ndarray, header: Dataset, frame: int) -> np.ndarray:
    """Gray values after the modality transform and the first VOI transform, as bytes."""
    from pydicom import Dataset
    from pydicom.pixels import apply_modality_lut, apply_voi, apply_windowing

    value_rule = _frame_rule(header, frame, "PixelValueTransformationSequence", _VALUE_TAGS)
    if header.get("ModalityLUTSequence"):
        value_rule = header
    padding = _padding(values, header)
    modality = apply_modality_lut(values, value_rule)
    if header.get("VOILUTSequence"):
        bits = int(header.VOILUTSequence[0].LUTDescriptor[2])
        return _to_bytes(apply_voi(np.rint(modality).astype(np.int64), header), 0, 2**bits - 1)
    window = _frame_rule(header, frame, "FrameVOILUTSequence", _WINDOW_TAGS)
    if _usable(window):
        # Eight unsigned bits, so that pydicom's own windowing ends in 0 to 255.
        rule = Dataset()
        for name in _WINDOW_TAGS:
            if name in window:
                setattr(rule, name, window[name].value)
        rule.PhotometricInterpretation, rule.BitsStored = "MONOCHROME2", 8
        rule.PixelRepresentation = 0
        return _to_bytes(apply_windowing(modality, rule), 0, 255)
    plain = int(header.get("BitsStored") or 0) == 8 and not header.get("PixelRepresentation")
    if plain and np.array_equal(modality, values):
        return values.astype(np.uint8)
    inside = modality[~padding] if padding is not None and not padding.all() else modality
    low, high = float(inside.min()), float(inside.max())
    shown = _to_bytes(modality, low, high)
    if padding is not None:
        shown[padding] = 255 if header.PhotometricInterpretation == "MONOCHROME1" else 0
    return shown


def _frame_rule(header: Dataset, frame: int, sequence: str, names: tuple[str, ...]) -> Dataset:
    """The dataset that holds a frame's attributes: its own group, the shared one, or the header."""
    places = []
    per_frame = header.get("PerFrameFunctionalGroupsSequence") or []
    if frame < len(per_frame):
        places.append(per_frame[frame])
    places += list(header.get("SharedFunctionalGroupsSequence") or [])[:1]
    for place in places:
        items = place.get(sequence)
        if items and any(name in items[0] for name in names):
            return items[0]
    return header


def _usable(window: Dataset) -> bool:
    """Whether there is a first window that the standard allows."""
    try:
        center, width = (np.ravel(window[n].value)[0] for n in ("WindowCenter", "WindowWidth"))
        exact = str(window.get("VOILUTFunction") or "LINEAR").upper() != "LINEAR"
        return bool(np.isfinite(float(center)) and float(width) >= (1e-9 if exact else 1))
    except (KeyError, IndexError, TypeError, ValueError):
        return False


def _padding(values: np.ndarray, header: Dataset) -> np.ndarray | None:
    """Where the scanner put no image."""
    value = header.get("PixelPaddingValue")
    return None if value is None else values == int(value)


def _to_bytes(values: np.ndarray, low: float, high: float) -> np.ndarray:
    scaled = (values.astype(np.float64) - low) * (255 / (high - low) if high > low else 0)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def _is_deflated(file: BinaryIO, max_pixels: int) -> bool:
    """Whether the whole dataset is compressed; refuses one that swells beyond any image."""
    file.seek(0)
    head = file.read(144)
    if head[128:132] != b"DICM":
        return False
    meta = file.read(int.from_bytes(head[140:144], "little"))
    if _DEFLATED not in meta:
        return False
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    room = max_pixels * _BYTES_A_PIXEL
    while block := file.read(_BLOCK):
        while block and room > 0:
            room -= len(stream.decompress(block, _BLOCK))
            block = stream.unconsumed_tail
        if room <= 0:
            raise TooLarge(f"unpacks to more than data.max_pixels {max_pixels} can need")
    return True
