"""Large batches in little memory: activations are held for only some images at a time.

Accumulating the gradients of small batches would change a contrastive loss, whose negatives are the
batch. Here the features of the whole batch are computed first, without keeping activations. The
loss sees all of them. Then every micro-batch is computed again, with its gradient (Gao et al.,
"Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup", arXiv 2101.06983). For
any loss, the result equals that of the undivided batch up to rounding, at the price of one more
forward pass.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from schemas.errors import InputError
from trainer_modules.settings.families import FAMILIES


def check(network: keras.Model, setting: str) -> None:
    """Refuses networks with layers that depend on the whole batch."""
    without = ", ".join(name for name, traits in FAMILIES.items() if not traits.batch_norm)
    for layer in network._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            raise InputError(
                f"{setting}: {network.name} has BatchNorm ({layer.name}), whose statistics would "
                f"be a micro-batch's; accepted with it is 0. Without it: model.family {without}"
            )


def apply(network: keras.Model, images: tf.Tensor, size: int) -> tf.Tensor:
    """Features [N, D] of images [N, ...] for training, `size` images at a time (0: all at once).

    The gradient reaches the network's weights; with `size` it does not reach the images.
    """
    if not size:
        return network(images, training=True)

    @tf.custom_gradient
    def whole(images: tf.Tensor) -> Any:
        def gradient(upstream: tf.Tensor, variables: Any = ()) -> Any:
            # Without this dependency, the second pass could start before the first one ends.
            with tf.control_dependencies([upstream]):
                again = tf.identity(images)
            return None, _gradients(network, again, upstream, list(variables), size)

        return _features(network, images, size), gradient

    return whole(images)


def _features(network: keras.Model, images: tf.Tensor, size: int) -> tf.Tensor:
    count = _parts(images, size)
    width = network.output_shape[-1]
    parts = tf.TensorArray(tf.float32, count, element_shape=[None, width], infer_shape=False)

    def one(index: tf.Tensor, parts: tf.TensorArray) -> Any:
        return index + 1, parts.write(index, network(_part(images, index, size), training=True))

    _, parts = tf.while_loop(
        lambda index, _: index < count, one, (tf.constant(0), parts), parallel_iterations=1
    )
    return tf.ensure_shape(parts.concat(), [images.shape[0], width])


def _gradients(
    network: keras.Model,
    images: tf.Tensor,
    upstream: tf.Tensor,
    variables: list[tf.Variable],
    size: int,
) -> list[tf.Tensor]:
    """Sum over the micro-batches of the gradients of `variables`."""
    count = _parts(images, size)

    def one(index: tf.Tensor, *sums: tf.Tensor) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            for variable in variables:
                tape.watch(variable)
            features = network(_part(images, index, size), training=True)
        gradients = tape.gradient(
            features,
            variables,
            _part(upstream, index, size),
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        return index + 1, *(sum_ + gradient for sum_, gradient in zip(sums, gradients, strict=True))

    zeros = [tf.zeros(variable.shape, variable.dtype) for variable in variables]
    _, *sums = tf.while_loop(
        lambda index, *_: index < count, one, (tf.constant(0), *zeros), parallel_iterations=1
    )
    return sums


def _parts(values: tf.Tensor, size: int) -> tf.Tensor:
    return -(-tf.shape(values)[0] // size)


def _part(values: tf.Tensor, index: tf.Tensor, size: int) -> tf.Tensor:
    """Rows of micro-batch `index`; the last one may have fewer."""
    return values[index * size : (index + 1) * size]
