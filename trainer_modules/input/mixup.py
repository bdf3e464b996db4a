"""Mixup (arXiv 1710.09412) that respects unknown labels and class weights."""

from __future__ import annotations

import tensorflow as tf


def mix(
    images: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor, fractions: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Blends every example with the one before it in the batch.

    With a fraction s of the example and 1 - s of its partner, the loss must be s times the weighted
    cross-entropy of the example plus 1 - s times that of the partner. Cross-entropy is linear in
    the label, so this equals the cross-entropy of one blended label under one blended weight, which
    are returned. If only one of the two knows a label, it comes from that one, with less weight.

    Args:
        images: [B, H, W, C].
        labels: [B, T].
        weights: [B, T], or [B, 1] for a multiclass task; 0 where unknown.
        fractions: Of each example in its blend, [B].

    Returns:
        Images, labels and weights of the same shapes.
    """
    fraction = fractions[:, None]
    kept, added = fraction * weights, (1.0 - fraction) * tf.roll(weights, 1, axis=0)
    total = kept + added
    blended = tf.math.divide_no_nan(kept * labels + added * tf.roll(labels, 1, axis=0), total)
    fraction = fractions[:, None, None, None]
    return fraction * images + (1.0 - fraction) * tf.roll(images, 1, axis=0), blended, total


def draw_fractions(key: tf.Tensor, count: int | tf.Tensor, alpha: float) -> tf.Tensor:
    """Draws [count] from Beta(alpha, alpha); equal keys (int64 [2]) give equal fractions.

    In float64, because for a small alpha both gamma variables sometimes underflow in float32.
    """
    draws = tf.random.stateless_gamma([2, count], seed=key, alpha=alpha, dtype=tf.float64)
    total = tf.reduce_sum(draws, axis=0)
    return tf.cast(tf.where(total > 0, draws[0] / total, 1.0), tf.float32)
