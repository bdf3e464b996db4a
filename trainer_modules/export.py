"""SavedModels that need only TensorFlow: decoding and preprocessing are inside the graph.

Both are built from a copy of the network that computes in `model.serving_precision` (float32 unless
configured otherwise), whatever precision it was trained in, and contain only plain TensorFlow ops.
"""

from __future__ import annotations

import dataclasses
import pathlib
import tempfile
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from schemas import features, model_files
from schemas.documents.cards import (
    ClassifierCard,
    EncoderCard,
    EncoderTraining,
    Ingestion,
    TargetNames,
)
from trainer_modules.backbones import registry
from trainer_modules.backbones.frozen_saved_model import FrozenModule
from trainer_modules.decisions.calibration import Calibration
from trainer_modules.input import batches
from trainer_modules.settings import ModelSettings, TaskSettings


@dataclasses.dataclass(frozen=True)
class Head:
    """The classifier on top of the features, and how its logits become decisions.

    Attributes:
        kernel: [D, T].
        bias: [T].
        calibration: Scale and offset of the logits per target.
        thresholds: Probability from which a target is called positive, [T].
    """

    kernel: np.ndarray
    bias: np.ndarray
    calibration: Calibration
    thresholds: np.ndarray


class Encoder(tf.Module):
    """Float images [B, H, W, 3] in [0, 1] to embeddings [B, D]; any size of 32 or more."""

    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        self._call = network
        self._kept = _kept(network)

    @tf.function(
        input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32, "images")],
        autograph=False,
    )
    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        return self._call(images, training=False)

    @tf.function(
        input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32, "images")],
        autograph=False,
    )
    def embed(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Calls the encoder, as a signature."""
        return {"embedding": self._call(images, training=False)}


class Classifier(tf.Module):
    """Encoded images, or tf.Examples that hold them, to a probability and a decision by target.

    The names of the targets, in order, are an asset of the SavedModel: `assets/targets.json`.
    """

    def __init__(
        self,
        network: keras.Model,
        head: Head,
        task: TaskSettings,
        image_size: int,
        names_file: pathlib.Path,
    ) -> None:
        super().__init__()
        self._network = network
        self._kept = _kept(network)
        self._kernel = tf.Variable(head.kernel, trainable=False, dtype=tf.float32)
        self._bias = tf.Variable(head.bias, trainable=False, dtype=tf.float32)
        self._scale = tf.constant(head.calibration.scale, tf.float32)
        self._offset = tf.constant(head.calibration.offset, tf.float32)
        self._thresholds = tf.constant(head.thresholds, tf.float32)
        self._task = task
        self._image_size = image_size
        self.target_names = tf.saved_model.Asset(str(names_file))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "images")], autograph=False)
    def serve(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """PNG or JPEG bytes [B] to {target: [B, 1], "decision/target": [B, 1]}."""
        return self._predict(self._logits(images))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")], autograph=False)
    def serve_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Serialized tf.Examples [B] to the same, and "uncalibrated/target" [B, 1]."""
        spec = {features.IMAGE_ENCODED: tf.io.FixedLenFeature([], tf.string)}
        logits = self._logits(tf.io.parse_example(examples, spec)[features.IMAGE_ENCODED])
        outputs = self._predict(logits)
        raw = self._probabilities(logits)
        for index, target in enumerate(self._task.targets):
            outputs[features.uncalibrated(target)] = raw[:, index : index + 1]
        return outputs

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "images")], autograph=False)
    def embed(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """PNG or JPEG bytes [B] to the features [B, D] under the classifier."""
        return {"embedding": self._features(images)}

    def _features(self, encoded: tf.Tensor) -> tf.Tensor:
        size = self._image_size
        images = tf.map_fn(
            lambda one: batches.evaluation_image(one, size),
            encoded,
            fn_output_signature=tf.TensorSpec([size, size, 3], tf.float32),
        )
        return self._network(images, training=False)

    def _logits(self, encoded: tf.Tensor) -> tf.Tensor:
        return tf.matmul(self._features(encoded), self._kernel) + self._bias

    def _probabilities(self, logits: tf.Tensor) -> tf.Tensor:
        multiclass = self._task.kind == "multiclass"
        return tf.nn.softmax(logits) if multiclass else tf.sigmoid(logits)

    def _predict(self, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        probabilities = self._probabilities(logits * self._scale + self._offset)
        decisions = tf.cast(probabilities >= self._thresholds, tf.float32)
        outputs = {}
        for index, target in enumerate(self._task.targets):
            outputs[target] = probabilities[:, index : index + 1]
            outputs[features.decision(target)] = decisions[:, index : index + 1]
        return outputs


def _kept(network: keras.Model) -> list[Any]:
    """What a SavedModel must hold of a network: its variables and the modules that it calls."""
    modules = [layer.module for layer in network.layers if isinstance(layer, FrozenModule)]
    return [*modules, *(variable.value for variable in network.variables)]


def serving_network(trained: keras.Model, model: ModelSettings) -> keras.Model:
    """A copy of a backbone without the strategy or precision it was trained with.

    Weights and features are float32; in between it computes in `model.serving_precision`.
    """
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(model.serving_precision)
    try:
        network = registry.build_backbone(model)
    finally:
        keras.config.set_dtype_policy(policy)
    network.set_weights(trained.get_weights())
    return network


def encoder_card(
    network: keras.Model,
    model: ModelSettings,
    trained_on: EncoderTraining,
    ingestion: Ingestion | None = None,
) -> EncoderCard:
    """The card of an encoder: its network, and what it was trained on."""
    return EncoderCard(
        model=model.model_dump(mode="json"),
        feature_dim=network.output_shape[-1],
        image_size=model.image_size,
        trained_on=trained_on,
        ingestion=ingestion,
    )


def export_encoder(network: keras.Model, folder: pathlib.Path, card: EncoderCard) -> None:
    """Writes the encoder's SavedModel, with its weights and card beside it."""
    module = Encoder(network)
    tf.saved_model.save(module, str(folder), signatures={features.EMBED_SIGNATURE: module.embed})
    _write_extra(network, folder, card)


def export_classifier(
    network: keras.Model,
    head: Head,
    task: TaskSettings,
    image_size: int,
    folder: pathlib.Path,
    card: ClassifierCard,
) -> None:
    """Writes the classifier's SavedModel, with its encoder's weights and card beside it."""
    with tempfile.TemporaryDirectory() as scratch:
        names = TargetNames(kind=task.kind, targets=task.targets).write(scratch)
        module = Classifier(network, head, task, image_size, names)
        signatures = {
            features.SERVING_SIGNATURE: module.serve,
            features.EXAMPLES_SIGNATURE: module.serve_examples,
            features.EMBED_SIGNATURE: module.embed,
        }
        tf.saved_model.save(module, str(folder), signatures=signatures)
    _write_extra(network, folder, card)


def _write_extra(
    network: keras.Model, folder: pathlib.Path, card: EncoderCard | ClassifierCard
) -> None:
    card.write(folder)
    network.save_weights(folder / model_files.WEIGHTS)
