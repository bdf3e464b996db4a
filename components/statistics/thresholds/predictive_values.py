"""PPV and NPV at a prevalence other than the test set's, from sensitivity and specificity.

By Bayes, their log odds are those of the prevalence plus the logarithm of a ratio: sensitivity over
1 - specificity, and specificity over 1 - sensitivity. The interval puts the bounds of the two rates
together on that scale (MOVER, Zou and Donner 2008). It takes their errors for independent, which is
cautious: a patient whose scores are all too high moves both parts of a ratio the same way.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import special

from components.statistics.clustered_metrics import BY_PATIENT
from components.statistics.intervals import Interval

NAMES = ("ppv", "npv")
_Range = tuple[float, float, float]


def metric_name(name: str, prevalence: float) -> str:
    """Of PPV or NPV at a prevalence, e.g. `npv_at_0.01`."""
    return f"{name}_at_{prevalence:g}"


def at_prevalences(
    metrics: Mapping[str, Interval], prevalences: Sequence[float]
) -> dict[str, Interval]:
    """PPV and NPV by name, by record and `_by_patient`, from the intervals of the two rates.

    Of several targets: of each, as NAME/TARGET, and the mean, whose bounds are the means of theirs.
    That holds however the targets depend on each other.
    """
    found: dict[str, Interval] = {}
    for prevalence in prevalences:
        for suffix in ("", BY_PATIENT):
            names = [f"{metric_name(name, prevalence)}{suffix}" for name in NAMES]
            first, second = f"sensitivity{suffix}", f"specificity{suffix}"
            targets = [one.removeprefix(first) for one in metrics if one.startswith(f"{first}/")]
            by_target = {
                target: at_prevalence(metrics[first + target], metrics[second + target], prevalence)
                for target in targets or [""]
            }
            for place, name in enumerate(names):
                found[name] = _mean([both[place] for both in by_target.values()])
                found |= {name + target: both[place] for target, both in by_target.items()}
    return found


def at_prevalence(
    sensitivity: Interval, specificity: Interval, prevalence: float
) -> tuple[Interval, Interval]:
    """PPV and NPV; undefined where no record is called positive, or none negative."""
    of_sick, of_well = _range(sensitivity), _range(specificity)
    odds = float(special.logit(prevalence))
    return (
        _interval(sensitivity, specificity, odds, _log_ratio(of_sick, _rest(of_well)), "positive"),
        _interval(sensitivity, specificity, -odds, _log_ratio(of_well, _rest(of_sick)), "negative"),
    )


def _range(interval: Interval) -> _Range:
    return interval.value, interval.lower, interval.upper


def _rest(rate: _Range) -> _Range:
    """1 minus a rate."""
    value, lower, upper = rate
    return 1 - value, 1 - upper, 1 - lower


def _log_ratio(above: _Range, below: _Range) -> _Range:
    """Logarithm of a ratio, and its bounds; infinite where one of the two rates is 0."""
    (a, a_low, a_high), (b, b_low, b_high) = (
        tuple(math.log(one) if one > 0 else -math.inf if one == 0 else math.nan for one in rate)
        for rate in (above, below)
    )
    if math.isinf(a) and math.isinf(b):
        return math.nan, math.nan, math.nan
    # Where one is infinite, what is left of the formula in the limit.
    if math.isinf(b):
        return math.inf, a - b_high, math.inf
    if math.isinf(a):
        return -math.inf, -math.inf, a_high - b
    return (
        a - b,
        a - b - math.hypot(a - a_low, b_high - b),
        a - b + math.hypot(a_high - a, b - b_low),
    )


def _interval(
    sensitivity: Interval, specificity: Interval, odds: float, ratio: _Range, called: str
) -> Interval:
    value, lower, upper = (float(special.expit(odds + one)) for one in ratio)
    by_class = {**sensitivity.by_class, **specificity.by_class}
    if math.isnan(value) and sensitivity.judged and specificity.judged:
        by_class = {f"called {called}": 0}
    return dataclasses.replace(
        sensitivity,
        value=value,
        lower=lower,
        upper=upper,
        by_class=by_class,
        effective=min(sensitivity.effective, specificity.effective),
    )


def _mean(found: Sequence[Interval]) -> Interval:
    if len(found) == 1:
        return found[0]
    value, lower, upper = np.mean([_range(one) for one in found], axis=0)
    fewest: dict[str, int] = {}
    for one in found:
        fewest |= {name: min(n, fewest.get(name, n)) for name, n in one.by_class.items()}
    return Interval(
        float(value),
        float(lower),
        float(upper),
        max(one.patients for one in found),
        max(one.examples for one in found),
        by_class=fewest,
        effective=min(one.effective for one in found),
    )
