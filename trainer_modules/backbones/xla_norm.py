"""GroupNorm with ReLU, and weight standardization, for training with TensorFlow.

Both are limited by memory bandwidth, and TensorFlow passes over the activations once per operation.
Here each direction is one function that XLA fuses, with a hand-written gradient; convolutions keep
TensorFlow's kernels. Sums over pixels are products with a row of ones, for which XLA uses its
matrix kernel. Only training calls these functions, so exported models require no XLA.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def group_norm_relu(
    inputs: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, groups: int, epsilon: float
) -> tf.Tensor:
    """relu(gamma * (x - mean) / sqrt(variance + epsilon) + beta), like `bit.group_norm_relu`."""

    @tf.custom_gradient
    def apply(inputs: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> tuple[tf.Tensor, Any]:
        outputs, mean, inverse = _norm_forward(inputs, gamma, beta, groups, epsilon)

        def gradient(upstream: tf.Tensor) -> Any:
            return _norm_backward(inputs, gamma, beta, mean, inverse, upstream, groups)

        return outputs, gradient

    return apply(inputs, tf.convert_to_tensor(gamma), tf.convert_to_tensor(beta))


def standardize(kernel: tf.Tensor, epsilon: float, dtype: str) -> tf.Tensor:
    """The kernel with zero mean and unit variance per output filter, like `bit.standardize`."""

    @tf.custom_gradient
    def apply(kernel: tf.Tensor) -> tuple[tf.Tensor, Any]:
        outputs, mean, inverse = _kernel_forward(kernel, epsilon, dtype)

        def gradient(upstream: tf.Tensor) -> Any:
            return _kernel_backward(kernel, mean, inverse, upstream)

        return outputs, gradient

    return apply(tf.convert_to_tensor(kernel))


@tf.function(jit_compile=True, autograph=False)
def _norm_forward(
    inputs: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, groups: int, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    wide = _pixels(inputs)
    sums, squares = _sum_pixels(wide), _sum_pixels(tf.square(wide))
    count = _count(inputs, groups)
    mean = _sum_groups(sums, groups) / count
    variance = tf.maximum(_sum_groups(squares, groups) / count - tf.square(mean), 0.0)
    mean, inverse = _spread(mean, inputs), _spread(tf.math.rsqrt(variance + epsilon), inputs)
    scale = inverse * gamma
    outputs = tf.nn.relu(wide * scale[:, None] + (beta - mean * scale)[:, None])
    return tf.reshape(tf.cast(outputs, inputs.dtype), tf.shape(inputs)), mean, inverse


@tf.function(jit_compile=True, autograph=False)
def _norm_backward(
    inputs: tf.Tensor,
    gamma: tf.Tensor,
    beta: tf.Tensor,
    mean: tf.Tensor,
    inverse: tf.Tensor,
    upstream: tf.Tensor,
    groups: int,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Gradients of inputs, gamma and beta; recomputes where ReLU is active."""
    wide, upstream = _pixels(inputs), _pixels(upstream)
    scale = inverse * gamma
    passed = wide * scale[:, None] + (beta - mean * scale)[:, None] > 0
    upstream = tf.where(passed, upstream, 0.0)
    sums, products = _sum_pixels(upstream), _sum_pixels(upstream * wide)
    normal_products = (products - sums * mean) * inverse
    count = _count(inputs, groups)
    mean_gradient = _spread(_sum_groups(sums * gamma, groups) / count, inputs)
    normal_gradient = _spread(_sum_groups(normal_products * gamma, groups) / count, inputs)
    # dx = inverse * (gamma * upstream - mean_gradient - normal * normal_gradient), as one product
    # and sum per element.
    slope = -tf.square(inverse) * normal_gradient
    offset = -mean * slope - inverse * mean_gradient
    gradient = upstream * scale[:, None] + wide * slope[:, None] + offset[:, None]
    gradient = tf.reshape(tf.cast(gradient, inputs.dtype), tf.shape(inputs))
    return gradient, tf.reduce_sum(normal_products, 0), tf.reduce_sum(sums, 0)


@tf.function(jit_compile=True, autograph=False)
def _kernel_forward(
    kernel: tf.Tensor, epsilon: float, dtype: str
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    mean = tf.reduce_mean(kernel, (0, 1, 2), keepdims=True)
    variance = tf.reduce_mean(tf.square(kernel - mean), (0, 1, 2), keepdims=True)
    inverse = tf.math.rsqrt(variance + epsilon)
    return tf.cast((kernel - mean) * inverse, dtype), mean, inverse


@tf.function(jit_compile=True, autograph=False)
def _kernel_backward(
    kernel: tf.Tensor, mean: tf.Tensor, inverse: tf.Tensor, upstream: tf.Tensor
) -> tf.Tensor:
    upstream = tf.cast(upstream, tf.float32)
    normal = (kernel - mean) * inverse
    plain = tf.reduce_mean(upstream, (0, 1, 2), keepdims=True)
    along = tf.reduce_mean(upstream * normal, (0, 1, 2), keepdims=True)
    return inverse * (upstream - plain - normal * along)


def _pixels(inputs: tf.Tensor) -> tf.Tensor:
    """[B, H, W, C] to float32 [B, H * W, C]."""
    batch, height, width, channels = tf.unstack(tf.shape(inputs))
    return tf.reshape(tf.cast(inputs, tf.float32), (batch, height * width, channels))


def _sum_pixels(values: tf.Tensor) -> tf.Tensor:
    """[B, P, C] to [B, C]."""
    batch, pixels, _ = tf.unstack(tf.shape(values))
    return tf.matmul(tf.ones((batch, 1, pixels)), values)[:, 0]


def _sum_groups(values: tf.Tensor, groups: int) -> tf.Tensor:
    """[B, C] to [B, G]."""
    return tf.reduce_sum(tf.reshape(values, (-1, groups, values.shape[-1] // groups)), -1)


def _spread(values: tf.Tensor, inputs: tf.Tensor) -> tf.Tensor:
    """[B, G] to [B, C]."""
    return tf.repeat(values, inputs.shape[-1] // values.shape[-1], axis=1)


def _count(inputs: tf.Tensor, groups: int) -> tf.Tensor:
    """Elements of one group of one image."""
    shape = tf.shape(inputs)
    return tf.cast(shape[1] * shape[2] * (inputs.shape[-1] // groups), tf.float32)
