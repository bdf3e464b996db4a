"""The study's headline: the fraction of labels at which REMEDIS matches the supervised baseline.

The baseline is the arm without SimCLR (`bit` if there is one, else `random`) with all of the
labels. REMEDIS matches it at the smallest fraction from which on, at every larger one too, its mean
AUC over the seeds is not below the baseline's. The stricter fraction also requires that the lower
bound of the paired interval of the difference is not below minus the margin.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from components.label_efficiency.cell.settings import BIT, RANDOM, REMEDIS, StudySettings
from components.label_efficiency.report.curves import JUDGED, Curve, over_seeds
from components.statistics.bootstrap import paired_difference
from components.statistics.intervals import Interval

REACHED, NOT_REACHED, NOT_ENOUGH_DATA = "reached", "not_reached", "not_enough_data"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """REMEDIS at a fraction minus the baseline at all labels, on the same patients and seeds."""

    fraction: float
    difference: Interval


@dataclasses.dataclass(frozen=True)
class Headline:
    """The answer for one curve.

    Attributes:
        curve: Name of the curve.
        baseline: The baseline's arm.
        baseline_value: Its mean AUC with all labels; NaN when it is not known.
        status: reached, not_reached or not_enough_data.
        fraction: Where it is reached; None when it is not.
        sure_fraction: Where the stricter figure is; None when it is nowhere.
        comparisons: By fraction, the smallest first.
    """

    curve: str
    baseline: str
    baseline_value: float
    status: str
    fraction: float | None
    sure_fraction: float | None
    comparisons: tuple[Comparison, ...]


def headline(curve: Curve, arms: Sequence[str], settings: StudySettings) -> Headline:
    """Applies the rule to a curve."""
    baseline = BIT if BIT in arms else RANDOM
    goal = curve.point(baseline, 1.0)
    if goal is None or goal.status != JUDGED:
        value = float("nan")
        return Headline(curve.name, baseline, value, NOT_ENOUGH_DATA, None, None, ())
    comparisons = tuple(
        Comparison(point.fraction, _difference(curve, point.fraction, baseline, settings))
        for point in curve.points
        if point.arm == REMEDIS and point.status == JUDGED
    )
    fraction = _from_here_on(comparisons, lambda found: found.value >= 0)
    sure = _from_here_on(comparisons, lambda found: found.lower >= -settings.margin)
    status = NOT_REACHED if fraction is None else REACHED
    status = status if comparisons else NOT_ENOUGH_DATA
    return Headline(curve.name, baseline, goal.value, status, fraction, sure, comparisons)


def _difference(curve: Curve, fraction: float, baseline: str, settings: StudySettings) -> Interval:
    ours = curve.bootstraps[REMEDIS, fraction]
    theirs = curve.bootstraps[baseline, 1.0]
    seeds = sorted(set(ours) & set(theirs))
    return paired_difference(
        over_seeds(ours, seeds),
        over_seeds(theirs, seeds),
        "auc",
        settings.confidence,
    )


def _from_here_on(
    comparisons: Sequence[Comparison], matches: Callable[[Interval], bool]
) -> float | None:
    """The smallest fraction at which, and at every larger one, the difference matches."""
    found = None
    for comparison in sorted(comparisons, key=lambda one: -one.fraction):
        if not matches(comparison.difference):
            break
        found = comparison.fraction
    return found
