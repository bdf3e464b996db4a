"""Equalisation, elastic deformation, rotation and random resized crop.

The geometric operations move no pixels until all of them are known. A crop alone is a bicubic
resize, as in the reference; together with rotation or elastic deformation it is one bilinear
sampling at the composed coordinates, where the reference resamples the whole image for each.
"""

from __future__ import annotations

import math

import tensorflow as tf

from trainer_modules.settings import AugmentSettings

_CROP_ATTEMPTS = 100
_ANTIALIAS_FROM = 2  # times smaller
_LEVELS = 256


def random_geometry(
    image: tf.Tensor, seed: tf.Tensor, settings: AugmentSettings, size: int
) -> tf.Tensor:
    """Everything that comes before the flip, in the order of `AugmentSettings`.

    Args:
        image: [H, W, 3], uint8 or floating point in [0, 1].
        seed: Integer [2].
        settings: Probabilities and ranges.
        size: Side of the view.

    Returns:
        [size, size, 3] float32; bicubic resampling may leave [0, 1] a little.
    """
    seeds = tf.unstack(tf.random.split(seed, 3, alg="philox"))
    draws = tf.random.stateless_uniform([3], seeds[0], alg="philox")
    if settings.equalize_probability > 0:
        image = tf.cond(
            draws[0] < settings.equalize_probability,
            lambda: equalize(image),
            lambda: to_float(image),
        )
    box = _random_box(image, seeds[1], settings)
    elastic = settings.elastic_probability > 0 and settings.elastic_alpha > 0
    if settings.rotation_degrees > 0 or elastic:
        angle = (2 * draws[1] - 1) * math.radians(settings.rotation_degrees)
        rows, columns = rotated_box_grid(tf.shape(image), box, angle, size)
        if elastic:
            rows, columns = tf.cond(
                draws[2] < settings.elastic_probability,
                lambda: _displaced(rows, columns, tf.shape(image), seeds[2], settings),
                lambda: (rows, columns),
            )
        return sample_bilinear(to_float(image), rows, columns)
    return resize_box(image, box, size)


def to_float(image: tf.Tensor) -> tf.Tensor:
    """Float32 in [0, 1] of a uint8 or floating-point image."""
    if image.dtype == tf.uint8:
        return tf.cast(image, tf.float32) * (1 / (_LEVELS - 1))
    return tf.cast(image, tf.float32)


def equalize(image: tf.Tensor) -> tf.Tensor:
    """Equalises each channel's histogram of 256 levels over the full range.

    A level's new value is (cdf - cdf_min) / (N - cdf_min): the darkest level present becomes 0 and
    the brightest 1. A channel of one level stays as it is.
    """
    levels = tf.cast(tf.round(to_float(image) * (_LEVELS - 1)), tf.int32)
    bins = levels + tf.constant([0, 1, 2]) * _LEVELS
    counts = tf.math.bincount(tf.reshape(bins, [-1]), minlength=3 * _LEVELS, maxlength=3 * _LEVELS)
    cdf = tf.cumsum(tf.reshape(counts, [3, _LEVELS]), axis=1)
    lowest = tf.reduce_min(tf.where(cdf > 0, cdf, cdf[:, -1:]), axis=1, keepdims=True)
    spread = cdf[:, -1:] - lowest
    table = tf.cast(cdf - lowest, tf.float32) / tf.cast(tf.maximum(spread, 1), tf.float32)
    unchanged = tf.range(_LEVELS, dtype=tf.float32) / (_LEVELS - 1)
    table = tf.where(spread > 0, tf.maximum(table, 0.0), unchanged)
    return tf.gather(tf.reshape(table, [-1]), bins)


def resize_box(image: tf.Tensor, box: tf.Tensor, size: int) -> tf.Tensor:
    """Bicubic resize of a box (top, left, height, width) to [size, size, 3] float32.

    Antialiased only where the box is at least twice as large as the view: the reference never is,
    which costs little near 1 and would fill views of large images with noise.
    """
    top, left, height, width = tf.unstack(box)
    crop = image[top : top + height, left : left + width]

    def resize(antialias: bool) -> tf.Tensor:
        return tf.image.resize(crop, (size, size), "bicubic", antialias=antialias)

    large = tf.minimum(height, width) >= _ANTIALIAS_FROM * size
    view = tf.cond(large, lambda: resize(True), lambda: resize(False))
    return view * (1 / (_LEVELS - 1)) if image.dtype == tf.uint8 else view


def rotated_box_grid(
    shape: tf.Tensor, box: tf.Tensor, angle: tf.Tensor, size: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Where the pixels of a view lie in the image: rotate about its centre, then cut the box.

    Args:
        shape: [H, W, ...] of the image.
        box: Top, left, height, width in the rotated image.
        angle: Radians, counter-clockwise.
        size: Side of the view.

    Returns:
        Rows and columns [size, size], in pixel units (0 is the centre of the first pixel).
    """
    top, left, height, width = tf.unstack(tf.cast(box, tf.float32))
    centre_row, centre_column = tf.unstack((tf.cast(shape[:2], tf.float32) - 1) / 2)
    steps = (tf.range(size, dtype=tf.float32) + 0.5) / size
    rows = top + steps * height - 0.5 - centre_row
    columns = left + steps * width - 0.5 - centre_column
    cosine, sine = tf.cos(angle), tf.sin(angle)
    return (
        centre_row + (cosine * rows)[:, None] + (sine * columns)[None, :],
        centre_column - (sine * rows)[:, None] + (cosine * columns)[None, :],
    )


def elastic_field(shape: tf.Tensor, seed: tf.Tensor, alpha: float, sigma: float) -> tf.Tensor:
    """Smooth random displacements of the pixels of an image (Simard, Steinkraus, Platt 2003).

    Args:
        shape: [H, W, ...] of the image.
        seed: Integer [2].
        alpha: Root mean square of each component, in pixels, away from the image's edges.
        sigma: Width of the Gaussian that smooths the field, in pixels.

    Returns:
        [H, W, 2] float32: displacement of rows and of columns.
    """
    radius = math.ceil(3 * sigma)
    noise = tf.random.stateless_uniform([2, shape[0], shape[1], 1], seed, -1, 1, alg="philox")
    taps = tf.exp(-tf.square(tf.range(-radius, radius + 1, dtype=tf.float32)) / (2 * sigma**2))
    # Smoothing shrinks white noise by the norm of the filter; sqrt(3) undoes U(-1, 1)'s deviation.
    taps *= tf.sqrt(math.sqrt(3)) / tf.norm(taps)
    field = tf.nn.conv2d(noise, taps[:, None, None, None], 1, "SAME")
    field = tf.nn.conv2d(field, taps[None, :, None, None], 1, "SAME")
    return alpha * tf.transpose(field[..., 0], (1, 2, 0))


def sample_bilinear(image: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """Values of an image [H, W, C] at real coordinates, bilinear, with 0 outside."""
    height, width = tf.unstack(tf.shape(image)[:2])
    flat = tf.reshape(image, [-1, image.shape[-1]])
    top, left = tf.floor(rows), tf.floor(columns)
    down, right = rows - top, columns - left
    total = 0.0
    for row, row_weight in ((top, 1 - down), (top + 1, down)):
        for column, column_weight in ((left, 1 - right), (left + 1, right)):
            row_index, column_index = tf.cast(row, tf.int32), tf.cast(column, tf.int32)
            inside = (row_index >= 0) & (row_index < height)
            inside &= (column_index >= 0) & (column_index < width)
            index = tf.where(inside, row_index * width + column_index, 0)
            weight = tf.where(inside, row_weight * column_weight, 0.0)
            total += tf.gather(flat, index) * weight[..., None]
    return total


def _random_box(image: tf.Tensor, seed: tf.Tensor, settings: AugmentSettings) -> tf.Tensor:
    """Top, left, height, width of the random crop; the whole image where cropping is off."""
    shape = tf.shape(image)
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


def _displaced(rows, columns, shape, seed, settings):
    """Coordinates before the elastic deformation, which comes before the rotation."""
    field = elastic_field(shape, seed, settings.elastic_alpha, settings.elastic_sigma)
    moved = sample_bilinear(field, rows, columns)
    return rows + moved[..., 0], columns + moved[..., 1]
