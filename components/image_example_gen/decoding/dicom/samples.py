"""Samples of a gray DICOM image: resolves their unused bits, sign and padding.

The header states how many bits of a sample are used, which ones, whether they are signed, and which
values are padding. Where the samples contradict the header, the samples win.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from components.image_example_gen.decoding.dicom import values as tags
from components.image_example_gen.decoding.dicom.layout import Layout
from components.image_example_gen.pixels import picture

if TYPE_CHECKING:
    from pydicom import Dataset

# Old overlays lie in the unused bits of the samples.
OVERLAY_BIT_POSITIONS = tuple(0x60000102 + (n << 17) for n in range(16))
# For integers and both float types: the padding value, and the other end of its range.
_PADDING = (
    ("PixelPaddingValue", "PixelPaddingRangeLimit"),
    ("FloatPixelPaddingValue", "FloatPixelPaddingRangeLimit"),
    ("DoubleFloatPixelPaddingValue", "DoubleFloatPixelPaddingRangeLimit"),
)
PADDING_TAGS = tuple(name for pair in _PADDING for name in pair)
# At least this many distinct values at both ends of the range, and none in its middle half, mean
# that the sign was read wrongly; a marker or two do not.
_WRAPPED_VALUES = 32
_BLOCK = 1 << 20


@dataclasses.dataclass
class Samples:
    """What `settle` found.

    Attributes:
        values: whole numbers or floats.
        bits: bits that they use.
        signed: whether they are signed.
        padding: mask of pixels outside the image.
        flags: what was guessed.
    """

    values: np.ndarray
    bits: int
    signed: bool
    padding: np.ndarray | None
    flags: list[str]


def settle(values: np.ndarray, layout: Layout, header: Dataset) -> Samples:
    """Resolves the bits, sign and padding of a frame's samples."""
    found = Samples(values, layout.stored, layout.signed, None, [])
    if values.dtype.kind == "f":
        found.padding, _ = _padding(values, header, 0)
        return found
    found.padding, guessed = _padding(values, header, layout.allocated)
    _settle_sign(found, layout)
    _settle_high_bit(found, layout)
    _settle_unused_bits(found, layout, header)
    if found.padding is None:
        found.padding, guessed = _padding(found.values, header, layout.allocated, layout.stored)
    if guessed and found.padding is not None:
        found.flags.append(picture.PADDING_GUESSED)
    return found


def _padding(values: np.ndarray, header: Dataset, *bits: int) -> tuple[np.ndarray | None, bool]:
    """Mask of the padding, and whether its value had to be reinterpreted.

    Args:
        values: of the frame.
        header: has the padding value, and the other end of its range.
        *bits: possible widths of the value, read with the sign of the values.
    """
    whole = values.dtype.kind != "f"
    for name, limit in _PADDING[:1] if whole else _PADDING[1:]:
        value, end = tags.number(header, name), tags.number(header, limit)
        if value is None:
            continue
        ends = sorted((value, value if end is None else end))
        for width in (0, *bits):
            low, high = sorted(_as_stored(end, width, values.dtype) for end in ends)
            mask = values == low if low == high else (values >= low) & (values <= high)
            if mask.any():
                return mask, whole and [low, high] != ends
    return None, False


def _as_stored(value: float, bits: int, dtype: np.dtype) -> float:
    """A padding value as the samples hold it; it may have been written with another sign."""
    if dtype.kind == "f":
        return dtype.type(value)
    number = int(value)
    if bits:
        number %= 1 << bits
        if dtype.kind == "i" and number >= 1 << (bits - 1):
            number -= 1 << bits
    return number


def _extremes(found: Samples) -> tuple[int, int]:
    """Smallest and largest value outside the padding."""
    values = found.values if found.padding is None else found.values[~found.padding]
    return (int(values.min()), int(values.max())) if values.size else (0, 0)


def _settle_sign(found: Samples, layout: Layout) -> None:
    """Reads samples with the other sign if they wrapped around with this one."""
    if found.values.dtype.itemsize != 2 or layout.allocated != 16:
        return
    low, high = _extremes(found)
    middle = (-(1 << 14), 1 << 14) if found.signed else (1 << 14, 3 << 14)
    if low >= middle[0] or high < middle[1]:
        return
    values = found.values if found.padding is None else found.values[~found.padding]
    counts = np.zeros(1 << 16, np.int64)
    for block in np.array_split(values.ravel(), max(1, values.size // _BLOCK)):
        counts += np.bincount(block.view(np.uint16), minlength=len(counts))
    # What lies at both ends in one reading lies in the middle half in the other.
    quarters = np.count_nonzero(counts.reshape(4, -1), axis=1)
    ends, inside = (quarters[[1, 2]], quarters[[0, 3]])
    if not found.signed:
        ends, inside = inside, ends
    if not inside.any() and (ends >= _WRAPPED_VALUES).all():
        found.signed = not found.signed
        found.values = found.values.view(np.int16 if found.signed else np.uint16)
        found.flags.append(picture.SIGN_GUESSED)


def _settle_high_bit(found: Samples, layout: Layout) -> None:
    """Shifts samples down if they are stored in the upper bits."""
    if layout.high is None or layout.high == layout.stored - 1:
        return
    shift = layout.high + 1 - layout.stored
    if shift > 0 and layout.high < layout.allocated:
        values = found.values if found.padding is None else found.values[~found.padding]
        if values.any() and not (values & ((1 << shift) - 1)).any():
            found.values = found.values >> shift
            return
    found.flags.append(picture.BITS_CONTRADICTED)


def _settle_unused_bits(found: Samples, layout: Layout, header: Dataset) -> None:
    """Clears foreign data from the unused bits, or finds that more bits are used."""
    bits = layout.stored
    if bits >= layout.allocated:
        return
    low, high = _extremes(found)
    half, whole = 1 << (bits - 1), 1 << bits
    fits = -half <= low and high < half if found.signed else low >= 0 and high < whole
    if fits:
        return
    overlaid = any((tags.tag_integer(header, tag) or 0) >= bits for tag in OVERLAY_BIT_POSITIONS)
    if overlaid or (found.signed and low >= 0 and high < whole):
        # Shifting up and down again extends the sign, if there is one.
        shift = found.values.dtype.itemsize * 8 - bits
        found.values = (found.values << shift) >> shift
        return
    found.bits = max(high.bit_length(), (-low - 1).bit_length()) + int(found.signed)
    found.flags.append(picture.BITS_EXCEEDED)
