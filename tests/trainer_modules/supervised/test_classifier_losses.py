"""Masked losses against NumPy in float64."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from trainer_modules.settings import TaskSettings
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


MULTILABEL = TaskSettings(kind="multilabel", labels=("a", "b", "c"))
MULTICLASS = TaskSettings(kind="multiclass", labels=("kind",), classes=("a", "b", "c"))


def network(task):
    """A classifier of four numbers, whose encoder behaves differently in training."""
    encoder = keras.Sequential(
        [keras.Input((4,)), keras.layers.BatchNormalization(), keras.layers.Dense(5)]
    )
    model = classifier.Classifier(encoder, task)
    rng = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return model, encoder


@pytest.mark.parametrize("training", [False, True])
def test_logits_are_a_dense_layer_on_the_encoder_in_its_mode(training):
    model, encoder = network(MULTILABEL)
    images = np.random.default_rng(2).normal(3, 2, (16, 4)).astype(np.float32)
    norm, dense = encoder.layers
    gamma, beta, mean, variance = (np.array(weight) for weight in norm.weights)
    if training:
        mean, variance = images.mean(0), images.var(0)
    features = (images - mean) / np.sqrt(variance + norm.epsilon) * gamma + beta
    features = features @ np.array(dense.kernel) + np.array(dense.bias)
    expected = features @ np.array(model.head.kernel) + np.array(model.head.bias)
    given = {"training": True} if training else {}
    np.testing.assert_allclose(np.array(model(images, **given)), expected, rtol=1e-4, atol=1e-4)


def test_weights_can_be_counted_and_loaded_before_the_first_batch():
    model, _ = network(MULTILABEL)
    # BatchNorm of four, dense to five, head to three.
    assert model.count_params() == 4 * 4 + (4 * 5 + 5) + (5 * 3 + 3)


def test_a_new_head_starts_at_zero_in_full_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = classifier.Classifier(
            keras.Sequential([keras.Input((4,)), keras.layers.Dense(5)]), MULTILABEL
        )
    finally:
        keras.config.set_dtype_policy("float32")
    found = model(np.ones((2, 4), np.float32))
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_array_equal(np.array(found), np.zeros((2, 3)))


@pytest.mark.parametrize("replicas", [1, 4])
@pytest.mark.parametrize("task", [MULTILABEL, MULTICLASS], ids=lambda task: task.kind)
def test_the_loss_of_a_task_is_its_cross_entropy_of_one_replica(batch, task, replicas, monkeypatch):
    class Strategy:
        num_replicas_in_sync = replicas

    labels, weights, logits = batch
    if task.kind == "multiclass":
        labels, weights = np.eye(3, dtype=np.float32)[np.arange(9) % 3], weights[:, :1]
        entropy = -(labels * special.log_softmax(logits.astype(np.float64), 1)).sum(1)[:, None]
    else:
        p = special.expit(logits.astype(np.float64))
        entropy = -(labels * np.log(p) + (1 - labels) * np.log1p(-p))
    expected = (entropy * weights).sum() / weights.sum() / replicas
    model, _ = network(task)
    monkeypatch.setattr(tf.distribute, "get_strategy", Strategy)
    found = model.compute_loss(None, labels, logits, weights)
    assert float(found) == pytest.approx(expected, rel=1e-5)
