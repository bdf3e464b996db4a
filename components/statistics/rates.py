"""Intervals of rates (sensitivity, specificity, accuracy, ...) when images belong to patients.

Clopper and Pearson's exact interval, for as many patients as the images are worth (Korn and
Graubard 1998). Their effective number is the smaller of two: what the variance between patients
says, and what the correlation within patients says. The first alone is too large where few
failures are all there is to estimate it from. With one image a patient, both are the number of
patients, and the interval is Clopper and Pearson's own.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from components.statistics import jackknife
from components.statistics.target_auc import divide


@dataclasses.dataclass(frozen=True, eq=False)
class Rate:
    """A rate, or the mean of several rates of the same patients.

    Attributes:
        value: The rate; NaN without a record.
        left_out: Without each patient in turn, [patients].
        patients: Patients with a record that counts, of the rate with the fewest.
        equal_weights: As many patients would weigh alike.
        correlated: Effective number of patients by the correlation of their records.
    """

    value: float
    left_out: np.ndarray
    patients: int
    equal_weights: float
    correlated: float

    @classmethod
    def of(cls, hits: np.ndarray, weight: np.ndarray, patient: np.ndarray, patients: int) -> Rate:
        """The weighted rate of hits.

        Args:
            hits: 0 or 1, or a share, for each record.
            weight: Of each record; one of weight 0 does not count.
            patient: Number of each record's patient, from 0.
            patients: How many patients there are.
        """
        counts = weight > 0
        hits, weight, patient = hits[counts], weight[counts], patient[counts]
        return cls.of_patients(
            np.bincount(patient, weight * hits, patients),
            np.bincount(patient, weight, patients),
            own=float((weight**2).sum()),
            correlation=within_patients(
                np.bincount(patient, hits, patients),
                np.bincount(patient, minlength=patients),
                float((hits**2).sum()),
            ),
        )

    @classmethod
    def of_patients(
        cls, sums: np.ndarray, sizes: np.ndarray, own: float, correlation: float
    ) -> Rate:
        """The rate from each patient's sums of weighted hits and of weights.

        Args:
            sums: Weighted hits, [patients].
            sizes: Weights, [patients].
            own: Sum of the records' squared weights.
            correlation: Of the hits of a patient's records.
        """
        total = float(sizes.sum())
        shared = float((sizes**2).sum())
        spread = (1 - correlation) * own + correlation * shared
        return cls(
            value=float(sums.sum() / total) if total else math.nan,
            left_out=divide(sums.sum() - sums, total - sizes),
            patients=int(np.count_nonzero(sizes)),
            equal_weights=jackknife.effective_number(sizes),
            correlated=total**2 / spread if spread else 0.0,
        )

    @property
    def effective(self) -> float:
        """How many patients of one record each would say as much."""
        return min(self._by_variance, self.correlated)

    @property
    def _by_variance(self) -> float:
        """Patients of one record whose exact variance is the jackknife's; none: no limit."""
        # Patients without a record that counts leave the rate as it is: they add nothing.
        squares = float(((self.left_out - self.value) ** 2).sum())
        spread = (self.patients - 1) / max(1, self.patients) * squares
        return 1 + self.value * (1 - self.value) / spread if spread > 0 else math.inf

    def bounds(self, confidence: float) -> tuple[float, float]:
        """Clopper and Pearson's bounds; NaN for fewer than two patients."""
        if self.patients < 2 or not 0 <= self.value <= 1:
            return math.nan, math.nan
        # A variance that was estimated from unequal patients is that of fewer.
        of_all = jackknife.t_quantile(self.patients - 1, confidence)
        of_equal = jackknife.t_quantile(max(1.0, self.equal_weights - 1), confidence)
        by_variance = 1 + (self._by_variance - 1) * (of_all / of_equal) ** 2
        return clopper_pearson(self.value, min(by_variance, self.correlated), confidence)


def mean(rates: Sequence[Rate]) -> Rate:
    """The mean of several rates, whose errors count as independent but for what the data show."""
    if len(rates) == 1:
        return rates[0]
    number = len(rates)
    inverse = sum(1 / one.correlated if one.correlated else math.inf for one in rates)
    return Rate(
        value=float(np.mean([one.value for one in rates])),
        left_out=np.mean([one.left_out for one in rates], axis=0),
        patients=min(one.patients for one in rates),
        equal_weights=min(one.equal_weights for one in rates),
        correlated=number**2 / inverse,
    )


def clopper_pearson(value: float, number: float, confidence: float) -> tuple[float, float]:
    """Exact bounds of a rate among a number of patients, which need not be whole."""
    tail = (1 - confidence) / 2
    hits, misses = value * number, (1 - value) * number
    lower = float(special.betaincinv(hits, misses + 1, tail)) if hits > 0 else 0.0
    upper = float(special.betaincinv(hits + 1, misses, 1 - tail)) if misses > 0 else 1.0
    return lower, upper


def within_patients(hits: np.ndarray, size: np.ndarray, squares: float) -> float:
    """Correlation of a patient's records, by analysis of variance; 1 where nothing shows it.

    Args:
        hits: Sum of each patient's hits, [patients].
        size: Number of each patient's records, [patients].
        squares: Sum of the squared hits of all records.
    """
    found = size > 0
    hits, size = hits[found], size[found]
    groups, records = len(size), int(size.sum())
    if groups < 2 or records <= groups:
        return 1.0
    overall = float(hits.sum()) / records
    between = float((size * (hits / size - overall) ** 2).sum())
    within = squares - records * overall**2 - between
    of_patients, of_records = between / (groups - 1), within / (records - groups)
    typical = (records - float((size**2).sum()) / records) / (groups - 1)
    spread = of_patients + (typical - 1) * of_records
    return float(np.clip((of_patients - of_records) / spread, 0, 1)) if spread > 0 else 1.0
