"""NT-Xent, the contrastive loss of SimCLR (arXiv 2002.05709)."""

from __future__ import annotations

import keras
from keras import ops

SELF_LOGIT = -1e9


def nt_xent(
    z1: keras.KerasTensor, z2: keras.KerasTensor, temperature: float
) -> tuple[keras.KerasTensor, keras.KerasTensor, keras.KerasTensor]:
    """Contrasts each projection with its other view against all other images of the batch.

    As in the reference, the loss is the *sum* of the two directions (view 1 to 2, view 2 to 1):
    twice the mean over the 2B views. Negatives come from all replicas of a tf.distribute strategy.
    The loss is the mean over this replica's examples; averaged over replicas it equals, with its
    gradients, the loss of the joined batch.

    Args:
        z1: Projections [B, D] of the first views; need not be normalized.
        z2: Projections [B, D] of the second views, in the same order.
        temperature: Divides the cosine similarities.

    Returns:
        Scalars: the loss; the fraction of first views whose second view is nearer than those of
        all other images; the mean entropy (nats) of the softmax over second views.
    """
    z1 = ops.normalize(ops.cast(z1, "float32"), axis=-1)
    z2 = ops.normalize(ops.cast(z2, "float32"), axis=-1)
    batch = ops.shape(z1)[0]
    all1, all2, position = _gather(z1, z2)
    labels = position + ops.arange(batch, dtype="int32")
    same = ops.one_hot(labels, ops.shape(all1)[0], dtype="float32")
    logits_11 = ops.matmul(z1, ops.transpose(all1)) / temperature + same * SELF_LOGIT
    logits_22 = ops.matmul(z2, ops.transpose(all2)) / temperature + same * SELF_LOGIT
    logits_12 = ops.matmul(z1, ops.transpose(all2)) / temperature
    logits_21 = ops.matmul(z2, ops.transpose(all1)) / temperature
    loss = ops.mean(
        _cross_entropy(same, logits_12, logits_11) + _cross_entropy(same, logits_21, logits_22)
    )
    hits = ops.equal(ops.cast(ops.argmax(logits_12, axis=-1), "int32"), labels)
    log_probabilities = ops.log_softmax(logits_12, axis=-1)
    entropy = -ops.sum(ops.exp(log_probabilities) * log_probabilities, axis=-1)
    return loss, ops.mean(ops.cast(hits, "float32")), ops.mean(entropy)


def _cross_entropy(
    same: keras.KerasTensor, positive: keras.KerasTensor, negative: keras.KerasTensor
) -> keras.KerasTensor:
    """Cross-entropy per example over both sets of logits; `same` marks the positive."""
    logits = ops.concatenate([positive, negative], axis=-1)
    return ops.logsumexp(logits, axis=-1) - ops.sum(same * positive, axis=-1)


def _gather(
    z1: keras.KerasTensor, z2: keras.KerasTensor
) -> tuple[keras.KerasTensor, keras.KerasTensor, keras.KerasTensor | int]:
    """Joins the replicas' projections; also returns where this replica's rows begin."""
    if keras.backend.backend() != "tensorflow":
        return z1, z2, 0
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return z1, z2, 0
    replicas = context.num_replicas_in_sync
    index = context.replica_id_in_sync_group
    both = tf.stack([z1, z2])
    # Every replica adds its rows into zeros: unlike a plain all-gather, the sum has a gradient
    # under every strategy.
    slot = tf.one_hot(index, replicas, dtype=both.dtype)[:, None, None, None]
    joined = context.all_reduce(tf.distribute.ReduceOp.SUM, slot * both[None])
    joined = tf.reshape(tf.transpose(joined, (1, 0, 2, 3)), (2, -1, both.shape[-1]))
    return joined[0], joined[1], tf.cast(index, tf.int32) * tf.shape(z1)[0]
