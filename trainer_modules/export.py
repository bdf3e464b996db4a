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
from trainer_modules.serving import originals
from trainer_modules.settings import ModelSettings, TaskSettings


@dataclasses.dataclass(frozen=True)
class Head:
    """The classifier on top of the features, and how its logits become decisions.

    Attributes:
        kernel: [D, T].
        bias: [T].
        calibration: Scale and offset of the logits per target.
        thresholds: Probability from which a target is called positive, [T]; None where the
            targets are classes, of which the one of the highest probability is called.
    """

    kernel: np.ndarray
    bias: np.ndarray
    calibration: Calibration
    thresholds: np.ndarray | None


class Encoder(tf.Module):
    """Float images [B, H, W, 3] in [0, 1] to embeddings [B, D]; any size of 32 or more.

    Also files to embeddings, at the size of training.
    """

    def __init__(self, network: keras.Model, image_size: int, ingestion: Ingestion | None) -> None:
        super().__init__()
        self._call = network
        self._kept = _kept(network)
        self._views = _reading(image_size, ingestion)

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

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "images")], autograph=False)
    def serve(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Files [B] to embeddings, NaN where a file is refused, and why it is [B, 1]."""
        views, refused = self._views(images)
        embedding = _nan_where_refused(self._call(views, training=False), refused)
        return {"embedding": embedding, features.REFUSED: refused[:, None]}


class Classifier(tf.Module):
    """Files, or tf.Examples of stored images, to a probability and a decision by target.

    `serve` and `embed` take JPEG and PNG files as users have them, and answer for what ingestion
    would have stored of them, or refuse them one by one. The others take stored images. The names
    of the targets, in order, are an asset of the SavedModel: `assets/targets.json`.
    """

    def __init__(
        self,
        network: keras.Model,
        head: Head,
        task: TaskSettings,
        image_size: int,
        names_file: pathlib.Path,
        ingestion: Ingestion | None,
    ) -> None:
        super().__init__()
        self._network = network
        self._kept = _kept(network)
        self._kernel = tf.Variable(head.kernel, trainable=False, dtype=tf.float32)
        self._bias = tf.Variable(head.bias, trainable=False, dtype=tf.float32)
        self._scale = tf.constant(head.calibration.scale, tf.float32)
        self._offset = tf.constant(head.calibration.offset, tf.float32)
        self._thresholds = (
            None if head.thresholds is None else tf.constant(head.thresholds, tf.float32)
        )
        self._task = task
        self._image_size = image_size
        self._views = _reading(image_size, ingestion)
        self.target_names = tf.saved_model.Asset(str(names_file))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "images")], autograph=False)
    def serve(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Files [B] to {target: [B, 1], "decision/target": [B, 1], "image/refused": [B, 1]}."""
        views, refused = self._views(images)
        logits = self._logits(self._network(views, training=False))
        outputs = {
            name: _nan_where_refused(values, refused)
            for name, values in self._predict(logits).items()
        }
        return outputs | {features.REFUSED: refused[:, None]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")], autograph=False)
    def serve_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Serialized tf.Examples [B] to the same, with "uncalibrated/target" [B, 1]."""
        logits = self._logits(self._stored_features(examples))
        outputs = self._predict(logits)
        raw = self._probabilities(logits)
        for index, target in enumerate(self._task.targets):
            outputs[features.uncalibrated(target)] = raw[:, index : index + 1]
        return outputs

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "images")], autograph=False)
    def embed(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Files [B] to the features [B, D] under the classifier, and why one is refused [B, 1]."""
        views, refused = self._views(images)
        embedding = _nan_where_refused(self._network(views, training=False), refused)
        return {"embedding": embedding, features.REFUSED: refused[:, None]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")], autograph=False)
    def embed_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Serialized tf.Examples [B] to the features [B, D] under the classifier."""
        return {"embedding": self._stored_features(examples)}

    def _stored_features(self, examples: tf.Tensor) -> tf.Tensor:
        spec = {features.IMAGE_ENCODED: tf.io.FixedLenFeature([], tf.string)}
        size = self._image_size
        images = tf.map_fn(
            lambda one: batches.evaluation_image(one, size),
            tf.io.parse_example(examples, spec)[features.IMAGE_ENCODED],
            fn_output_signature=tf.TensorSpec([size, size, 3], tf.float32),
        )
        return self._network(images, training=False)

    def _logits(self, found: tf.Tensor) -> tf.Tensor:
        return tf.matmul(found, self._kernel) + self._bias

    def _probabilities(self, logits: tf.Tensor) -> tf.Tensor:
        multiclass = self._task.kind == "multiclass"
        return tf.nn.softmax(logits) if multiclass else tf.sigmoid(logits)

    def _predict(self, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        probabilities = self._probabilities(logits * self._scale + self._offset)
        if self._thresholds is None:
            decisions = one_class(probabilities)
        else:
            decisions = tf.cast(probabilities >= self._thresholds, tf.float32)
        outputs = {}
        for index, target in enumerate(self._task.targets):
            outputs[target] = probabilities[:, index : index + 1]
            outputs[features.decision(target)] = decisions[:, index : index + 1]
        return outputs


def one_class(probabilities: tf.Tensor) -> tf.Tensor:
    """`decisions.one_class.decide` as a graph: one-hot decisions [B, T]; zeros for NaN.

    `tf.argmax` does not promise the first of equals on every device.
    """
    highest = probabilities == tf.reduce_max(probabilities, axis=1, keepdims=True)
    before = tf.cumsum(tf.cast(highest, tf.int32), axis=1, exclusive=True)
    return tf.cast(highest & (before == 0), tf.float32)


def _reading(size: int, ingestion: Ingestion | None) -> Any:
    """Files to views and refusals: one function, because tracing it takes seconds."""
    return tf.function(
        lambda images: originals.views(images, ingestion, size),
        input_signature=[tf.TensorSpec([None], tf.string, "images")],
        autograph=False,
    )


def _nan_where_refused(values: tf.Tensor, refused: tf.Tensor) -> tf.Tensor:
    """Values [B, ...], with NaN for files that are refused."""
    served = tf.reshape(refused == "", [-1] + [1] * (values.shape.rank - 1))
    return tf.where(served, values, tf.constant(float("nan"), values.dtype))


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
    module = Encoder(network, card.image_size, card.ingestion)
    signatures = {
        features.SERVING_SIGNATURE: module.serve,
        features.EMBED_SIGNATURE: module.embed,
    }
    tf.saved_model.save(module, str(folder), signatures=signatures)
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
        module = Classifier(network, head, task, image_size, names, card.ingestion)
        signatures = {
            features.SERVING_SIGNATURE: module.serve,
            features.EXAMPLES_SIGNATURE: module.serve_examples,
            features.EMBED_SIGNATURE: module.embed,
            features.EMBED_EXAMPLES_SIGNATURE: module.embed_examples,
        }
        tf.saved_model.save(module, str(folder), signatures=signatures)
    _write_extra(network, folder, card)


def _write_extra(
    network: keras.Model, folder: pathlib.Path, card: EncoderCard | ClassifierCard
) -> None:
    card.write(folder)
    network.save_weights(folder / model_files.WEIGHTS)
