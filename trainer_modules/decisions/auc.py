"""Areas under the ROC and the precision-recall curve; unknown labels are excluded.

Two other purposes have their own: many resamples at once (`components.statistics.target_auc`) and
slices that do not fit in memory (`components.evaluator.score_table`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np


def auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """AUC of one target whose labels [N] are all known; NaN where a class is absent."""
    (value,) = auc_per_target(labels[:, None], np.ones((len(labels), 1)), scores[:, None])
    return value


def auc_per_target(labels: np.ndarray, weights: np.ndarray, scores: np.ndarray) -> list[float]:
    """AUC of each of T targets; NaN where only one class is known.

    Args:
        labels: [N, T] 0/1 (one-hot for a multiclass task: each class against the rest).
        weights: [N, T] or [N, 1]; 0 where the label is unknown.
        scores: [N, T].
    """
    from sklearn import metrics

    return _per_target(metrics.roc_auc_score, labels, weights, scores)


def mean_auc(labels: np.ndarray, weights: np.ndarray, scores: np.ndarray) -> float:
    """Mean over the targets whose AUC is defined; NaN when none is."""
    return _mean_defined(auc_per_target(labels, weights, scores))


def mean_pr_auc(labels: np.ndarray, weights: np.ndarray, scores: np.ndarray) -> float:
    """Mean average precision over the targets with both classes; NaN when there is none."""
    from sklearn import metrics

    return _mean_defined(_per_target(metrics.average_precision_score, labels, weights, scores))


def _per_target(
    score: Callable[[np.ndarray, np.ndarray], float],
    labels: np.ndarray,
    weights: np.ndarray,
    scores: np.ndarray,
) -> list[float]:
    known = np.broadcast_to(weights > 0, labels.shape)
    values = []
    for target in range(labels.shape[1]):
        rows = known[:, target]
        truth = labels[rows, target] > 0.5
        both = truth.any() and not truth.all()
        values.append(float(score(truth, scores[rows, target])) if both else math.nan)
    return values


def _mean_defined(values: Sequence[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return float(np.mean(defined)) if defined else math.nan
