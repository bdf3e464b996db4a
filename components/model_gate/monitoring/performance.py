"""Performance by the labels of new predictions, against the bounds of the verdict's policy.

A bound is missed where the whole interval lies beyond it, at the level that this look may spend.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from components.model_gate.policy.settings import DomainRules, GateSettings
from components.model_gate.rules.outcomes import FAIL, Least, lack, within
from components.statistics import clustered_metrics
from components.statistics.clustered_metrics import Precision
from components.statistics.intervals import Interval
from components.statistics.judged_rows import JudgedRows
from schemas import features
from schemas.documents.monitoring import Measured

CONFIDENCE = 0.95
# Reported where the policy sets no bound.
_ALWAYS = ("auc", "sensitivity", "specificity", "ppv", "npv", "accuracy", "calibration_slope")
_OF_DECISIONS = ("sensitivity", "specificity", "balanced_accuracy", "ppv", "npv")
# The calibration error is drawn, which would take too many draws at the level of a late look.
_DRAWS = 200


@dataclasses.dataclass(frozen=True)
class Bound:
    """What the policy asks of a metric; both ends of a range are tests of their own."""

    metric: str
    floor: float | None = None
    ceiling: float | None = None

    @property
    def tests(self) -> int:
        """How many tests it takes."""
        return (self.floor is not None) + (self.ceiling is not None)


@dataclasses.dataclass(frozen=True, eq=False)
class Labelled:
    """The labelled records, and what can be tested on them; that follows from counts alone.

    Attributes:
        records: Those with a label.
        metrics: With 95 % intervals.
        bounds: The policy's.
        lacks: By metric, why a bound can't be tested.
    """

    records: JudgedRows
    metrics: Mapping[str, Interval]
    bounds: tuple[Bound, ...]
    lacks: Mapping[str, str]

    @property
    def tests(self) -> int:
        """How many tests there are."""
        return sum(one.tests for one in self.bounds if one.metric not in self.lacks)


def labelled(
    records: JudgedRows, settings: GateSettings, domain: features.Domain, *, decided: bool
) -> Labelled:
    """What the labels allow to test.

    Args:
        records: Those with a label.
        settings: The verdict's policy.
        domain: Whose bounds apply.
        decided: Whether there are decisions.
    """
    rules: DomainRules = getattr(settings, domain)
    metrics = clustered_metrics.intervals(records, Precision(CONFIDENCE, _DRAWS))
    if not decided:
        metrics = {name: one for name, one in metrics.items() if not name.startswith(_OF_DECISIONS)}
    bounds = tuple(one for one in _bounds(rules, metrics) if one.metric in metrics)
    least = Least(rules.min_patients, settings.min_patients_per_class)
    lacks = {
        one.metric: found.reason
        for one in bounds
        if (found := lack(metrics, one.metric, least)) is not None
    }
    return Labelled(records, metrics, bounds, lacks)


def _bounds(rules: DomainRules, metrics: Mapping[str, Interval]) -> Iterator[Bound]:
    for metric, floor in (
        ("auc", rules.min_auc),
        ("sensitivity", rules.min_sensitivity),
        ("specificity", rules.min_specificity),
        ("balanced_accuracy", rules.min_balanced_accuracy),
    ):
        if floor > 0:
            yield Bound(metric, floor)
            yield Bound(f"{metric}_by_patient", floor)
    if rules.min_auc > 0:
        yield from (Bound(name, rules.min_auc) for name in metrics if name.startswith("auc/"))
    for metric in ("calibration_slope", "calibration_intercept"):
        span = getattr(rules, metric)
        if span is not None:
            yield Bound(metric, *span)


def judged(found: Labelled, alpha: float, reference: Mapping[str, float | None]) -> list[Measured]:
    """Tests each bound at a level, and reports what has none.

    Args:
        found: What can be tested.
        alpha: Level of each test.
        reference: Values of the verdict by metric.
    """
    # One-sided: half of what lies outside an interval is above it.
    precision = Precision(1 - 2 * alpha, _DRAWS)
    at_level = clustered_metrics.intervals(found.records, precision) if found.tests else {}
    measured = [_judged(one, found, at_level.get(one.metric), reference) for one in found.bounds]
    told = {one.metric for one in found.bounds}
    for name, one in found.metrics.items():
        if name in _ALWAYS and name not in told:
            measured.append(_reported(name, one, reference))
    return measured


def _judged(
    bound: Bound, found: Labelled, interval: Interval | None, reference: Mapping[str, float | None]
) -> Measured:
    shown = _reported(bound.metric, found.metrics[bound.metric], reference)
    shown = shown.model_copy(update={"floor": bound.floor, "ceiling": bound.ceiling})
    if bound.metric in found.lacks:
        message = f"{bound.metric}: {found.lacks[bound.metric]}"
        nothing = {"value": None, "lower": None, "upper": None}
        return shown.model_copy(update=nothing | {"status": "not_enough_data", "message": message})
    assert interval is not None
    failed = within(interval, bound.floor, bound.ceiling)[0] == FAIL
    allowed = " to ".join(f"{one:g}" for one in (bound.floor, bound.ceiling) if one is not None)
    ends = f"surely at least {interval.lower:.3f}, and at most {interval.upper:.3f}"
    said = "misses the policy's" if failed else "is not shown to miss the policy's"
    return shown.model_copy(
        update={
            "surely_at_most": interval.upper,
            "surely_at_least": interval.lower,
            "status": "alarm" if failed else "no_alarm",
            "message": f"{bound.metric}: {shown.value:.3f} {said} {allowed} ({ends}; "
            f"{shown.patients} patients)",
        }
    )


def _reported(name: str, one: Interval, reference: Mapping[str, float | None]) -> Measured:
    return Measured(
        metric=name,
        value=one.value if one.judged else None,
        lower=one.lower,
        upper=one.upper,
        reference=reference.get(name),
        floor=None,
        ceiling=None,
        surely_at_most=None,
        surely_at_least=None,
        patients=one.patients,
        status="no_bound",
        message=f"{name}: the policy sets no bound",
    )
