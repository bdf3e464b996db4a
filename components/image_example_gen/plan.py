"""The plan of ingestion: assigns each row to a shard of a split.

A unit of work is one shard. A hash assigns rows to shards, so each shard is a random sample of its
split. Units hold their rows compressed (tens of bytes per row), so the plan is small, requires no
shared file system and leaves nothing on disk; only workers open images. Pseudonyms replace patient
ids here, so the key never leaves the planning process.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from components.image_example_gen.decoding import images
from components.image_example_gen.privacy import IdMapping, Pseudonyms
from components.image_example_gen.rows.row import Row, Source
from components.image_example_gen.rows.splits import plan_splits, uniform
from components.image_example_gen.rows.units import Blocks, PlannedImage, Unit
from components.image_example_gen.settings import DataSettings
from schemas import features

_SAMPLED = 16


class Plan(NamedTuple):
    """Units of work, and the fractions of patients that the splits were to get.

    Without fractions, the source decides on every split.
    """

    units: list[Unit]
    fractions: Mapping[str, float]


class _Rows:
    """A source's rows, anew at every iteration."""

    def __init__(self, source: Source):
        self._source = source

    def __iter__(self) -> Iterator[Row]:
        return self._source.rows()


def plan_units(
    source: Source,
    data: DataSettings,
    seed: int,
    pseudonyms: Pseudonyms,
    mapping: IdMapping | None = None,
) -> Plan:
    """Reads the source's rows twice or thrice (to count, to deal); plans the units of every split.

    A split without rows gets one empty unit, because later stages expect a file in each split.

    Args:
        source: rows and images.
        data: fractions of the splits, size of the shards.
        seed: of the splits.
        pseudonyms: replace identities.
        mapping: receives each identity with its pseudonym, if requested.
    """
    splitter, counts = plan_splits(_Rows(source), data.split, seed)
    most = _images_per_shard(source, data, sum(counts.values()))
    shards = {s: max(1, -(-counts[s] // most)) for s in features.SPLITS}
    dealt = {(s, n): Blocks() for s in features.SPLITS for n in range(shards[s])}
    divides = False
    for row in source.rows():
        split = splitter.split(row)
        divides = divides or splitter.divides(row)
        shard = int(uniform(seed, "shard", row.image, row.number) * shards[split])
        planned = _planned(row, split, pseudonyms)
        dealt[split, shard].add(planned)
        if mapping:
            mapping.add("image", row.image, planned.image_id)
            mapping.add("patient", row.patient_id, planned.patient_id)
            mapping.add("study", row.study_id, planned.study_id)
            mapping.add("slide", row.slide_id, planned.slide_id)
    units = [
        Unit(split, shard, shards[split], blocks.close())
        for (split, shard), blocks in dealt.items()
    ]
    return Plan(units, splitter.fractions if divides else {})


def _images_per_shard(source: Source, data: DataSettings, rows: int) -> int:
    """How many images a shard holds, from the stored size of evenly spaced samples.

    A shard holds at most `data.images_per_shard` images, so a data set of fewer needs no samples.
    """
    if rows <= data.images_per_shard:
        return data.images_per_shard
    sizes = []
    for row in itertools.islice(source.rows(), 0, None, -(-rows // _SAMPLED)):
        try:
            pixels = source.load(row.image, data.max_pixels).pixels
        except images.Rejected:
            continue
        stored = images.store(pixels, data.stored_size, data.encoding, data.jpeg_quality)
        sizes.append(len(stored.encoded))
    if not sizes:
        return data.images_per_shard
    fitting = int(data.shard_megabytes * 1e6 / (sum(sizes) / len(sizes)))
    return max(1, min(data.images_per_shard, fitting))


def _planned(row: Row, split: str, pseudonyms: Pseudonyms) -> PlannedImage:
    # Labels of unlabeled images are masked, so that no later stage can learn from them.
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
        own_patient=row.own_patient,
    )
