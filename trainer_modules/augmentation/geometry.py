"""Equalization, and the geometry of a view: elastic deformation, rotation, random resized crop.

The geometric operations move no pixels until all of them are known. A crop alone is a bicubic
resize, as in the reference. A crop with rotation or elastic deformation is one bilinear sampling
at the composed coordinates; the reference resamples the whole image for each operation.
"""

from __future__ import annotations

import math

import tensorflow as tf

from trainer_modules.augmentation import warp
from trainer_modules.settings import AugmentSettings

_CROP_ATTEMPTS = 100
_ANTIALIAS_FROM = 2  # times smaller
_LEVELS = 256
_STREAMS = (0x19660D1, 0x3C6EF35F)  # any constants: keep the draws of one seed apart


def random_geometry(
    image: tf.Tensor, seed: tf.Tensor, settings: AugmentSettings, size: int
) -> tf.Tensor:
    """Applies everything before the flip, in the order of `AugmentSettings`.

    Args:
        image: [H, W, 3] uint8.
        seed: Integer [2].
        settings: Probabilities and ranges.
        size: Side of the view.

    Returns:
        [size, size, 3] float32; bicubic resampling may slightly exceed [0, 1].
    """
    elastic = settings.elastic_probability > 0 and settings.elastic_alpha > 0
    if not (settings.equalize_probability or settings.rotation_degrees or elastic):
        return resize_box(image, random_box(tf.shape(image), seed, settings), size)
    own_seed, noise_seed = (
        tf.bitwise.bitwise_xor(seed, tf.constant([stream, 0], seed.dtype)) for stream in _STREAMS
    )
    draws = tf.unstack(tf.random.stateless_uniform([3], own_seed, alg="philox"))
    if settings.equalize_probability > 0:
        image = tf.cond(
            draws[0] < settings.equalize_probability, lambda: equalize(image), lambda: image
        )
    box = random_box(tf.shape(image), seed, settings)
    if settings.rotation_degrees == 0 and not elastic:
        return resize_box(image, box, size)
    angle = (2 * draws[1] - 1) * math.radians(settings.rotation_degrees)
    displacement = None
    if elastic:
        displacement = tf.cond(
            draws[2] < settings.elastic_probability,
            lambda: warp.elastic_displacement(
                box, noise_seed, settings.elastic_alpha, settings.elastic_sigma, size
            ),
            lambda: tf.zeros([2, size, size]),
        )
    affine = warp.rotated_box(tf.shape(image), box, angle, size)
    return warp.warp(image, affine, displacement, size)


def to_float(image: tf.Tensor) -> tf.Tensor:
    """Float32 in [0, 1] of a uint8 or floating-point image."""
    if image.dtype == tf.uint8:
        return tf.cast(image, tf.float32) * (1 / (_LEVELS - 1))
    return tf.cast(image, tf.float32)


def to_uint8(image: tf.Tensor) -> tf.Tensor:
    """The 256 levels of a uint8 image or of a floating-point one in [0, 1]."""
    if image.dtype == tf.uint8:
        return image
    return tf.cast(tf.round(tf.clip_by_value(image, 0, 1) * (_LEVELS - 1)), tf.uint8)


def equalize(image: tf.Tensor) -> tf.Tensor:
    """Equalizes each channel's histogram over the full range: uint8 [H, W, 3] to the same.

    A level's new value is (cdf - cdf_min) / (N - cdf_min) of 255: the darkest level present
    becomes 0 and the brightest 255. A channel of one level stays as it is.
    """
    counts = [
        tf.raw_ops.DenseBincount(
            input=tf.reshape(tf.cast(image[..., channel], tf.int32), [-1]),
            size=_LEVELS,
            weights=tf.zeros([0], tf.int32),
        )
        for channel in range(3)
    ]
    cdf = tf.cumsum(tf.stack(counts), axis=1)
    lowest = tf.reduce_min(tf.where(cdf > 0, cdf, cdf[:, -1:]), axis=1, keepdims=True)
    spread = cdf[:, -1:] - lowest
    table = tf.maximum(cdf - lowest, 0) / tf.maximum(spread, 1)
    table = tf.cast(tf.round(table * (_LEVELS - 1)), tf.uint8)
    table = tf.where(spread > 0, table, tf.cast(tf.range(_LEVELS), tf.uint8))
    changed = _compiled_look_up(warp.pixel_buffer(image), tf.reshape(table, [-1]))
    return tf.reshape(changed[: tf.size(image)], tf.shape(image))


def _look_up(buffer: tf.Tensor, table: tf.Tensor) -> tf.Tensor:
    """New levels of a pixel buffer, from the three channels' tables joined."""
    index = tf.cast(tf.reshape(buffer, [-1, 3]), tf.int32) + tf.range(3) * _LEVELS
    return tf.reshape(tf.gather(table, index), [-1])


_compiled_look_up = tf.function(_look_up, jit_compile=True, autograph=False)


def resize_box(image: tf.Tensor, box: tf.Tensor, size: int) -> tf.Tensor:
    """Bicubic resize of a box (top, left, height, width) of a uint8 image to float32 in [0, 1].

    Antialiased only if the box is at least twice as large as the view. The reference never
    antialiases, which costs little near a ratio of 1 but fills views of large images with noise.
    """
    top, left, height, width = tf.unstack(box)
    crop = image[top : top + height, left : left + width]

    def resize(antialias: bool) -> tf.Tensor:
        return tf.image.resize(crop, (size, size), "bicubic", antialias=antialias)

    large = tf.minimum(height, width) >= _ANTIALIAS_FROM * size
    view = tf.cond(large, lambda: resize(True), lambda: resize(False))
    return view * (1 / (_LEVELS - 1))


def random_box(shape: tf.Tensor, seed: tf.Tensor, settings: AugmentSettings) -> tf.Tensor:
    """Top, left, height, width of the random crop; the whole image if cropping is off."""
    if settings.crop_area is None:
        return tf.stack([0, 0, shape[0], shape[1]])
    begin, extent, _ = tf.image.stateless_sample_distorted_bounding_box(
        shape,
        tf.constant([[[0.0, 0.0, 1.0, 1.0]]]),
        seed,
        min_object_covered=0.0,
        aspect_ratio_range=settings.crop_aspect,
        area_range=settings.crop_area,
        max_attempts=_CROP_ATTEMPTS,
        use_image_if_no_bounding_boxes=True,
    )
    return tf.concat([begin[:2], extent[:2]], 0)
