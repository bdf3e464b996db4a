"""Intervals from bootstrap draws: percentile, or BCa (Efron 1987).

BCa shifts the percentiles to correct for the bias of the draws and for a standard error that
changes with the value. It requires the metrics without each patient in turn, and is better if few
patients or a value near 1 make the draws skewed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from scipy.special import ndtr, ndtri

Method = Literal["percentile", "bca"]

# Resamples without both classes are uninformative. If they exceed this fraction, the others no
# longer represent the data: there are not enough.
MAX_EXCLUDED = 0.05


@dataclasses.dataclass(frozen=True)
class Interval:
    """A metric's value and interval; bounds are NaN if there are not enough data.

    Attributes:
        value: The metric on the original records; NaN if undefined.
        lower: Lower bound.
        upper: Upper bound.
        patients: Patients with a known label.
        examples: Records with a known label.
        excluded: Fraction of the resamples on which the metric was undefined.
        by_class: Patients with a record of each kind that the metric needs, e.g. `positive`.
        effective: How many patients of one record each would say as much, of the smallest kind;
            NaN where it is not known.
    """

    value: float
    lower: float
    upper: float
    patients: int
    examples: int
    excluded: float = 0.0
    by_class: Mapping[str, int] = dataclasses.field(default_factory=dict)
    effective: float = float("nan")

    @property
    def judged(self) -> bool:
        """Whether there are a value and both bounds."""
        return bool(np.isfinite([self.value, self.lower, self.upper]).all())


@dataclasses.dataclass(frozen=True, eq=False)
class Resampled:
    """A metric on the records, on each resample, and without each patient in turn.

    Attributes:
        value: On the original records.
        draws: On each resample; NaN where undefined.
        left_out: Without each patient, one array per independent sample of patients. Only BCa
            needs them.
    """

    value: float
    draws: np.ndarray
    left_out: Sequence[np.ndarray] = ()

    def bounds(self, confidence: float, method: Method) -> tuple[float, float, float]:
        """Lower and upper bound, NaN if there are not enough data, and the excluded fraction."""
        defined = self._defined()
        excluded = 1 - len(defined) / len(self.draws)
        if not np.isfinite(self.value) or excluded > MAX_EXCLUDED:
            return float("nan"), float("nan"), excluded
        tail = (1 - confidence) / 2
        tails = np.array([tail, 1 - tail])
        if method == "bca":
            tails = self._moved(tails)
            if not np.isfinite(tails).all():
                return float("nan"), float("nan"), excluded
        lower, upper = (float(bound) for bound in np.quantile(defined, tails))
        return lower, upper, excluded

    def p_below(self, bound: float, method: Method) -> float:
        """One-sided p-value of the hypothesis that the metric lies below a bound.

        At most alpha if the interval of confidence 1 - 2 alpha lies above the bound.
        """
        defined = self._defined()
        if not len(defined):
            return float("nan")
        tail_fraction = float(np.mean(defined < bound))
        if method == "percentile" or tail_fraction in (0.0, 1.0):
            return tail_fraction
        bias, acceleration = self._bias(), self._acceleration()
        moved = ndtri(tail_fraction) - bias
        return float(ndtr(moved / (1 + acceleration * moved) - bias))

    def _moved(self, tails: np.ndarray) -> np.ndarray:
        bias, acceleration = self._bias(), self._acceleration()
        if not np.isfinite(bias):  # beyond every draw: no correction is possible
            return tails
        shifted = bias + ndtri(tails)
        return ndtr(bias + shifted / (1 - acceleration * shifted))

    def _bias(self) -> float:
        """Normal score of the value among the draws; half of the ties count as below."""
        defined = self._defined()
        below = (np.mean(defined < self.value) + np.mean(defined <= self.value)) / 2
        return float(ndtri(below))

    def _acceleration(self) -> float:
        """Skewness of the influence of single patients, over all samples; NaN if undefined."""
        squares = cubes = 0.0
        for sample in self.left_out:
            patients = len(sample)
            influence = (patients - 1) * (sample.mean() - sample) / patients
            squares += float((influence**2).sum())
            cubes += float((influence**3).sum())
        return cubes / (6 * squares**1.5) if squares != 0 else 0.0

    def _defined(self) -> np.ndarray:
        return self.draws[np.isfinite(self.draws)]
