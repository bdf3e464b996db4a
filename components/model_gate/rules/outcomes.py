"""Outcomes of rules, and their wording."""

from __future__ import annotations

from collections.abc import Mapping

from components.statistics.intervals import MAX_EXCLUDED, Interval
from schemas.documents.gate import Rule

PASS = "pass"
FAIL = "fail"
NOT_ENOUGH_DATA = "not_enough_data"
NOT_REQUIRED = "not_required"

Bounds = tuple[float | None, float | None, float | None]


def lacking_reason(metrics: Mapping[str, Interval], metric: str, min_patients: int) -> str:
    """Why a metric can't be judged; empty if it can."""
    interval = metrics.get(metric)
    if interval is None:
        return "there are no labeled images"
    if interval.patients < min_patients:
        return f"{interval.patients} patients are fewer than the required {min_patients}"
    if not interval.judged:
        undefined = sorted(
            name.partition("/")[2]
            for name, one in metrics.items()
            if name.startswith(f"{metric}/") and not one.judged
        )
        where = f" (targets {', '.join(undefined)})" if undefined else ""
        if interval.excluded > MAX_EXCLUDED and interval.value == interval.value:
            return (
                f"undefined on {interval.excluded:.0%} of the resamples{where}: too few examples "
                "of a class"
            )
        return f"undefined{where}: a class without examples, or predictions that are not numbers"
    return ""


def plain(name: str, status: str, message: str) -> Rule:
    """The outcome of a rule without a metric."""
    return _rule(name, "", "", (None, None, None), None, status, message)


def not_asked(name: str, where: str, metric: str, interval: Interval | None, why: str) -> Rule:
    """The outcome of a rule that is not required."""
    return result(name, where, metric, interval, None, NOT_REQUIRED, f"{where} {metric}: {why}")


def result(
    name: str,
    where: str,
    metric: str,
    interval: Interval | None,
    threshold: float | None,
    status: str,
    message: str,
) -> Rule:
    """The outcome of a rule on a metric."""
    bounds: Bounds = (None, None, None)
    if interval is not None:
        bounds = (interval.value, interval.lower, interval.upper)
    return _rule(name, where, metric, bounds, threshold, status, message)


def served(
    name: str, unit: str, value: float | None, ceiling: float, status: str, message: str
) -> Rule:
    """The outcome of a ceiling on what serving costs."""
    return _rule(name, "", unit, (value, None, None), ceiling, status, message)


def _rule(
    name: str,
    where: str,
    metric: str,
    bounds: Bounds,
    threshold: float | None,
    status: str,
    message: str,
) -> Rule:
    value, lower, upper = bounds
    return Rule(
        name=name,
        slice=where,
        metric=metric,
        value=value,
        lower=lower,
        upper=upper,
        threshold=threshold,
        status=status,
        message=message,
    )


def numbers(interval: Interval, form: str = ".3f") -> str:
    """Value, interval and sizes in words."""
    return (
        f"value {interval.value:{form}}, interval {interval.lower:{form}} to "
        f"{interval.upper:{form}}, "
        f"{interval.patients} patients, {interval.examples} images"
    )
