"""What a rule answers, and the words for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from components.statistics.intervals import MAX_EXCLUDED, Interval

PASS = "pass"
FAIL = "fail"
NOT_ENOUGH_DATA = "not_enough_data"
NOT_REQUIRED = "not_required"


@dataclasses.dataclass(frozen=True)
class RuleResult:
    """One rule's outcome, with the numbers that decided it.

    Attributes:
        name: What the rule asks for.
        slice: The data it looked at, e.g. `shifted` or `shifted, site=b`.
        metric: The metric it looked at; empty for rules without one.
        value: The metric's value.
        lower: Lower bound of its interval.
        upper: Upper bound.
        threshold: What it was compared with.
        status: `pass`, `fail`, `not_enough_data` or `not_required`.
        message: One sentence with the numbers.
    """

    name: str
    slice: str
    metric: str
    value: float | None
    lower: float | None
    upper: float | None
    threshold: float | None
    status: str
    message: str


def lacking_reason(metrics: Mapping[str, Interval], metric: str, min_patients: int) -> str:
    """Why a metric can't be judged; empty when it can."""
    interval = metrics.get(metric)
    if interval is None:
        return "there are no labeled images"
    if interval.patients < min_patients:
        return f"{interval.patients} patients are fewer than the {min_patients} asked for"
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


def plain(name: str, status: str, message: str) -> RuleResult:
    """The outcome of a rule without a metric."""
    return RuleResult(name, "", "", None, None, None, None, status, message)


def not_asked(
    name: str, where: str, metric: str, interval: Interval | None, why: str
) -> RuleResult:
    """The outcome of a rule that nobody asked for."""
    return result(name, where, metric, interval, None, NOT_REQUIRED, f"{where} {metric}: {why}")


def result(
    name: str,
    where: str,
    metric: str,
    interval: Interval | None,
    threshold: float | None,
    status: str,
    message: str,
) -> RuleResult:
    """The outcome of a rule on a metric."""
    value, lower, upper = (
        (None, None, None) if interval is None else (interval.value, interval.lower, interval.upper)
    )
    return RuleResult(name, where, metric, value, lower, upper, threshold, status, message)


def numbers(interval: Interval, form: str = ".3f") -> str:
    """Value, interval and sizes in words."""
    return (
        f"value {interval.value:{form}}, interval {interval.lower:{form}} to "
        f"{interval.upper:{form}}, "
        f"{interval.patients} patients, {interval.examples} images"
    )
