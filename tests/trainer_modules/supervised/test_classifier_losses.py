"""Masked losses against NumPy in float64."""

import numpy as np
import pytest
from scipy import special

from trainer_modules.supervised import classifier


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (9, 3)).astype(np.float32)
    weights = rng.choice([0.0, 1.0, 2.5], (9, 3)).astype(np.float32)
    return labels, weights, rng.normal(0, 5, (9, 3)).astype(np.float32)


def test_sigmoid_loss_is_the_weighted_mean_over_known_labels(batch):
    labels, weights, logits = batch
    p = special.expit(logits.astype(np.float64))
    entropy = -(labels * np.log(p) + (1 - labels) * np.log1p(-p))
    expected = (entropy * weights).sum() / weights.sum()
    found = classifier.weighted_mean(classifier.sigmoid_entropy(labels, logits), weights)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_an_unknown_label_has_no_influence(batch):
    labels, weights, logits = batch
    masked = np.where(weights > 0, labels, 1 - labels)
    loss = [
        float(classifier.weighted_mean(classifier.sigmoid_entropy(y, logits), weights))
        for y in (labels, masked)
    ]
    assert loss[0] == loss[1]


def test_a_batch_without_known_labels_has_loss_zero(batch):
    labels, weights, logits = batch
    values = classifier.sigmoid_entropy(labels, logits)
    assert float(classifier.weighted_mean(values, np.zeros_like(weights))) == 0


def test_large_logits_stay_finite():
    logits = np.array([[1000.0, -1000.0]], np.float32)
    found = np.asarray(classifier.sigmoid_entropy(np.array([[0.0, 0.0]], np.float32), logits))
    np.testing.assert_allclose(found, [[1000, 0]])


def test_softmax_loss_is_the_weighted_mean_over_examples(batch):
    logits = batch[2]
    classes = np.arange(9) % 3
    weights = (np.arange(9) != 4).astype(np.float32)[:, None]
    entropy = -special.log_softmax(logits.astype(np.float64), axis=1)[np.arange(9), classes]
    expected = entropy[weights[:, 0] > 0].mean()
    labels = np.eye(3, dtype=np.float32)[classes]
    found = classifier.weighted_mean(classifier.softmax_entropy(labels, logits), weights)
    assert float(found) == pytest.approx(expected, rel=1e-5)
