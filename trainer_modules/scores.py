"""Area under the ROC curve over targets, with unknown labels left out."""

from __future__ import annotations

import math

import numpy as np


def auc_per_target(labels: np.ndarray, weights: np.ndarray, scores: np.ndarray) -> list[float]:
    """AUC of each of T targets; NaN where only one class is known.

    Args:
        labels: [N, T] 0/1 (one-hot for a multiclass task: each class against the rest).
        weights: [N, T] or [N, 1]; 0 where the label is unknown.
        scores: [N, T].
    """
    from sklearn import metrics

    known = np.broadcast_to(weights > 0, labels.shape)
    values = []
    for target in range(labels.shape[1]):
        rows = known[:, target]
        truth = labels[rows, target] > 0.5
        both = truth.any() and not truth.all()
        score = scores[rows, target]
        values.append(float(metrics.roc_auc_score(truth, score)) if both else math.nan)
    return values


def mean_auc(labels: np.ndarray, weights: np.ndarray, scores: np.ndarray) -> float:
    """Mean over the targets whose AUC is defined; NaN when none is."""
    values = [v for v in auc_per_target(labels, weights, scores) if not math.isnan(v)]
    return float(np.mean(values)) if values else math.nan
