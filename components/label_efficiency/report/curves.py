"""The study's curves: mean AUC over seeds by fraction of labels, with intervals.

The interval covers patients and seeds: each resample draws patients with replacement (the same ones
for all cells, so that differences between arms are paired) and, independently, seeds. With n seeds,
the drawn seeds have only (n - 1) / n of the variance of new ones; the page shows their number.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from components.label_efficiency.cell.settings import StudySettings
from components.statistics.bootstrap import Bootstrap, bootstrap
from components.statistics.judged_rows import JudgedRows
from schemas import features
from schemas.documents.study import CellResult

# Which labels increase along a curve, and where it is evaluated.
LABELS_ID, LABELS_SHIFTED = "in_distribution", "shifted"
ADAPTED, ADAPTED_ID = "adapted", "adapted_in_distribution"
CURVES = (LABELS_ID, LABELS_SHIFTED, ADAPTED, ADAPTED_ID)
_DOMAIN = {
    LABELS_ID: features.TEST,
    LABELS_SHIFTED: features.SHIFTED,
    ADAPTED: features.SHIFTED,
    ADAPTED_ID: features.TEST,
}
JUDGED, NOT_ENOUGH_LABELS, NOT_ENOUGH_DATA = "judged", "not_enough_labels", "not_enough_data"
_SEEDS_STREAM = 1

BySeed = Mapping[int, Bootstrap]


@dataclasses.dataclass(frozen=True)
class Point:
    """An arm at a fraction. Bounds are NaN and `status` says why where there are none.

    Attributes:
        arm: remedis, bit or random.
        fraction: Of the labels that grow; 0: none of the shifted ones (zero-shot).
        status: judged, not_enough_labels or not_enough_data.
        reason: Of not enough labels.
        value: Mean AUC over the seeds.
        lower: Lower bound.
        upper: Upper bound.
        by_seed: AUC of each seed.
        trained_patients: Patients whose labels were used, least and most over the seeds.
        trained_images: Their images, likewise.
        patients: Patients judged on.
        images: Images judged on.
    """

    arm: str
    fraction: float
    status: str
    reason: str
    value: float
    lower: float
    upper: float
    by_seed: dict[int, float]
    trained_patients: tuple[int, int]
    trained_images: tuple[int, int]
    patients: int
    images: int


@dataclasses.dataclass(frozen=True)
class Curve:
    """Points of all arms, and what they were made from (for differences)."""

    name: str
    points: tuple[Point, ...]
    bootstraps: Mapping[tuple[str, float], BySeed]

    def point(self, arm: str, fraction: float) -> Point | None:
        """The point of an arm at a fraction."""
        found = (p for p in self.points if (p.arm, p.fraction) == (arm, fraction))
        return next(found, None)


def build_curve(
    name: str,
    cells: Sequence[tuple[CellResult, Mapping[str, JudgedRows]]],
    settings: StudySettings,
) -> Curve:
    """One of `CURVES` from the cells' results and records by split; no points without cells."""
    split = _DOMAIN[name]
    groups: dict[tuple[str, float], list[tuple[CellResult, JudgedRows | None]]] = {}
    for result, records in cells:
        fraction = _fraction(name, result)
        if fraction is not None:
            found = records.get(split)
            groups.setdefault((result.cell.arm, fraction), []).append((result, found))
    bootstraps, points = {}, []
    for (arm, fraction), members in sorted(groups.items(), key=lambda item: item[0][1]):
        by_seed = {
            result.cell.seed: bootstrap(records, settings.resamples, seed=0)
            for result, records in members
            if records is not None and records.examples
        }
        bootstraps[arm, fraction] = by_seed
        points.append(_point(arm, fraction, [result for result, _ in members], by_seed, settings))
    return Curve(name, tuple(points), bootstraps)


def over_seeds(by_seed: BySeed, seeds: Sequence[int]) -> Bootstrap:
    """The mean AUC over seeds, as a bootstrap over patients and seeds.

    The same seeds give the same draws of seeds, so that differences of two arms are paired in
    patients and in seeds (a seed draws the same labels for every arm).
    """
    draws = np.stack([by_seed[seed].draws["auc"] for seed in seeds])
    random = np.random.default_rng([_SEEDS_STREAM, len(seeds)])
    drawn = random.integers(len(seeds), size=draws.shape)
    mean = draws[drawn, np.arange(draws.shape[1])].mean(axis=0)
    value = float(np.mean([by_seed[seed].values["auc"] for seed in seeds]))
    return Bootstrap(by_seed[seeds[0]].records, {"auc": value}, {"auc": mean})


def _fraction(name: str, result: CellResult) -> float | None:
    """Where a cell lies on a curve; None: not on it."""
    cell = result.cell
    if name in (LABELS_ID, LABELS_SHIFTED):
        return cell.fraction if cell.shifted_fraction is None else None
    if cell.shifted_fraction is not None:
        return cell.shifted_fraction
    return 0.0 if cell.fraction == 1.0 else None


def _point(
    arm: str,
    fraction: float,
    results: Sequence[CellResult],
    by_seed: BySeed,
    settings: StudySettings,
) -> Point:
    missing = [result.reason for result in results if result.status == NOT_ENOUGH_LABELS]
    adapted = results[0].cell.shifted_fraction is not None
    zero_shot = fraction == 0 and not adapted
    sizes = [(0, 0) if zero_shot else (result.patients, result.images) for result in results]
    patients, images = (tuple(sorted(column)) for column in zip(*sizes, strict=True))
    value = lower = upper = float("nan")
    judged_on = (0, 0)
    status, reason = NOT_ENOUGH_DATA, ""
    if missing:
        # A mean over only the seeds that have labels would not be comparable.
        status, reason = NOT_ENOUGH_LABELS, missing[0]
    elif by_seed:
        both = over_seeds(by_seed, sorted(by_seed))
        interval = both.interval("auc", settings.confidence)
        value, lower, upper = interval.value, interval.lower, interval.upper
        judged_on = (interval.patients, interval.examples)
        status = JUDGED if interval.judged else NOT_ENOUGH_DATA
    return Point(
        arm=arm,
        fraction=fraction,
        status=status,
        reason=reason,
        value=value,
        lower=lower,
        upper=upper,
        by_seed={seed: one.values["auc"] for seed, one in sorted(by_seed.items())},
        trained_patients=(patients[0], patients[-1]),
        trained_images=(images[0], images[-1]),
        patients=judged_on[0],
        images=judged_on[1],
    )
