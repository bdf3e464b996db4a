"""Random views of an image, and the one fixed view for evaluation.

Every draw comes from the seed, so a view depends only on (image, seed, settings, size), eagerly and
inside tf.data. Expensive operations avoid the large image: the geometry is one resampling straight
to the view (`geometry`), and color and blur work on the small view in one XLA-compiled function
(`color`).
"""

from __future__ import annotations

import tensorflow as tf

from trainer_modules.augmentation import color, geometry
from trainer_modules.settings import AugmentSettings


def augment(image: tf.Tensor, seed: tf.Tensor, settings: AugmentSettings, size: int) -> tf.Tensor:
    """One random view of an image.

    Args:
        image: [H, W, 3] uint8; floating point in [0, 1] is rounded to it.
        seed: int32 or int64 [2]; equal seeds give equal views.
        settings: Operations, their probabilities and ranges; applied in the order documented
            there.
        size: Side of the view.

    Returns:
        [size, size, 3] float32 in [0, 1].
    """
    view = geometry.random_geometry(geometry.to_uint8(image), seed, settings, size)
    return color.random_finish(view, seed, settings)


def evaluation_view(image: tf.Tensor, size: int, crop_fraction: float = 0.875) -> tf.Tensor:
    """The view that evaluation and serving use.

    Args:
        image: [H, W, 3], uint8, or floating point in [0, 1].
        size: Side of the view.
        crop_fraction: Side of the central square that is kept, as a fraction of the shorter side. 1
            keeps the whole image, even if it is not square (which changes its aspect).

    Returns:
        [size, size, 3] float32 in [0, 1]: bicubic, antialiased when it shrinks.
    """
    image = geometry.to_float(image)
    if crop_fraction < 1:
        height, width = tf.unstack(tf.shape(image)[:2])
        shorter = tf.cast(tf.minimum(height, width), tf.float32)
        side = tf.maximum(1, tf.cast(tf.round(shorter * crop_fraction), tf.int32))
        top, left = (height - side + 1) // 2, (width - side + 1) // 2
        image = image[top : top + side, left : left + side]
    view = tf.image.resize(image, (size, size), "bicubic", antialias=True)
    return tf.clip_by_value(view, 0.0, 1.0)
