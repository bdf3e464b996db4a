"""Mixup against the loss it stands for, computed in NumPy from the unmixed examples."""

import numpy as np
import pytest
import tensorflow as tf

from trainer_modules.input import mixup
from trainer_modules.supervised.classifier import sigmoid_entropy, softmax_entropy

B, T = 6, 3


def drawn(seed=0):
    rng = np.random.default_rng(seed)
    images = rng.random((B, 4, 4, 3)).astype(np.float32)
    fractions = rng.random(B).astype(np.float32)
    return rng, images, fractions


def mixed(*arrays):
    return [value.numpy() for value in mixup.mix(*map(tf.constant, arrays))]


def test_images_are_blended_with_the_one_before():
    _, images, fractions = drawn()
    found, _, _ = mixed(images, np.ones((B, T), np.float32), np.ones((B, T), np.float32), fractions)
    for row in range(B):
        expected = fractions[row] * images[row] + (1 - fractions[row]) * images[row - 1]
        np.testing.assert_allclose(found[row], expected, rtol=1e-5)


def test_multilabel_loss_is_the_blend_of_both_examples_losses():
    rng, images, fractions = drawn(1)
    labels = rng.integers(0, 2, (B, T)).astype(np.float32)
    # Unknown labels (0) among class weights.
    weights = rng.choice([0, 0.5, 1, 3], (B, T)).astype(np.float32)
    weights[0, 0] = weights[-1, 0] = 0.0
    logits = rng.normal(size=(B, T))
    _, blended, total = mixed(images, labels, weights, fractions)

    def entropy(y):
        p = 1 / (1 + np.exp(-logits))
        return -y * np.log(p) - (1 - y) * np.log(1 - p)

    s = fractions[:, None].astype(np.float64)
    partner_labels, partner_weights = np.roll(labels, 1, 0), np.roll(weights, 1, 0)
    expected = s * weights * entropy(labels) + (1 - s) * partner_weights * entropy(partner_labels)
    found = total * np.asarray(sigmoid_entropy(blended.astype(np.float64), logits))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert total[0, 0] == 0
    assert np.isfinite(blended).all()


def test_multiclass_loss_is_the_blend_of_both_examples_losses():
    rng, images, fractions = drawn(2)
    labels = np.eye(T, dtype=np.float32)[rng.integers(0, T, B)]
    weights = rng.choice([0.5, 2], (B, 1)).astype(np.float32)
    logits = rng.normal(size=(B, T))
    _, blended, total = mixed(images, labels, weights, fractions)
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    s = fractions[:, None].astype(np.float64)
    expected = -(
        s * weights * (labels * log_p).sum(1, keepdims=True)
        + (1 - s) * np.roll(weights, 1, 0) * (np.roll(labels, 1, 0) * log_p).sum(1, keepdims=True)
    )
    found = total * np.asarray(softmax_entropy(blended.astype(np.float64), logits))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("alpha", [0.01, 0.1, 1.0, 4.0])
def test_shares_have_the_moments_of_the_beta_distribution(alpha):
    key = tf.constant([3, 5], tf.int64)
    fractions = mixup.draw_fractions(key, 20_000, alpha).numpy()
    assert np.isfinite(fractions).all()
    assert fractions.min() >= 0
    assert fractions.max() <= 1
    assert fractions.mean() == pytest.approx(0.5, abs=0.02)
    assert fractions.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.05)
    np.testing.assert_array_equal(fractions, mixup.draw_fractions(key, 20_000, alpha).numpy())
