"""The plan of an ingestion: which rows become which shard of which split.

A unit of work is one shard. Rows are dealt to shards by hash, so every shard is a random mixture
of its split. Units carry their rows compressed (some tens of bytes each), so the plan is small,
needs no shared file system and leaves no trace on disk; images are opened by the workers alone.
Patient ids are replaced by pseudonyms here, so the key never leaves the process that plans.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import zlib
from collections.abc import Iterator

from components.image_example_gen.decoding import images
from components.image_example_gen.privacy import IdMapping, Pseudonyms
from components.image_example_gen.rows import Row, Source
from components.image_example_gen.settings import DataSettings
from components.image_example_gen.splits import plan_splits, uniform
from schemas import features

_BLOCK = 64
_SAMPLED = 16


@dataclasses.dataclass(frozen=True, slots=True)
class PlannedImage:
    """A row as the worker needs it: `image` is the source's reference, ids are pseudonyms."""

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
                *head, labels, subgroups = fields
                yield PlannedImage(*head, tuple(labels), tuple(subgroups))


def plan_units(
    source: Source,
    data: DataSettings,
    seed: int,
    pseudonyms: Pseudonyms,
    mapping: IdMapping | None = None,
) -> list[Unit]:
    """Reads the source's rows twice (to count, to deal) and returns the units of every split.

    A split without rows has one empty unit: the stages that follow look for a file in each.

    Args:
        source: rows and images.
        data: shares of the splits, size of the shards.
        seed: of the splits.
        pseudonyms: in place of identities.
        mapping: gets every identity with its pseudonym, where that was asked for.
    """
    splitter, counts = plan_splits(source.rows(), data.split, seed)
    most = _images_per_shard(source, data, sum(counts.values()))
    shards = {s: max(1, -(-counts[s] // most)) for s in features.SPLITS}
    dealt = {(s, n): _Blocks() for s in features.SPLITS for n in range(shards[s])}
    for row in source.rows():
        split = splitter.split(row)
        shard = int(uniform(seed, "shard", row.image, row.number) * shards[split])
        planned = _planned(row, split, pseudonyms)
        dealt[split, shard].add(planned)
        if mapping:
            mapping.add("image", row.image, planned.image_id)
            mapping.add("patient", row.patient_id, planned.patient_id)
            mapping.add("study", row.study_id, planned.study_id)
            mapping.add("slide", row.slide_id, planned.slide_id)
    return [
        Unit(split, shard, shards[split], blocks.close())
        for (split, shard), blocks in dealt.items()
    ]


def _images_per_shard(source: Source, data: DataSettings, rows: int) -> int:
    """How many images a shard holds, from the stored size of some that lie evenly in the rows.

    No shard is larger than `data.images_per_shard` images are, so few small ones need no look.
    """
    if rows <= data.images_per_shard:
        return data.images_per_shard
    sizes = []
    for row in itertools.islice(source.rows(), 0, None, -(-rows // _SAMPLED)):
        try:
            pixels = source.load(row.image, data.max_pixels)
        except images.Rejected:
            continue
        stored = images.store(pixels, data.stored_size, data.encoding, data.jpeg_quality)
        sizes.append(len(stored.encoded))
    if not sizes:
        return data.images_per_shard
    fitting = int(data.shard_megabytes * 1e6 / (sum(sizes) / len(sizes)))
    return max(1, min(data.images_per_shard, fitting))


def _planned(row: Row, split: str, pseudonyms: Pseudonyms) -> PlannedImage:
    # Labels of unlabeled images are masked, so that nothing downstream can learn from them.
    masked = split == features.UNLABELED
    return PlannedImage(
        number=row.number,
        image=row.image,
        image_id=pseudonyms.image(row.image),
        patient_id=pseudonyms.patient(row.patient_id),
        study_id=pseudonyms.study(row.study_id),
        slide_id=pseudonyms.slide(row.slide_id),
        site=row.site,
        domain=row.domain,
        labels=(None,) * len(row.labels) if masked else row.labels,
        subgroups=row.subgroups,
    )


class _Blocks:
    """A unit's rows while they are dealt, compressed a block at a time."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._open: list[tuple] = []

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
