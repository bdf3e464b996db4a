"""AUC with unknown labels."""

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from trainer_modules.decisions import auc


def test_unknown_labels_do_not_count():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (60, 2)).astype(float)
    weights = (rng.uniform(size=(60, 2)) < 0.6).astype(float)
    predicted = rng.uniform(size=(60, 2))
    expected = [
        roc_auc_score(labels[rows, t], predicted[rows, t]) for t, rows in enumerate(weights.T > 0)
    ]
    assert auc.auc_per_target(labels, weights, predicted) == pytest.approx(expected)
    assert auc.mean_auc(labels, weights, predicted) == pytest.approx(np.mean(expected))


def test_a_target_of_one_class_is_left_out_of_the_mean():
    labels = np.array([[0, 1], [1, 1], [0, 1.0]])
    predicted = np.array([[0.2, 0.5], [0.9, 0.5], [0.1, 0.5]])
    ones = np.ones_like(labels)
    assert math.isnan(auc.auc_per_target(labels, ones, predicted)[1])
    assert auc.mean_auc(labels, ones, predicted) == 1.0
    assert math.isnan(auc.mean_auc(labels[:, 1:], ones[:, 1:], predicted[:, 1:]))


def test_multiclass_is_the_macro_mean_of_one_against_the_rest():
    rng = np.random.default_rng(1)
    classes = np.arange(90) % 3
    predicted = rng.dirichlet(np.ones(3), 90)
    expected = roc_auc_score(classes, predicted, multi_class="ovr", average="macro")
    found = auc.mean_auc(np.eye(3)[classes], np.ones((90, 1)), predicted)
    assert found == pytest.approx(expected)


def test_one_target_by_pairs():
    labels, predicted = np.array([1, 1, 0, 0, 0.0]), np.array([0.9, 0.4, 0.4, 0.6, 0.1])
    # Of six pairs four are in order and one is a tie.
    assert auc.auc(labels, predicted) == pytest.approx(4.5 / 6)
    assert math.isnan(auc.auc(labels[:2], predicted[:2]))
    assert math.isnan(auc.auc(labels[:0], predicted[:0]))
