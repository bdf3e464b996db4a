"""Intervals by leaving out each patient in turn, and how two of them make one of a difference.

A patient's images belong together, so the patient is what is left out (Tukey's jackknife; with
clusters it is the variance estimator CR3). Against few or unequal patients, the quantile is
Student's, with the effective number of patients (Kish 1965) less one as degrees of freedom.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
from scipy import special

from components.statistics.intervals import Interval


def effective_number(weights: np.ndarray) -> float:
    """How many equal weights are as good as these: the squared sum over the sum of squares."""
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares > 0 else 0.0


def variance(left_out: np.ndarray) -> float:
    """The jackknife's variance of an estimate from its values without each patient in turn."""
    patients = len(left_out)
    return (patients - 1) / patients * float(((left_out - left_out.mean()) ** 2).sum())


def t_quantile(degrees: float, confidence: float) -> float:
    """Student's two-sided quantile; NaN without a degree of freedom."""
    if not degrees > 0:
        return float("nan")
    return float(special.stdtrit(degrees, (1 + confidence) / 2))


def t_bounds(
    value: float, left_out: np.ndarray, degrees: float, confidence: float
) -> tuple[float, float]:
    """Value plus and minus Student's quantile times the jackknife's standard error."""
    half = t_quantile(degrees, confidence) * math.sqrt(variance(left_out))
    return value - half, value + half


@dataclasses.dataclass(frozen=True)
class LogOdds:
    """A share by the jackknife on its log odds: less its bias, and its standard error.

    On the log odds a share near 1 errs nearly as far up as down, and no bound leaves 0 to 1.
    """

    center: float
    error: float

    @classmethod
    def of(cls, value: float, left_out: np.ndarray, smallest: float) -> LogOdds:
        """From the share on all patients and without each in turn.

        Shares nearer to 0 or 1 than `smallest` count as this: their log odds are not finite.
        """
        whole = float(special.logit(np.clip(value, smallest, 1 - smallest)))
        parts = special.logit(np.clip(left_out, smallest, 1 - smallest))
        center = len(parts) * whole - (len(parts) - 1) * float(parts.mean())
        return cls(center, math.sqrt(variance(parts)))

    def bounds(self, quantile: float) -> tuple[float, float]:
        """The shares that many standard errors away."""
        half = quantile * self.error
        return float(special.expit(self.center - half)), float(special.expit(self.center + half))


def gap(first: Interval, second: Interval) -> Interval:
    """First minus second where the two come from different patients.

    Each bound is as far from the difference as the two bounds it is made of, by Pythagoras
    (MOVER: Zou and Donner 2008), so that intervals that are lopsided stay so.
    """
    value = first.value - second.value
    lower = value - math.hypot(first.value - first.lower, second.upper - second.value)
    upper = value + math.hypot(first.upper - first.value, second.value - second.lower)
    return Interval(
        value,
        lower,
        upper,
        first.patients + second.patients,
        first.examples + second.examples,
        by_class=_smaller(first.by_class, second.by_class),
        effective=min(first.effective, second.effective),
    )


def paired_bounds(
    first: Interval, second: Interval, correlation: float
) -> tuple[float, float, float]:
    """First minus second, and its bounds, where the two come from the same patients.

    What the two errors do not share is put together as in `gap`; what they share moves both the
    same way, and only the difference of the two distances is left of it.
    """
    value = first.value - second.value
    if not (first.judged and second.judged):
        return value, math.nan, math.nan
    down, up = first.value - first.lower, first.upper - first.value
    other_down, other_up = second.value - second.lower, second.upper - second.value
    own = 1 - correlation
    worse = max(0.0, down - other_down, other_up - up)
    better = max(0.0, other_down - down, up - other_up)
    lower = value - math.sqrt(max(0.0, own * (down**2 + other_up**2) + correlation * worse**2))
    upper = value + math.sqrt(max(0.0, own * (up**2 + other_down**2) + correlation * better**2))
    return value, lower, upper


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Correlation of two estimates from their values without each patient in turn; 0 if none."""
    one, other = first - first.mean(), second - second.mean()
    spread = math.sqrt(float((one**2).sum()) * float((other**2).sum()))
    return float((one * other).sum()) / spread if spread > 0 else 0.0


def holding(interval: Interval, value: float) -> Interval:
    """The interval around another value of the same estimate, widened to hold it."""
    return dataclasses.replace(
        interval, value=value, lower=min(interval.lower, value), upper=max(interval.upper, value)
    )


def _smaller(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    return {name: min(number, second.get(name, number)) for name, number in first.items()}
