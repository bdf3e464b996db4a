"""Two documents field by field: what differs, named by its path."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from schemas.printable import printable

# Libraries and processors add up in different orders; a changed figure differs in its last digit.
_RELATIVE, _ABSOLUTE = 1e-9, 1e-12
_SHOWN = 60


def differences(first: Any, other: Any, path: str = "") -> Iterator[str]:
    """A line for each field that differs, from two trees of JSON."""
    if isinstance(first, Mapping) and isinstance(other, Mapping):
        for name in sorted({*first, *other}):
            place = f"{path}.{name}" if path else str(name)
            yield from differences(first.get(name), other.get(name), place)
    elif _is_list(first) and _is_list(other):
        if len(first) != len(other):
            yield f"{path}: {len(first)} entries, recomputed {len(other)}"
        for number, (one, again) in enumerate(zip(first, other, strict=False)):
            yield from differences(one, again, f"{path}[{number}]")
    elif not _same(first, other):
        yield f"{path}: {_shown(first)}, recomputed {_shown(other)}"


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _same(first: Any, other: Any) -> bool:
    numbers = [one for one in (first, other) if isinstance(one, int | float)]
    if len(numbers) == 2 and bool not in map(type, numbers):
        return math.isclose(*numbers, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
    return type(first) is type(other) and bool(first == other)


def _shown(value: Any) -> str:
    text = printable(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
