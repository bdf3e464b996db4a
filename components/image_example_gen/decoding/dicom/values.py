"""Attributes of a DICOM data set as numbers and text, however they were written.

Values may be empty, have the wrong VR, or be text or raw bytes where numbers belong. A value that
can't be read as the requested type counts as missing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pydicom import Dataset


# VRs of binary numbers; others are text.
_BINARY = {
    "US": "u2", "SS": "i2", "US or SS": "u2", "US or OW": "u2", "US or SS or OW": "u2", "OW": "u2",
    "UL": "u4", "SL": "i4", "FL": "f4", "FD": "f8",
}  # fmt: skip


def numbers(dataset: Dataset, name: str) -> list[float]:
    """All finite numbers of an attribute, in order; empty when there is none."""
    found = []
    for value in _values(dataset, name):
        number = _number(value)
        found.append(math.nan if number is None else number)
    return found


def number(dataset: Dataset, name: str) -> float | None:
    """The first number of an attribute; None without a finite one."""
    first = next(iter(numbers(dataset, name)), math.nan)
    return first if math.isfinite(first) else None


def integer(dataset: Dataset, name: str) -> int | None:
    """The first number of an attribute, if it is whole."""
    found = number(dataset, name)
    return int(found) if found is not None and found == int(found) else None


def tag_integer(dataset: Dataset, tag: int) -> int | None:
    """The whole number of a tag that has no keyword of its own."""
    try:
        return int(dataset[tag].value) if tag in dataset else None
    except Exception:  # noqa: BLE001 (see `_value`)
        return None


def integers(dataset: Dataset, name: str) -> list[int]:
    """All numbers of an attribute, if all are whole."""
    found = numbers(dataset, name)
    return [int(n) for n in found] if all(math.isfinite(n) and n == int(n) for n in found) else []


def text(dataset: Dataset, name: str) -> str:
    """The first value of an attribute as stripped upper-case text."""
    first = next(iter(_values(dataset, name)), "")
    if isinstance(first, bytes):
        first = first.decode("ascii", errors="replace")
    return str(first).strip(" \0").upper()


def sequence(dataset: Dataset, name: str) -> list[Dataset]:
    """All items of a sequence."""
    from pydicom.sequence import Sequence

    value = _value(dataset, name)
    return list(value) if isinstance(value, Sequence) else []


def items(dataset: Dataset, name: str) -> list[Dataset]:
    """Items of a sequence that are not empty."""
    return [item for item in sequence(dataset, name) if len(item)]


def given(dataset: Dataset, name: str) -> bool:
    """Whether an attribute exists and is not empty."""
    return bool(_values(dataset, name))


def is_little_endian(dataset: Dataset) -> bool:
    """Byte order of a dataset, or of the dataset that an item was read from."""
    little = getattr(dataset, "original_encoding", (None, None))[1]
    return little is not False


def raw(dataset: Dataset, name: str) -> object:
    """An attribute's value as pydicom returns it; None if it has none."""
    return _value(dataset, name)


def _values(dataset: Dataset, name: str) -> list[object]:
    value = _value(dataset, name)
    if isinstance(value, bytes):
        return _unpacked(value, name, is_little_endian(dataset))
    if isinstance(value, str):
        return [value] if value.strip(" \0") else []
    if value is None or not isinstance(value, Iterable):
        return [] if value is None else [value]
    return list(value)


def _value(dataset: Dataset, name: str) -> object:
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(name)
    try:
        return dataset[tag].value if tag in dataset else None
    except Exception:  # noqa: BLE001 (pydicom raises nearly anything for a value of the wrong VR)
        # What could not be converted is still there as it was read.
        return getattr(dataset.get_item(tag), "value", None)


def _unpacked(data: bytes, name: str, little: bool) -> list[object]:
    """Bytes that pydicom did not convert, read by the attribute's standard VR."""
    from pydicom.datadict import dictionary_VR

    kind = _BINARY.get(dictionary_VR(name))
    if kind is None:
        return list(data.strip(b" \0").split(b"\\")) if data.strip(b" \0") else []
    dtype = np.dtype(kind).newbyteorder("<" if little else ">")
    return np.frombuffer(data[: len(data) // dtype.itemsize * dtype.itemsize], dtype).tolist()


def _number(value: object) -> float | None:
    if isinstance(value, bytes):
        value = value.decode("ascii", errors="replace")
    if isinstance(value, str):
        # A decimal comma violates the standard, but its meaning is clear.
        value = value.strip(" \0").replace(",", ".")
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None
