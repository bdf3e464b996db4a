"""The network that finetuning trains, its loss, and which parts of it are trained."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from trainer_modules.backbones import registry
from trainer_modules.settings import FinetuneSettings, ModelSettings, TaskSettings
from trainer_modules.training import optimizers


class Classifier(keras.Model):
    """Images [B, H, W, 3] to logits [B, T]: a backbone and one dense layer that starts at zero."""

    def __init__(self, encoder: keras.Model, task: TaskSettings) -> None:
        super().__init__()
        self.encoder = encoder
        self.task = task
        self.head = keras.layers.Dense(
            len(task.targets),
            kernel_initializer="zeros",
            dtype="float32",
            name=optimizers.SUPERVISED_HEAD,
        )
        self.head.build(encoder.output_shape)
        self.built = True

    def call(self, images: Any, training: bool = False) -> Any:
        return self.head(self.encoder(images, training=training))

    def compute_loss(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any, training: bool = True
    ) -> Any:
        loss = weighted_mean(entropy_of(self.task)(y, y_pred), sample_weight)
        # The replicas' gradients are summed.
        return loss / tf.distribute.get_strategy().num_replicas_in_sync


def entropy_of(task: TaskSettings) -> Any:
    """The cross-entropy of a task, a function of labels and logits [B, T]."""
    return softmax_entropy if task.kind == "multiclass" else sigmoid_entropy


def sigmoid_entropy(labels: Any, logits: Any) -> Any:
    """Binary cross-entropy of each example and target, [B, T]."""
    return ops.maximum(logits, 0.0) - logits * labels + ops.log1p(ops.exp(-ops.abs(logits)))


def softmax_entropy(labels: Any, logits: Any) -> Any:
    """Cross-entropy of each example with one-hot labels [B, T], as [B, 1]."""
    return -ops.sum(labels * ops.log_softmax(logits, axis=-1), axis=-1, keepdims=True)


def weighted_mean(values: Any, weights: Any) -> Any:
    """Mean over the known labels; 0 if a batch has none."""
    total = ops.sum(weights)
    return ops.sum(values * weights) / ops.where(total > 0, total, 1.0)


def choose_trained_layers(
    encoder: keras.Model, model: ModelSettings, settings: FinetuneSettings
) -> None:
    """Freezes what the mode keeps as pretrained; every mode trains the head.

    `full` trains the whole backbone and `linear_probe` none of it. `after_block` with k freezes
    the root (the first convolution and its norm) and blocks 1 to k, and trains blocks k + 1 and
    later and the final norm of a BiT network. A frozen BatchNorm keeps its running statistics.
    """
    encoder.trainable = settings.mode != "linear_probe"
    if settings.after_block is not None:
        for part in registry.parts(encoder, model):
            for layer in part.layers:
                layer.trainable = part.block > settings.after_block


def layer_rates(encoder: keras.Model, model: ModelSettings, decay: float) -> dict[str, float]:
    """Factors of the learning rate by variable path: decay to the power of the distance.

    The distance is counted from the head, which has 0: the last part of the backbone has 1.
    """
    if decay == 1:
        return {}
    nearest_first = enumerate(reversed(registry.parts(encoder, model)), 1)
    return {
        variable.path: decay**distance
        for distance, part in nearest_first
        for layer in part.layers
        for variable in layer.variables
    }
