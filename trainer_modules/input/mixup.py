"""Mixup (arXiv 1710.09412) that respects unknown labels and class weights."""

from __future__ import annotations

import tensorflow as tf


def mix(
    images: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor, shares: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Blends every example with the one before it in the batch.

    With share s of the example and 1 - s of its partner, the loss is to be s times the example's
    weighted cross-entropy plus 1 - s times the partner's. Cross-entropy is linear in the label, so
    that is the cross-entropy of one blended label under one blended weight, which are returned. A
    label that one of the two does not know comes from the other alone, with less weight.

    Args:
        images: [B, H, W, C].
        labels: [B, T].
        weights: [B, T], or [B, 1] for a multiclass task; 0 where unknown.
        shares: [B], of each example in its blend.

    Returns:
        Images, labels and weights of the same shapes.
    """
    share = shares[:, None]
    kept, added = share * weights, (1.0 - share) * tf.roll(weights, 1, axis=0)
    total = kept + added
    blended = tf.math.divide_no_nan(kept * labels + added * tf.roll(labels, 1, axis=0), total)
    share = shares[:, None, None, None]
    return share * images + (1.0 - share) * tf.roll(images, 1, axis=0), blended, total


def draw_shares(key: tf.Tensor, count: int | tf.Tensor, alpha: float) -> tf.Tensor:
    """Shares [count] from Beta(alpha, alpha); equal keys (int64 [2]) give equal shares.

    In float64: for a small alpha both gamma variables underflow in float32 now and then.
    """
    draws = tf.random.stateless_gamma([2, count], seed=key, alpha=alpha, dtype=tf.float64)
    total = tf.reduce_sum(draws, axis=0)
    return tf.cast(tf.where(total > 0, draws[0] / total, 1.0), tf.float32)
