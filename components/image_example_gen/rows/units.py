"""Units of work of ingestion: the rows of one shard, compressed."""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Iterator
from typing import Any

_BLOCK = 64


@dataclasses.dataclass(frozen=True, slots=True)
class PlannedImage:
    """A row for a worker: `image` is the source's reference, ids are pseudonyms."""

    number: int
    image: str
    image_id: str
    patient_id: str
    study_id: str
    slide_id: str
    site: str
    domain: str
    labels: tuple[float | None, ...]
    subgroups: tuple[str, ...]
    own_patient: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Unit:
    """One shard of one split."""

    split: str
    shard: int
    shards: int
    blocks: tuple[bytes, ...]

    @property
    def name(self) -> str:
        """Shard part of file names."""
        return f"{self.shard:05d}-of-{self.shards:05d}"

    def images(self) -> Iterator[PlannedImage]:
        """Yields the unit's rows."""
        for block in self.blocks:
            for fields in json.loads(zlib.decompress(block)):
                # JSON has no tuples.
                values: list[Any] = [tuple(f) if isinstance(f, list) else f for f in fields]
                yield PlannedImage(*values)


class Blocks:
    """Collects a unit's rows, compressing them block by block."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._open: list[tuple[object, ...]] = []

    def add(self, image: PlannedImage) -> None:
        self._open.append(tuple(getattr(image, f.name) for f in dataclasses.fields(image)))
        if len(self._open) == _BLOCK:
            self._flush()

    def close(self) -> tuple[bytes, ...]:
        if self._open:
            self._flush()
        return tuple(self._blocks)

    def _flush(self) -> None:
        self._blocks.append(zlib.compress(json.dumps(self._open).encode()))
        self._open = []
