"""Which split an image goes to: decided by patient, the same whatever other data there is.

A patient's place is a hash of the seed and the patient's id. So an old patient never changes side
when data are added, removed or reordered, and any worker can compute it alone. The hash knows
nothing of labels and sites, so every label and every site is divided by the same shares, up to
chance; an exact stratification would have to move old patients when new ones arrive.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable

from components.image_example_gen.rows.row import Row
from components.image_example_gen.settings import SplitSettings
from schemas import features


def uniform(*parts: object) -> float:
    """A number in [0, 1) that depends on nothing but its arguments."""
    text = "\x1f".join(str(part) for part in parts)
    data = text.encode(errors="surrogateescape")  # file names need not be UTF-8
    digest = hashlib.blake2b(data, digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


class Splitter:
    """Assigns rows to splits; `carve` takes validation out of the source's own train split."""

    def __init__(self, shares: SplitSettings, seed: int, carve: bool = False):
        self._shares = shares
        self._seed = seed
        self._carve = carve
        bounds, low = [], 0.0
        for name in (features.UNLABELED, features.TRAIN, features.VALIDATION, features.TEST):
            low += getattr(shares, name)
            bounds.append((low, name))
        self._bounds = bounds

    def split(self, row: Row) -> str:
        """Split of the row: the domain's, else the source's own, else by the patient's hash."""
        if row.domain == features.SHIFTED:
            return features.SHIFTED
        if row.split is None:
            place = uniform(self._seed, "split", row.patient_id)
            return next((name for high, name in self._bounds if place < high), features.TEST)
        carved = self._carve and row.split == features.TRAIN
        if carved and uniform(self._seed, "validation", row.patient_id) < self._shares.validation:
            return features.VALIDATION
        return row.split


def plan_splits(
    rows: Iterable[Row], shares: SplitSettings, seed: int
) -> tuple[Splitter, Counter[str]]:
    """Returns the splitter that suits the source, and how many rows it sends to each split.

    Validation is carved out of train when the source gives a split to every in-distribution row
    but never `validation`.
    """
    plain, carving = Splitter(shares, seed), Splitter(shares, seed, carve=True)
    counts: dict[bool, Counter[str]] = {False: Counter(), True: Counter()}
    all_given, validation_given = True, False
    for row in rows:
        counts[False][plain.split(row)] += 1
        counts[True][carving.split(row)] += 1
        if row.domain == features.IN_DISTRIBUTION:
            all_given = all_given and row.split is not None
            validation_given = validation_given or row.split == features.VALIDATION
    carve = all_given and not validation_given
    return (carving if carve else plain), counts[carve]
