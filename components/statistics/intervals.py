"""Intervals, and their bounds from bootstrap draws."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

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


def percentiles(value: float, draws: np.ndarray, confidence: float) -> tuple[float, float, float]:
    """Bounds of a metric from its values on resamples.

    Args:
        value: On the original records.
        draws: On each resample; NaN where undefined.
        confidence: Of the interval.

    Returns:
        Lower and upper bound, NaN if there are not enough data, and the excluded fraction.
    """
    defined = draws[np.isfinite(draws)]
    excluded = 1 - len(defined) / len(draws)
    if not np.isfinite(value) or excluded > MAX_EXCLUDED:
        return float("nan"), float("nan"), excluded
    tail = (1 - confidence) / 2
    lower, upper = (float(bound) for bound in np.quantile(defined, [tail, 1 - tail]))
    return lower, upper, excluded
