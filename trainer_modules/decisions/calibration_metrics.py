"""How far probabilities are from frequencies: expected calibration error and Brier score."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

ECE_BINS = 15
"""Bins of equal width over [0, 1]."""


class CalibrationMetrics(NamedTuple):
    """Lower is better for both; `examples` counts those with a known label."""

    ece: float
    brier: float
    examples: int


def measure(labels: np.ndarray, probabilities: np.ndarray) -> CalibrationMetrics:
    """Computes the metrics of one target; NaN without examples.

    The expected calibration error is the mean over examples of the difference, in the bin of the
    example's probability, between the mean probability and the fraction of positives.

    Args:
        labels: [N] 0/1.
        probabilities: [N].
    """
    labels = np.asarray(labels, np.float64)
    probabilities = np.asarray(probabilities, np.float64)
    if not len(labels):
        return CalibrationMetrics(np.nan, np.nan, 0)
    off = np.bincount(ece_bin(probabilities), probabilities - labels, ECE_BINS)
    return CalibrationMetrics(
        float(np.abs(off).sum() / len(labels)),
        float(np.mean((probabilities - labels) ** 2)),
        len(labels),
    )


def ece_bin(probabilities: np.ndarray) -> np.ndarray:
    """Bin of each probability; the last one includes 1."""
    return np.clip(np.nan_to_num(probabilities) * ECE_BINS, 0, ECE_BINS - 1).astype(np.int64)
