"""The intensity policy of ingestion (`data.intensity`) for JPEG and PNG, inside a graph.

Neither has windows or padding, so few of its rules are left (docs/intensity.md).
"""

from __future__ import annotations

import tensorflow as tf

from schemas.documents.cards import GrayLevels

_STRETCHING = ("minmax", "percentile", "fixed")
_DEPTHS = (8, 10, 12, 14, 16)


def to_bytes(samples: tf.Tensor, policy: GrayLevels) -> tf.Tensor:
    """Samples [H, W, C], uint8 or uint16, to uint8."""
    if samples.dtype == tf.uint8 and policy.rule not in _STRETCHING:
        return samples
    low, high = _range(samples, policy)
    spread = high - low
    # A table of all values: images have far more pixels.
    values = tf.range(samples.dtype.max + 1, dtype=tf.float64)
    shown = tf.math.divide_no_nan(values - low, tf.maximum(spread, 0))
    table = tf.cast(tf.clip_by_value(tf.round(shown * 255), 0, 255), tf.uint8)
    return tf.gather(table, tf.cast(samples, tf.int32))


def _range(samples: tf.Tensor, policy: GrayLevels) -> tuple[tf.Tensor, tf.Tensor]:
    """Values that become black and white."""
    zero = tf.constant(0.0, tf.float64)
    smallest, largest = (
        tf.cast(found, tf.float64) for found in (tf.reduce_min(samples), tf.reduce_max(samples))
    )
    if policy.rule == "fixed":
        return tf.constant(policy.low, tf.float64), tf.constant(policy.high, tf.float64)
    if policy.rule == "minmax":
        return smallest, largest
    if policy.rule == "percentile":
        return _percentiles(samples, smallest, largest, policy)
    if policy.rule == "declared":
        return zero, tf.constant(65535.0, tf.float64)
    # The container has 16 bits: the usual depth that holds the largest value.
    fitting = tf.constant([2.0**bits - 1 for bits in _DEPTHS], tf.float64)
    return zero, tf.gather(fitting, tf.searchsorted(fitting, largest[None])[0])


def _percentiles(
    samples: tf.Tensor, smallest: tf.Tensor, largest: tf.Tensor, policy: GrayLevels
) -> tuple[tf.Tensor, tf.Tensor]:
    flat = tf.reshape(tf.cast(samples, tf.int32), [-1])
    counts = tf.cast(tf.math.bincount(flat, minlength=samples.dtype.max + 1), tf.float64)
    reached = tf.cumsum(counts) / tf.reduce_sum(counts)
    wanted = tf.constant([policy.low, policy.high], tf.float64) / 100 - 1e-12
    places = tf.cast(tf.searchsorted(reached, wanted), tf.float64)
    inside = tf.clip_by_value(places, smallest, largest)
    return inside[0], inside[1]
