"""Weights that compensate for rare classes, from the labels of the training examples."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from trainer_modules.input import records
from trainer_modules.settings import TaskSettings


@dataclasses.dataclass(frozen=True)
class ClassWeights:
    """Factors of an example's weight by label: `negative` and `positive`, [T] each.

    A multiclass task has the factors of its classes in `positive`, and one weight per example.
    """

    negative: np.ndarray
    positive: np.ndarray
    exclusive: bool

    def apply(self, labels: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """Weights of examples ([..., T]; [..., 1] for multiclass) given their labels [..., T]."""
        positive = tf.constant(self.positive, tf.float32)
        if self.exclusive:
            return weights * tf.reduce_sum(labels * positive, axis=-1, keepdims=True)
        negative = tf.constant(self.negative, tf.float32)
        return weights * (labels * positive + (1.0 - labels) * negative)


def balanced(index: records.Index, task: TaskSettings) -> ClassWeights:
    """Gives the classes of each label the same total weight, and known labels a mean weight of 1.

    A class with n of N known labels gets N / (classes * n), separately for each label; a class
    without examples gets 1.
    """
    known = np.broadcast_to(index.weights > 0, index.labels.shape)
    positive = np.sum(known & (index.labels > 0.5), axis=0)
    if task.kind == "multiclass":
        factors = _factors(positive, positive.sum(), len(task.targets))
        return ClassWeights(np.ones_like(factors), factors, exclusive=True)
    total = known.sum(axis=0)
    return ClassWeights(
        _factors(total - positive, total, 2), _factors(positive, total, 2), exclusive=False
    )


def _factors(count: np.ndarray, total: np.ndarray, classes: int) -> np.ndarray:
    return np.where(count > 0, total / (classes * np.maximum(count, 1)), 1.0)
