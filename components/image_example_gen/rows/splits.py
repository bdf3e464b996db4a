"""Assigns images to splits by patient, independently of all other data.

A hash of the seed and the patient's id decides. So a patient keeps its split when data are added,
removed or reordered, and each worker can compute it alone. The hash ignores labels and sites, so
each label and each site is split by the same fractions, up to chance. Chance matters for a class of
few patients: of ten, all may miss a split. Such classes are dealt to the splits by count instead
(`data.split.stratify_below`); their patients may move when new ones arrive.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping

from components.image_example_gen.rows.row import Row
from components.image_example_gen.settings import SplitSettings
from schemas import features

# Who gets the patients of a class that has too few for every split.
_NEEDIEST_FIRST = (features.TRAIN, features.TEST, features.VALIDATION)


def uniform(*parts: object) -> float:
    """A number in [0, 1) that depends only on the arguments."""
    text = "\x1f".join(str(part) for part in parts)
    data = text.encode(errors="surrogateescape")  # file names need not be UTF-8
    digest = hashlib.blake2b(data, digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


class Splitter:
    """Assigns rows to splits.

    Args:
        shares: of the splits.
        seed: of the hash.
        carve: take validation out of the source's own train split.
        dealt: splits of the patients that the hash does not decide on.
    """

    def __init__(
        self,
        shares: SplitSettings,
        seed: int,
        carve: bool = False,
        dealt: Mapping[str, str] | None = None,
    ):
        self._seed = seed
        self._carve = carve
        self._dealt = dealt or {}
        self.fractions = _fractions(shares, carve)
        """Split -> fraction of the patients whose split the source does not decide."""
        bounds, low = [], 0.0
        for name, share in self.fractions.items():
            low += share
            bounds.append((low, name))
        self._bounds = bounds

    def split(self, row: Row) -> str:
        """Split of the row: the domain's, else the source's own, else the patient's."""
        if row.domain == features.SHIFTED:
            return features.SHIFTED
        if row.split is not None and not self.divides(row):
            return row.split
        return self._dealt.get(row.patient_id) or self._by_hash(row.patient_id)

    def divides(self, row: Row) -> bool:
        """Whether the row's patient is one of those whose split is not given."""
        own = features.TRAIN if self._carve else None
        return row.domain == features.IN_DISTRIBUTION and row.split == own

    def _by_hash(self, patient: str) -> str:
        place = uniform(self._seed, "validation" if self._carve else "split", patient)
        return next((name for high, name in self._bounds if place < high), self._bounds[-1][1])


def _fractions(shares: SplitSettings, carve: bool) -> dict[str, float]:
    if carve:
        # In this order, a patient of a small hash is in validation.
        return {features.VALIDATION: shares.validation, features.TRAIN: 1 - shares.validation}
    names = (features.UNLABELED, features.TRAIN, features.VALIDATION, features.TEST)
    return {name: getattr(shares, name) for name in names}


def plan_splits(
    rows: Iterable[Row], shares: SplitSettings, seed: int
) -> tuple[Splitter, Counter[str]]:
    """Returns the splitter for the source, and the number of rows of each split.

    Validation is taken from train if the source assigns a split to each in-distribution row but
    never `validation`. The rows are read twice if a class has to be dealt.

    Args:
        rows: iterable more than once.
        shares: fractions of the splits.
        seed: seed of the splits.
    """
    counts: dict[bool, Counter[str]] = {False: Counter(), True: Counter()}
    plain, carving = Splitter(shares, seed), Splitter(shares, seed, carve=True)
    rare = {carve: _RareClasses(shares.stratify_below) for carve in counts}
    all_given, validation_given = True, False
    for row in rows:
        counts[False][plain.split(row)] += 1
        counts[True][carving.split(row)] += 1
        if row.domain == features.IN_DISTRIBUTION:
            all_given = all_given and row.split is not None
            validation_given = validation_given or row.split == features.VALIDATION
        for carve, splitter in ((False, plain), (True, carving)):
            if splitter.divides(row):
                rare[carve].add(row)
    carve = all_given and not validation_given
    splitter = carving if carve else plain
    dealt = rare[carve].deal(splitter.fractions, seed)
    if not dealt:
        return splitter, counts[carve]
    splitter = Splitter(shares, seed, carve, dealt)
    return splitter, Counter(map(splitter.split, rows))


class _RareClasses:
    """Patients of the classes that have few; of the others it holds none."""

    def __init__(self, below: int):
        self._below = below
        self._patients: dict[tuple[int, float], set[str]] = {}
        self._frequent: set[tuple[int, float]] = set()

    def add(self, row: Row) -> None:
        for place, value in enumerate(row.labels):
            if value is None or (place, value) in self._frequent:
                continue
            patients = self._patients.setdefault((place, value), set())
            patients.add(row.patient_id)
            if len(patients) >= self._below:
                self._frequent.add((place, value))
                del self._patients[place, value]

    def deal(self, fractions: Mapping[str, float], seed: int) -> dict[str, str]:
        """Patient -> split; who has several rare classes counts for the rarest.

        Within a class, the hash decides which patients go where: who would be in a split without
        being dealt tends to stay in it.
        """
        dealt: dict[str, str] = {}
        salt = "split" if features.TEST in fractions else "validation"
        for _, patients in sorted(self._patients.items(), key=lambda item: (len(item[1]), item[0])):
            left = sorted(patients - dealt.keys(), key=lambda p: (uniform(seed, salt, p), p))
            names = [name for name, n in _quotas(len(left), fractions).items() for _ in range(n)]
            dealt.update(zip(left, names, strict=True))
        return dealt


def _quotas(patients: int, fractions: Mapping[str, float]) -> dict[str, int]:
    """How many of some patients each split gets.

    First one each for the splits that need labels, then what is furthest below its fraction.
    """
    quotas = dict.fromkeys(fractions, 0)
    needy = [name for name in _NEEDIEST_FIRST if fractions.get(name)]
    for name in needy[:patients]:
        quotas[name] = 1
    for _ in range(patients - sum(quotas.values())):
        name = max(fractions, key=lambda name: fractions[name] * patients - quotas[name])
        quotas[name] += 1
    return quotas
