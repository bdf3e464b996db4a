"""Class weights against scikit-learn's, label by label."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.utils.class_weight import compute_sample_weight

from trainer_modules.input import class_weights
from trainer_modules.input.records import Index
from trainer_modules.settings import TaskSettings

MULTILABEL = TaskSettings(kind="multilabel", labels=("edema", "effusion"))
MULTICLASS = TaskSettings(kind="multiclass", labels=("class",), classes=("a", "b", "c"))


def index(labels, weights):
    return Index(
        np.zeros(len(labels), bytes), np.asarray(labels, float), np.asarray(weights, float)
    )


def applied(found, labels, weights):
    return found.apply(tf.constant(labels, tf.float32), tf.constant(weights, tf.float32)).numpy()


def test_every_label_is_balanced_on_its_known_examples():
    rng = np.random.default_rng(0)
    labels = (rng.random((200, 2)) < [0.1, 0.7]).astype(float)
    weights = (rng.random((200, 2)) < 0.8).astype(float)
    found = applied(class_weights.balanced(index(labels, weights), MULTILABEL), labels, weights)
    for label in range(2):
        known = weights[:, label] > 0
        expected = compute_sample_weight("balanced", labels[known, label])
        np.testing.assert_allclose(found[known, label], expected, rtol=1e-5)
        assert (found[~known, label] == 0).all()


def test_classes_of_a_multiclass_task_are_balanced():
    classes = np.random.default_rng(1).choice(3, 150, p=[0.7, 0.25, 0.05])
    labels, weights = np.eye(3)[classes], np.ones((150, 1))
    found = applied(class_weights.balanced(index(labels, weights), MULTICLASS), labels, weights)
    np.testing.assert_allclose(found[:, 0], compute_sample_weight("balanced", classes), rtol=1e-5)


def test_a_label_of_one_class_only_has_finite_weights():
    labels, weights = np.ones((10, 2)), np.ones((10, 2))
    found = applied(class_weights.balanced(index(labels, weights), MULTILABEL), labels, weights)
    assert found == pytest.approx(np.full((10, 2), 0.5))


def test_a_class_without_examples_keeps_its_weight():
    """It is in no training batch, but another split may have it."""
    found = class_weights.balanced(index(np.ones((10, 2)), np.ones((10, 2))), MULTILABEL)
    assert found.negative == pytest.approx([1.0, 1.0])
    assert found.positive == pytest.approx([0.5, 0.5])
    labels = np.eye(3)[np.arange(10) % 2]
    found = class_weights.balanced(index(labels, np.ones((10, 1))), MULTICLASS)
    assert found.positive == pytest.approx([2 / 3, 2 / 3, 1.0])


def test_a_single_example_of_a_class_has_its_full_weight():
    labels = np.array([[1.0], *[[0.0]] * 9])
    task = TaskSettings(labels=("edema",))
    found = class_weights.balanced(index(labels, np.ones((10, 1))), task)
    assert (found.positive[0], found.negative[0]) == pytest.approx((5.0, 10 / 18))
