"""Decision thresholds chosen on the validation split: score >= threshold is a positive."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from trainer_modules.settings import OperatingPointSettings

UNDETERMINED_THRESHOLD = 0.5


class OperatingPoint(NamedTuple):
    """A threshold, and its sensitivity and specificity on the data that chose it."""

    threshold: float
    sensitivity: float
    specificity: float


def choose(
    labels: np.ndarray, scores: np.ndarray, settings: OperatingPointSettings
) -> OperatingPoint | None:
    """Applies the rule of the settings; None when only one class is present."""
    if settings.rule == "youden":
        return youden(labels, scores)
    rule = sensitivity_at_least if settings.rule == "sensitivity" else specificity_at_least
    return rule(labels, scores, settings.at_least)


def youden(labels: np.ndarray, scores: np.ndarray) -> OperatingPoint | None:
    """Largest sensitivity + specificity; of equals, the most sensitive."""
    points = _points(labels, scores)
    # Rounded: sums of thirds that are equal on paper differ in their last bit.
    best = lambda point: round(point.sensitivity + point.specificity, 12)  # noqa: E731
    return max(points, key=best, default=None)


def sensitivity_at_least(
    labels: np.ndarray, scores: np.ndarray, floor: float
) -> OperatingPoint | None:
    """The most specific threshold whose sensitivity reaches the floor."""
    reached = [point for point in _points(labels, scores) if point.sensitivity >= floor]
    return reached[-1] if reached else None


def specificity_at_least(
    labels: np.ndarray, scores: np.ndarray, floor: float
) -> OperatingPoint | None:
    """The most sensitive threshold whose specificity reaches the floor."""
    reached = [point for point in _points(labels, scores) if point.specificity >= floor]
    return reached[0] if reached else None


def _points(labels: np.ndarray, scores: np.ndarray) -> list[OperatingPoint]:
    """Every distinct cut, by increasing threshold; empty when a class is absent.

    Thresholds lie halfway between neighboring scores, so that rounding in another runtime (the
    exported float32 graph) does not move an example across a threshold.
    """
    positive = np.asarray(labels) > 0.5
    scores = np.asarray(scores, np.float64)
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return []
    values, group = np.unique(scores, return_inverse=True)
    positives_at = np.bincount(group, positive, len(values))
    negatives_at = np.bincount(group, ~positive, len(values))
    missed = np.concatenate([[0], np.cumsum(positives_at)])
    rejected = np.concatenate([[0], np.cumsum(negatives_at)])
    above_all = max((values[-1] + 1) / 2, values[-1] + 1e-6)
    thresholds = np.concatenate([[values[0] / 2], (values[:-1] + values[1:]) / 2, [above_all]])
    # One division each: 1 - 7 / 100 is a little less than 0.93, and would miss a floor of 0.93.
    return [
        OperatingPoint(float(t), float((positives - m) / positives), float(r / negatives))
        for t, m, r in zip(thresholds, missed, rejected, strict=True)
    ]
