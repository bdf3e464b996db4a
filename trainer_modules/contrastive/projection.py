"""The projection head of SimCLR, dropped after pretraining."""

from __future__ import annotations

import keras
from keras import layers

NORM_MOMENTUM = 0.9
NORM_EPSILON = 1e-5


def build_projection_head(input_dim: int, layer_count: int, dim: int) -> keras.Model:
    """Builds a head from features [B, input_dim] to float32 projections, not normalized.

    Hidden layers keep the width: dense without bias, BatchNorm, ReLU. The last layer is
    dense to `dim` without bias, and BatchNorm without center. `nt_xent` normalizes the outputs.

    Args:
        input_dim: Width of the features.
        layer_count: 2 (SimCLR), 3 (SimCLR v2), 1 (linear) or 0 (no head: the identity).
        dim: Width of the projections (ignored by the identity).
    """
    features = keras.Input((input_dim,), name="features", dtype="float32")
    outputs = features
    for index in range(1, layer_count + 1):
        last = index == layer_count
        outputs = layers.Dense(
            dim if last else input_dim,
            use_bias=False,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            name=f"dense{index}",
        )(outputs)
        outputs = layers.BatchNormalization(
            momentum=NORM_MOMENTUM,
            epsilon=NORM_EPSILON,
            center=not last,
            # Replicas hold parts of one batch: local statistics would tell the two views apart.
            synchronized=keras.backend.backend() == "tensorflow",
            dtype="float32" if last else None,
            name=f"norm{index}",
        )(outputs)
        if not last:
            outputs = layers.ReLU(name=f"relu{index}")(outputs)
    return keras.Model(features, outputs, name="projection_head")
