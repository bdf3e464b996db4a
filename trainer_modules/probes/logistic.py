"""The logistic regression that every linear probe fits."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

FOLDS = 3
_ITERATIONS = 300


def fit(features: np.ndarray, truth: np.ndarray) -> Pipeline:
    """Fits standardized features [N, D]; a probe need not converge."""
    from sklearn import exceptions, linear_model, pipeline, preprocessing

    classifier = pipeline.make_pipeline(
        preprocessing.StandardScaler(), linear_model.LogisticRegression(max_iter=_ITERATIONS)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
        return classifier.fit(features, truth)


def fit_folds(
    features: np.ndarray, truth: np.ndarray, patients: np.ndarray
) -> Iterator[tuple[Pipeline, np.ndarray]]:
    """Holds out each fold of patients in turn; yields the model and the rows held out."""
    from sklearn.model_selection import StratifiedGroupKFold

    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    for fitted, held_out in folds.split(features, truth, patients):
        yield fit(features[fitted], truth[fitted]), held_out
