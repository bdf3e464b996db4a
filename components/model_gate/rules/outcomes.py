"""Outcomes of rules, and their wording."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Final, Literal

from components.model_gate.rules import shortage
from components.model_gate.rules.shortage import Shortage
from components.statistics.intervals import Interval
from schemas.documents.gate import Rule

PASS: Final = "pass"
FAIL: Final = "fail"
INCONCLUSIVE: Final = "inconclusive"
NOT_ENOUGH_DATA = "not_enough_data"
NOT_REQUIRED = "not_required"
NO_EFFECT = "none"
WARN = "warn"
REFUSE = "refuse"

# No output counts fewer patients of a group, or names one of fewer: it could be a single patient.
MIN_NAMED_PATIENTS = 5

Status = Literal["pass", "fail", "inconclusive", "not_enough_data", "not_required"]
Bounds = tuple[float | None, float | None, float | None]


@dataclasses.dataclass(frozen=True)
class Lack:
    """Why a metric can't be judged.

    Attributes:
        reason: In words.
        absent: Nothing is there to judge, rather than too little.
        shortage: How many more patients it takes, if that is the reason.
    """

    reason: str
    absent: bool
    shortage: Shortage | None = None


@dataclasses.dataclass(frozen=True)
class Least:
    """How many patients a rule needs, in all and with an image of each class."""

    patients: int
    per_class: int


def lack(
    metrics: Mapping[str, Interval], metric: str, least: Least, *, group: bool = False
) -> Lack | None:
    """Why a metric can't be judged; None if it can.

    Of a group, fewer than five patients are not counted: they could be told apart.
    """
    interval = metrics.get(metric)
    if interval is None:
        return Lack("there are no labeled images", absent=True)
    for kind, number in interval.by_class.items():
        if not number and not group:
            reason = f"undefined{_targets(metrics, metric)}: no {kind} images"
            return Lack(reason, True, _short(number, least.per_class, kind, group))
    if interval.patients < least.patients:
        reason = _fewer(interval.patients, "patients", least.patients, group)
        return Lack(reason, False, _short(interval.patients, least.patients, "", group))
    for kind, number in interval.by_class.items():
        if number < least.per_class:
            of_target = "" if group else _fewest(metrics, metric, kind, number)
            what = f"patients with {kind} images{of_target}"
            reason = _fewer(number, what, least.per_class, group)
            return Lack(reason, not number, _short(number, least.per_class, kind, group))
    if interval.judged:
        return None
    auc = metrics.get(metric.replace("calibration_slope", "auc", 1))
    if metric.partition("/")[0] == "calibration_slope" and (auc is None or auc.judged):
        reason = "no slope fits: the scores are all the same, or tell the classes apart perfectly"
        return Lack(f"undefined: {reason}", absent=False)
    where = _targets(metrics, metric)
    reason = f"undefined{where}: a class without examples, or predictions that are not numbers"
    return Lack(reason, absent=True)


def _fewest(metrics: Mapping[str, Interval], metric: str, kind: str, number: int) -> str:
    """The targets whose patients of a kind are the fewest, where there are several targets."""
    fewest = sorted(
        name.partition("/")[2]
        for name, one in metrics.items()
        if name.startswith(f"{metric}/") and one.by_class.get(kind) == number
    )
    return f" (targets {', '.join(fewest)})" if fewest else ""


def _fewer(number: int, what: str, least: int, group: bool) -> str:
    if group and number < MIN_NAMED_PATIENTS:
        return f"fewer than {MIN_NAMED_PATIENTS} {what}, the required number is {least}"
    return f"{number} {what} are fewer than the required {least}"


def _short(number: int, least: int, kind: str, group: bool) -> Shortage | None:
    if kind not in ("", "positive", "negative"):
        return None  # whom a model calls positive is not for anyone to recruit
    hidden = group and number < MIN_NAMED_PATIENTS
    return shortage.of_count(number, least, kind, hidden=hidden)


def _targets(metrics: Mapping[str, Interval], metric: str) -> str:
    """The targets for which a mean over several is undefined."""
    undefined = sorted(
        name.partition("/")[2]
        for name, one in metrics.items()
        if name.startswith(f"{metric}/") and not one.judged
    )
    return f" (targets {', '.join(undefined)})" if undefined else ""


def effect(status: str, unclear: str, absent: bool = False) -> str:
    """What an outcome does to the verdict.

    Args:
        status: The outcome.
        unclear: What the policy does with inconclusive outcomes: `refuse` or `warn`.
        absent: Nothing was there to judge, which is no matter of how much.
    """
    if status in (PASS, NOT_REQUIRED):
        return NO_EFFECT
    if status == FAIL or (absent and unclear == REFUSE):
        return REFUSE
    return WARN if unclear == WARN else INCONCLUSIVE


def within(
    interval: Interval, low: float | None = None, high: float | None = None
) -> tuple[Status, str]:
    """Where an interval lies: within the bounds, outside them, or neither is shown; and in words.

    Comparisons are written so that NaN never passes.
    """
    if math.isnan(interval.lower) or math.isnan(interval.upper):
        return FAIL, "undefined, as predictions are not numbers"
    if low is not None and not interval.lower >= low:
        if interval.upper >= low:
            return INCONCLUSIVE, f"lower bound {interval.lower:.3f} is below the floor {low:g}"
        return FAIL, f"upper bound {interval.upper:.3f} is below the floor {low:g}"
    if high is not None and not interval.upper <= high:
        if interval.lower <= high:
            return INCONCLUSIVE, f"upper bound {interval.upper:.3f} is above the ceiling {high:g}"
        return FAIL, f"lower bound {interval.lower:.3f} is above the ceiling {high:g}"
    if high is None:
        return PASS, f"lower bound {interval.lower:.3f} is at least {low:g}"
    if low is None:
        return PASS, f"upper bound {interval.upper:.3f} is at most {high:g}"
    return PASS, f"the interval lies within {low:g} to {high:g}"


def plain(name: str, status: str, message: str, effect_of: str | None = None) -> Rule:
    """The outcome of a rule without a metric; what is not a pass refuses."""
    return _rule(name, "", "", (None, None, None), None, status, message, effect_of)


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
    effect_of: str | None = None,
    short: Shortage | None = None,
) -> Rule:
    """The outcome of a rule on a metric; what is not a pass refuses unless it says otherwise.

    The message of one that lacks data also says how many more patients it takes, `short`.
    """
    bounds: Bounds = (None, None, None)
    if interval is not None:
        bounds = (interval.value, interval.lower, interval.upper)
    if short is None or status not in (INCONCLUSIVE, NOT_ENOUGH_DATA):
        return _rule(name, where, metric, bounds, threshold, status, message, effect_of)
    message = f"{message}; {short.words}" if short.words else message
    found = _rule(name, where, metric, bounds, threshold, status, message, effect_of)
    return found.model_copy(update={"needed": short.needed})


def measured(
    name: str,
    where: str,
    unit: str,
    value: float | None,
    ceiling: float,
    status: str,
    message: str,
) -> Rule:
    """The outcome of a ceiling on a number without an interval."""
    return _rule(name, where, unit, (value, None, None), ceiling, status, message, None)


def _rule(
    name: str,
    where: str,
    metric: str,
    bounds: Bounds,
    threshold: float | None,
    status: str,
    message: str,
    effect_of: str | None,
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
        effect=effect_of or (NO_EFFECT if status in (PASS, NOT_REQUIRED) else REFUSE),
        message=message,
    )


def numbers(interval: Interval, form: str = ".3f") -> str:
    """Value, interval and sizes in words."""
    return (
        f"value {interval.value:{form}}, interval {interval.lower:{form}} to "
        f"{interval.upper:{form}}, "
        f"{interval.patients} patients, {interval.examples} images"
    )
