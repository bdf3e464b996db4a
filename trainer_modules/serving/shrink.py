"""Pillow's Lanczos reduction of 8-bit images, bit by bit, as ingestion uses it.

Pillow rounds the weights to 22 bits and the result of each of its two passes to whole numbers.
Products and sums of these fit into 64-bit floats without rounding.
"""

from __future__ import annotations

import math

import tensorflow as tf

_LOBES = 3.0
_BITS = 22


def shrink(pixels: tf.Tensor, longest: int) -> tf.Tensor:
    """Reduces [H, W, C] uint8 so that no side is longer; 0: unchanged."""
    if not longest:
        return pixels
    shape = tf.shape(pixels)[:2]
    most = tf.reduce_max(shape)
    # As Python divides and rounds.
    sides = tf.cast(shape * longest, tf.float64) / tf.cast(most, tf.float64)
    sides = tf.maximum(tf.cast(tf.round(sides), tf.int32), 1)

    def reduce() -> tf.Tensor:
        down, across = _weights(shape[0], sides[0]), _weights(shape[1], sides[1])
        channels = [
            _passed(down, _passed(channel, across, transposed=True))
            for channel in tf.unstack(pixels, axis=2)
        ]
        return tf.cast(tf.stack(channels, axis=2), tf.uint8)

    return tf.cond(most > longest, reduce, lambda: pixels)


def _passed(first: tf.Tensor, second: tf.Tensor, transposed: bool = False) -> tf.Tensor:
    """One pass over a channel: the product, rounded as Pillow does, 0 to 255."""
    first, second = tf.cast(first, tf.float64), tf.cast(second, tf.float64)
    total = tf.matmul(first, second, transpose_b=transposed)
    # A shift to the right rounds down.
    return tf.clip_by_value(tf.floor((total + 2.0 ** (_BITS - 1)) / 2.0**_BITS), 0, 255)


def _weights(size: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """Whole weights of the old pixels, [wanted, size]."""
    count = tf.cast(size, tf.float64)
    scale = count / tf.cast(wanted, tf.float64)
    support = _LOBES * tf.maximum(scale, 1)
    center = (tf.cast(tf.range(wanted), tf.float64)[:, None] + 0.5) * scale
    first = tf.maximum(tf.floor(tf.maximum(center - support + 0.5, 0)), 0)
    last = tf.minimum(tf.floor(center + support + 0.5), count)
    places = tf.cast(tf.range(size), tf.float64)[None]
    values = _lanczos((places - center + 0.5) / tf.maximum(scale, 1))
    values = tf.where((places >= first) & (places < last), values, tf.zeros_like(values))
    values /= tf.reduce_sum(values, axis=1, keepdims=True)
    return tf.sign(values) * tf.floor(tf.abs(values) * 2.0**_BITS + 0.5)


def _lanczos(x: tf.Tensor) -> tf.Tensor:
    return tf.where(tf.abs(x) < _LOBES, _sinc(x) * _sinc(x / _LOBES), tf.zeros_like(x))


def _sinc(x: tf.Tensor) -> tf.Tensor:
    angle = math.pi * x
    one = tf.ones_like(x)
    return tf.where(x == 0, one, tf.sin(angle) / tf.where(x == 0, one, angle))
