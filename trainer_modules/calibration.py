"""Temperature scaling: one divisor of the logits, fitted on the validation split (1706.04599)."""

from __future__ import annotations

import numpy as np
from absl import logging
from scipy import optimize, special

MIN_PER_CLASS = 10
_LOG_BOUNDS = (-3.0, 3.0)


def sigmoid_temperature(labels: np.ndarray, logits: np.ndarray) -> float:
    """Temperature that minimises the binary cross-entropy of [N] logits."""
    labels = np.asarray(labels, np.float64)
    logits = np.asarray(logits, np.float64)
    return _minimise(
        lambda t: np.mean(np.logaddexp(0.0, logits / t) - labels * logits / t),
        [int((labels > 0.5).sum()), int((labels <= 0.5).sum())],
    )


def softmax_temperature(classes: np.ndarray, logits: np.ndarray) -> float:
    """Temperature that minimises the cross-entropy of [N, T] logits; classes are [N] indices."""
    logits = np.asarray(logits, np.float64)
    classes = np.asarray(classes, np.int64)
    rows = np.arange(len(classes))
    return _minimise(
        lambda t: np.mean(special.logsumexp(logits / t, axis=1) - logits[rows, classes] / t),
        np.bincount(classes, minlength=logits.shape[1]).tolist(),
    )


def _minimise(loss, counts: list[int]) -> float:
    """The loss is convex in 1/T, hence has one minimum in log T."""
    if min(counts) < MIN_PER_CLASS:
        logging.warning(
            "Calibration left out: %d validation examples in the smallest class, %d needed.",
            min(counts),
            MIN_PER_CLASS,
        )
        return 1.0
    found = optimize.minimize_scalar(
        lambda log_t: loss(np.exp(log_t)),
        bounds=_LOG_BOUNDS,
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(np.exp(found.x))
