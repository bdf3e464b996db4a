"""The logistic regression that every linear probe fits, and a tree for what no line tells."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline
    from sklearn.tree import DecisionTreeClassifier

FOLDS = 3
_ITERATIONS = 300
# So few leaves of so many images do not learn single images by heart.
_LEAVES, _LEAF = 16, 10


def fit(features: np.ndarray, truth: np.ndarray) -> Pipeline:
    """Fits standardized features [N, D]; a probe need not converge."""
    from sklearn import exceptions, linear_model, pipeline, preprocessing

    classifier = pipeline.make_pipeline(
        preprocessing.StandardScaler(), linear_model.LogisticRegression(max_iter=_ITERATIONS)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
        return classifier.fit(features, truth)


def fit_tree(features: np.ndarray, truth: np.ndarray) -> DecisionTreeClassifier:
    """Fits a small tree, which also tells values between others apart, as no line does."""
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(
        max_leaf_nodes=_LEAVES, min_samples_leaf=_LEAF, random_state=0
    ).fit(features, truth)


def fit_folds(
    features: np.ndarray, truth: np.ndarray, patients: np.ndarray
) -> Iterator[tuple[Pipeline, np.ndarray]]:
    """Holds out each fold of patients in turn; yields the model and the rows held out."""
    for fitted, held_out in folds(truth, patients):
        yield fit(features[fitted], truth[fitted]), held_out


def folds(truth: np.ndarray, patients: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows to fit and rows held out, by whole patients, each fold in turn."""
    from sklearn.model_selection import StratifiedGroupKFold

    split = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    return split.split(truth, truth, patients)
