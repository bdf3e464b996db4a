"""Calibration of a classifier's logits, fitted on the validation split (arXiv 1706.04599).

Temperature scaling divides the logits of a target (of all classes, in a multiclass task) by one
number and so does not change the ranking of images. Vector scaling gives each target its own scale
and offset, which also corrects a prevalence that class weights or sampling shifted; for sigmoid
targets it is Platt scaling.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from absl import logging
from scipy import optimize, special

MIN_PER_CLASS = 10
_LOG_BOUNDS = (-3.0, 3.0)
_OFFSET_BOUND = 20.0


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Logits become `scale * logits + offset`; both [T]."""

    scale: np.ndarray
    offset: np.ndarray

    def apply(self, logits: np.ndarray) -> np.ndarray:
        """Calibrated logits [N, T]."""
        return self.scale * logits + self.offset


def identity(targets: int) -> Calibration:
    """Leaves logits as they are."""
    return Calibration(np.ones(targets), np.zeros(targets))


def fit(
    method: str, labels: np.ndarray, weights: np.ndarray, logits: np.ndarray, *, exclusive: bool
) -> Calibration:
    """Fits the method ("none", "temperature" or "vector") to validation examples.

    Args:
        method: As in the settings.
        labels: [N, T] 0/1 (one-hot for a multiclass task).
        weights: [N, T] or [N, 1]; 0 where the label is unknown.
        logits: [N, T].
        exclusive: Whether the targets are classes, of which each example has exactly one.
    """
    targets = logits.shape[1]
    if method == "none":
        return identity(targets)
    if exclusive:
        known = weights[:, 0] > 0
        classes, logits = labels[known].argmax(axis=1), logits[known]
        if method == "vector":
            return softmax_vector(classes, logits)
        temperature = softmax_temperature(classes, logits)
        return Calibration(np.full(targets, 1 / temperature), np.zeros(targets))
    fitted = identity(targets)
    for target, known in enumerate((weights > 0).T):
        truth, scores = labels[known, target], logits[known, target]
        if method == "vector":
            fitted.scale[target], fitted.offset[target] = sigmoid_vector(truth, scores)
        else:
            fitted.scale[target] = 1 / sigmoid_temperature(truth, scores)
    return fitted


def sigmoid_temperature(labels: np.ndarray, logits: np.ndarray) -> float:
    """Temperature that minimizes the binary cross-entropy of [N] logits."""
    labels = np.asarray(labels, np.float64)
    logits = np.asarray(logits, np.float64)
    return _minimize(
        lambda t: np.mean(np.logaddexp(0.0, logits / t) - labels * logits / t),
        _binary_counts(labels),
    )


def softmax_temperature(classes: np.ndarray, logits: np.ndarray) -> float:
    """Temperature that minimizes the cross-entropy of [N, T] logits; classes are [N] indices."""
    logits = np.asarray(logits, np.float64)
    classes = np.asarray(classes, np.int64)
    rows = np.arange(len(classes))
    return _minimize(
        lambda t: np.mean(special.logsumexp(logits / t, axis=1) - logits[rows, classes] / t),
        np.bincount(classes, minlength=logits.shape[1]).tolist(),
    )


def sigmoid_vector(labels: np.ndarray, logits: np.ndarray) -> tuple[float, float]:
    """Scale and offset that minimize the binary cross-entropy of [N] logits."""
    labels = np.asarray(labels, np.float64)
    logits = np.asarray(logits, np.float64)
    if not _enough(_binary_counts(labels)):
        return 1.0, 0.0

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        scaled = values[0] * logits + values[1]
        error = (special.expit(scaled) - labels) / len(labels)
        entropy = np.mean(np.logaddexp(0.0, scaled) - labels * scaled)
        return entropy, np.array([error @ logits, error.sum()])

    scale, offset = _minimize_vector(loss, 1)
    return float(scale[0]), float(offset[0])


def softmax_vector(classes: np.ndarray, logits: np.ndarray) -> Calibration:
    """Scales and offsets that minimize the cross-entropy of [N, T] logits; offsets sum to 0."""
    logits = np.asarray(logits, np.float64)
    classes = np.asarray(classes, np.int64)
    targets = logits.shape[1]
    if not _enough(np.bincount(classes, minlength=targets).tolist()):
        return identity(targets)
    truth = np.eye(targets)[classes]

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        scaled = values[:targets] * logits + values[targets:]
        error = (special.softmax(scaled, axis=1) - truth) / len(truth)
        entropy = np.mean(special.logsumexp(scaled, axis=1) - (scaled * truth).sum(axis=1))
        return entropy, np.concatenate([(error * logits).sum(axis=0), error.sum(axis=0)])

    scale, offset = _minimize_vector(loss, targets)
    return Calibration(scale, offset - offset.mean())


def _binary_counts(labels: np.ndarray) -> list[int]:
    return [int((labels > 0.5).sum()), int((labels <= 0.5).sum())]


def _enough(counts: Sequence[int]) -> bool:
    if min(counts) >= MIN_PER_CLASS:
        return True
    logging.warning(
        "Skipped calibration: the smallest class has %d validation examples, %d are required.",
        min(counts),
        MIN_PER_CLASS,
    )
    return False


def _minimize(loss: Callable[[float], float], counts: Sequence[int]) -> float:
    """Minimizes a loss that is convex in 1/T and so has one minimum in log T."""
    if not _enough(counts):
        return 1.0
    found = optimize.minimize_scalar(
        lambda log_t: loss(np.exp(log_t)),
        bounds=_LOG_BOUNDS,
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(np.exp(found.x))


def _minimize_vector(
    loss: Callable[[np.ndarray], tuple[float, np.ndarray]], targets: int
) -> tuple[np.ndarray, np.ndarray]:
    """Minimizes a loss that is convex in scales and offsets; scales stay positive."""
    scales = [tuple(np.exp(_LOG_BOUNDS))] * targets
    found = optimize.minimize(
        loss,
        np.concatenate([np.ones(targets), np.zeros(targets)]),
        jac=True,
        method="L-BFGS-B",
        bounds=[*scales, *[(-_OFFSET_BOUND, _OFFSET_BOUND)] * targets],
        options={"ftol": 1e-12, "gtol": 1e-8, "maxiter": 1000},
    )
    return found.x[:targets], found.x[targets:]
