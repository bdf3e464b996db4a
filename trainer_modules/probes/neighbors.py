"""How often an image's nearest neighbors among frozen features share its labels.

It complements the linear probe: nothing is fitted, so it also shows structure that no line
separates, and it needs no iterations.
"""

from __future__ import annotations

import numpy as np

from trainer_modules.decisions import auc
from trainer_modules.input import records

NEIGHBORS = 20
"""Enough for a fine ranking by votes, and few enough for the labels of small data sets."""


def neighbor_auc(
    train: np.ndarray,
    train_index: records.Index,
    validation: np.ndarray,
    validation_index: records.Index,
) -> float:
    """Mean AUC over targets of the votes of the nearest training examples by cosine.

    Takes the arguments of `linear.probe_auc`: features [N, D] and their labels.
    """
    from sklearn import neighbors

    known = np.broadcast_to(train_index.weights > 0, train_index.labels.shape)
    votes = np.zeros(validation_index.labels.shape)
    for target in range(known.shape[1]):
        rows = known[:, target]
        truth = train_index.labels[rows, target] > 0.5
        if truth.all() or not truth.any():
            continue
        classifier = neighbors.KNeighborsClassifier(min(NEIGHBORS, len(truth)), metric="cosine")
        classifier.fit(train[rows], truth)
        votes[:, target] = classifier.predict_proba(validation)[:, 1]
    return auc.mean_auc(validation_index.labels, validation_index.weights, votes)
