"""Streams ingestion's index: what splits share, and how the domains differ.

A pass holds some bytes per image (hashes and split numbers), never the index itself.
"""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.data_gate.checks.findings import Shared
from schemas import features

_PSEUDONYM = re.compile(r"[0-9a-f]{32}")
_LISTED = 1000
_ROWS = 10


class Index:
    """The index files of an ingest report."""

    def __init__(self, folder: str):
        self._paths = sorted(glob.glob(os.path.join(glob.escape(folder), "index-*.parquet")))
        self._names = pq.read_schema(self._paths[0]).names

    @property
    def subgroups(self) -> list[str]:
        """Names of the subgroup columns."""
        prefix = features.subgroup("")
        return [name.removeprefix(prefix) for name in self._names if name.startswith(prefix)]

    def files_of(self, images: Collection[str]) -> Iterator[tuple[str, set[str]]]:
        """Yields the index files that contain some of the images, and these images."""
        wanted = set(images)
        for path in self._paths:
            if not wanted:
                return
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=16384, columns=["image_id"]):
                    if found := wanted.intersection(batch.column("image_id").to_pylist()):
                        wanted -= found
                        yield path, found

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yields some columns of the rows."""
        for path in self._paths:
            with pq.ParquetFile(path) as file:
                yield from file.iter_batches(batch_size=16384, columns=list(columns))

    def shared(self, column: str) -> list[Shared]:
        """Values of a hex column that are in more than one split, the first thousand.

        Empty values (unknown to the source) do not count.
        """
        suspects = self._suspects(column)
        if not suspects:
            return []
        splits: dict[str, Counter[str]] = {}
        rows: dict[str, list[tuple[int, str]]] = {}
        for batch in self.batches([column, "split", "row", "image_id"]):
            columns = (c.to_pylist() for c in batch.columns)
            for value, split, row, image in zip(*columns, strict=True):
                if value and _key(value) in suspects:
                    splits.setdefault(value, Counter())[split] += 1
                    rows.setdefault(value, []).append((row, image))
        found = [
            Shared(value, _in_order(counts), *zip(*sorted(rows[value])[:_ROWS], strict=True))
            for value, counts in splits.items()
            if len(counts) > 1
        ]
        return sorted(found, key=lambda item: item.rows)[:_LISTED]

    def without(self, column: str) -> tuple[int, int]:
        """How many images have no value in a text column, and how many there are."""
        empty = images = 0
        for batch in self.batches([column]):
            images += batch.num_rows
            empty += sum(not value for value in batch.column(column).to_pylist())
        return empty, images

    def _suspects(self, column: str) -> set[int]:
        keys, places = [np.empty(0, np.uint64)], [np.empty(0, np.uint8)]
        for batch in self.batches([column, "split"]):
            values, names = (c.to_pylist() for c in batch.columns)
            known = [(value, name) for value, name in zip(values, names, strict=True) if value]
            keys.append(np.fromiter((_key(value) for value, _ in known), np.uint64, len(known)))
            numbers = (features.SPLITS.index(name) for _, name in known)
            places.append(np.fromiter(numbers, np.uint8, len(known)))
        columns = (np.concatenate(keys), np.concatenate(places))
        kinds = [("key", np.uint64), ("split", np.uint8)]
        pairs = np.unique(np.rec.fromarrays(columns, dtype=kinds))
        values, counts = np.unique(pairs["key"], return_counts=True)
        return {int(value) for value in values[counts > 1]}

    def subgroup_counts(self, splits: Collection[str]) -> Counter[tuple[str, str, str]]:
        """Counts rows by (split, subgroup, value) in some splits."""
        counts: Counter[tuple[str, str, str]] = Counter()
        names = self.subgroups
        for batch in self.batches(["split", *map(features.subgroup, names)]):
            places = batch.column("split").to_pylist()
            for name in names:
                values = batch.column(features.subgroup(name)).to_pylist()
                pairs = zip(places, values, strict=True)
                counts.update((split, name, value) for split, value in pairs if split in splits)
        return counts

    def raw_identities(self) -> dict[str, int]:
        """Counts ids that do not look like ingestion's keyed hashes, by column."""
        optional = (features.STUDY_ID, features.SLIDE_ID)
        counts = dict.fromkeys(("image_id", features.PATIENT_ID, *optional), 0)
        for batch in self.batches(list(counts)):
            for column in counts:
                for value in batch.column(column).to_pylist():
                    left_out = column in optional and not value
                    counts[column] += not (left_out or _PSEUDONYM.fullmatch(value))
        return counts


def _in_order(counts: Counter[str]) -> dict[str, int]:
    return {split: counts[split] for split in features.SPLITS if counts[split]}


def _key(value: str) -> int:
    """64 bits of a hex digest, or a hash of other text (which `raw_identities` reports)."""
    try:
        return int(value[:16], 16)
    except ValueError:
        return hash(value) % 2**64
