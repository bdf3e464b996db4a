"""DICOM lookup tables: modality transforms, VOI transforms and palettes.

The descriptor gives the number of entries, the value that the first entry is for, and the bits of
an entry. Writers get each of the three wrong and pack entries in different ways. So the length of
the data decides how they are read, the image's values decide the first value, and the entries
themselves decide their range where the declared bits contradict them.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from components.image_example_gen.decoding.dicom import values as tags

if TYPE_CHECKING:
    from pydicom import Dataset

_MOST_ENTRIES = 1 << 16
_WRAP = 1 << 16
_COLORS = ("Red", "Green", "Blue")


@dataclasses.dataclass(frozen=True)
class Table:
    """A lookup table.

    Attributes:
        first: value of the first entry; values outside the table take its nearest end.
        entries: as stored.
        bits: declared bits of an entry.
    """

    first: int
    entries: np.ndarray
    bits: int

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Looks values up."""
        places = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1)
        return self.entries[places.astype(np.intp)].astype(np.float64)

    def over(self, low: float, high: float) -> Table:
        """The same table, with the sign of its first value chosen to match the image's values."""

        def met(first: int) -> float:
            return min(high, first + len(self.entries) - 1) - max(low, first)

        # Of two equal choices, keep the value as written.
        candidates = (self.first, self.first - _WRAP, self.first + _WRAP)
        return dataclasses.replace(self, first=max(candidates, key=met))

    def span(self) -> tuple[float, float, bool]:
        """The entries that mean black and white, and whether they were guessed."""
        return span(self.entries, self.bits)


def span(entries: np.ndarray, bits: int) -> tuple[float, float, bool]:
    """The range of entries: by the declared bits, or their own if that contradicts the bits."""
    low, high = float(entries.min()), float(entries.max())
    if 1 <= bits <= 16 and 2 ** (bits - 1) <= high < 2**bits:
        return 0.0, 2.0**bits - 1, False
    return low, high, True


def read_table(item: Dataset, little: bool) -> Table | None:
    """The table of a sequence item; None if it has no usable table."""
    return _table(item, "LUTDescriptor", "LUTData", little)


def read_palette(header: Dataset, little: bool) -> list[Table]:
    """Tables of red, green and blue; empty if one of them is missing."""
    tables = []
    for color in _COLORS:
        name = f"{color}PaletteColorLookupTable"
        descriptor = f"{name}Descriptor"
        table = _table(header, descriptor, f"{name}Data", little) or _segmented_table(
            header, descriptor, f"Segmented{name}Data", little
        )
        if table is None:
            return []
        tables.append(table)
    return tables


def _table(dataset: Dataset, descriptor: str, data: str, little: bool) -> Table | None:
    described = _descriptor(dataset, descriptor)
    if described is None:
        return None
    count, first, bits = described
    entries = _entries(tags.raw(dataset, data), count, little)
    return Table(first, entries, bits) if len(entries) else None


def _descriptor(dataset: Dataset, name: str) -> tuple[int, int, int] | None:
    found = tags.integers(dataset, name)
    if len(found) < 3:
        return None
    # 0 stands for 65536, and a signed VR makes large counts negative.
    return found[0] % _MOST_ENTRIES or _MOST_ENTRIES, found[1], found[2] % _MOST_ENTRIES


def _entries(data: object, count: int, little: bool) -> np.ndarray:
    """Entries of 8 bits, in a byte or a word each, or of 16 bits; their number tells which."""
    order = "<" if little else ">"
    if isinstance(data, int):
        data = [data]
    if not isinstance(data, bytes):
        try:
            data = np.asarray(data or (), np.int64).astype(f"{order}u2").tobytes()
        except (TypeError, ValueError, OverflowError):
            return np.empty(0, np.uint16)
    words = np.frombuffer(data[: len(data) // 2 * 2], f"{order}u2")
    if len(words) >= count or len(data) < count:
        return words[:count].astype(np.uint16)
    # Two entries share a word, the first of them in its low byte.
    packed = words.astype("<u2").tobytes() + data[len(words) * 2 :]
    return np.frombuffer(packed, np.uint8)[:count].astype(np.uint16)


def _segmented_table(dataset: Dataset, descriptor: str, data: str, little: bool) -> Table | None:
    described = _descriptor(dataset, descriptor)
    found = tags.raw(dataset, data)
    if described is None or not isinstance(found, bytes) or not found:
        return None
    count, first, bits = described
    order = "<" if little else ">"
    words = np.frombuffer(found[: len(found) // 2 * 2], f"{order}u2")
    wide = bits > 8
    codes = words if wide else np.frombuffer(words.astype("<u2").tobytes(), np.uint8)
    entries = _expanded(codes.astype(np.int64).tolist(), wide)[:count]
    return Table(first, np.array(entries, np.uint16), bits) if entries else None


def _expanded(codes: list[int], wide: bool) -> list[int]:
    """Entries of a segmented table, PS3.3 C.7.9.2: runs of values, straight lines, and copies."""
    entries: list[int] = []
    place = 0
    while place + 2 < len(codes) and len(entries) < _MOST_ENTRIES:
        if codes[place] == 2:
            place = _copy(codes, place, entries, wide)
        else:
            place = _segment(codes, place, entries)
    return entries


def _segment(codes: list[int], place: int, entries: list[int]) -> int:
    """Appends the entries of a run (0) or a line (1); returns where the next segment begins."""
    kind, length = codes[place], codes[place + 1]
    if kind == 0:
        entries.extend(codes[place + 2 : place + 2 + length])
        return place + 2 + length
    if kind != 1 or not entries:
        return len(codes)
    line = np.linspace(entries[-1], codes[place + 2], length + 1)[1:]
    entries.extend(np.rint(line).astype(int).tolist())
    return place + 3


def _copy(codes: list[int], place: int, entries: list[int], wide: bool) -> int:
    """Appends the entries of some earlier segments, which must not be copies themselves."""
    size = 2 if wide else 4
    parts = codes[place + 2 : place + 2 + size]
    offset = sum(part << (16 if wide else 8) * n for n, part in enumerate(parts))
    source = offset // 2 if wide else offset
    for _ in range(codes[place + 1]):
        if source + 2 >= place or codes[source] == 2 or len(entries) >= _MOST_ENTRIES:
            break
        source = _segment(codes, source, entries)
    return place + 2 + size
