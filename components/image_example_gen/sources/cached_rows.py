"""Rows that require opening each file, kept after the first pass in tens of bytes each."""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from components.image_example_gen.rows.row import Row

_BLOCK = 256


class CachedRows:
    """Replays rows, compressed in memory: on disk they would leave patient ids there."""

    def __init__(self, rows: Iterable[Row]):
        self._blocks: list[bytes] = []
        block: list[tuple[object, ...]] = []
        names = [field.name for field in dataclasses.fields(Row)]
        for row in rows:
            block.append(tuple(getattr(row, name) for name in names))
            if len(block) == _BLOCK:
                self._blocks.append(zlib.compress(json.dumps(block).encode(), 1))
                block = []
        self._blocks.append(zlib.compress(json.dumps(block).encode(), 1))

    def __iter__(self) -> Iterator[Row]:
        for block in self._blocks:
            for fields in json.loads(zlib.decompress(block)):
                # JSON has no tuples.
                values: list[Any] = [tuple(f) if isinstance(f, list) else f for f in fields]
                yield Row(*values)
