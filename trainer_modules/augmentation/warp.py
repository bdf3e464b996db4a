"""Rotation and elastic deformation, with the crop, as one bilinear sampling of the image.

XLA compiles the sampling, because its gather is several times as fast as TensorFlow's. XLA compiles
for fixed shapes, so the pixels are passed in a flat buffer of one of a few lengths.
"""

from __future__ import annotations

import math

import tensorflow as tf

_SMALLEST_STEP = 10  # as an exponent of 2: buffers of a thousand pixels and up
_NODE_MARGIN = 4  # a node this many sigmas away displaces nothing


def warp(
    image: tf.Tensor, affine: tf.Tensor, displacement: tf.Tensor | None, size: int
) -> tf.Tensor:
    """Samples an image at affine coordinates plus a displacement; pixels outside the image are 0.

    Args:
        image: [H, W, 3] uint8.
        affine: Float [2, 3]: row and column in the image of the view's pixel (y, x) are
            `affine @ (1, y, x)`.
        displacement: Float [2, size, size], rows and columns to add, or None.
        size: Side of the view.

    Returns:
        [size, size, 3] float32 in [0, 1].
    """
    height, width = tf.unstack(tf.shape(image)[:2])
    buffer = pixel_buffer(image)
    return _compiled_blend(*_compiled_neighbors(buffer, height, width, affine, displacement, size))


def pixel_buffer(image: tf.Tensor) -> tf.Tensor:
    """The bytes of a uint8 image [H, W, 3] in a flat buffer of one of a few lengths.

    XLA compiles once per length, not once per shape: lengths (in pixels) have three significant
    bits, which makes four per doubling, each at most a quarter too long.
    """
    pixels = tf.reduce_prod(tf.shape(image)[:2])
    exponent = tf.cast(tf.math.log(tf.cast(pixels, tf.float32)) / math.log(2), tf.int32) - 2
    step = 2 ** tf.maximum(exponent, _SMALLEST_STEP)
    padding = tf.zeros([3 * (-pixels % step)], tf.uint8)
    return tf.concat([tf.reshape(image, [-1]), padding], 0)


def _neighbors(
    buffer: tf.Tensor,
    height: tf.Tensor,
    width: tf.Tensor,
    affine: tf.Tensor,
    displacement: tf.Tensor | None,
    size: int,
) -> tuple[tf.Tensor, list[tf.Tensor], list[tf.Tensor]]:
    """Returns the pixels, and for each view pixel the places and weights of its four neighbors.

    The three bytes of a pixel become one integer, so that one fetch brings all.
    """
    colors = tf.cast(tf.reshape(buffer, [-1, 3]), tf.int32)
    packed = colors[:, 0] + colors[:, 1] * 256 + colors[:, 2] * 65536
    steps = tf.range(size, dtype=tf.float32)
    rows, columns = (
        affine[i, 0] + affine[i, 1] * steps[:, None] + affine[i, 2] * steps for i in range(2)
    )
    if displacement is not None:
        rows, columns = rows + displacement[0], columns + displacement[1]
    top, left = tf.floor(rows), tf.floor(columns)
    down, right = rows - top, columns - left
    places, weights = [], []
    for row, row_weight in ((top, 1 - down), (top + 1, down)):
        for column, column_weight in ((left, 1 - right), (left + 1, right)):
            row_index, column_index = tf.cast(row, tf.int32), tf.cast(column, tf.int32)
            inside = (row_index >= 0) & (row_index < height)
            inside &= (column_index >= 0) & (column_index < width)
            places.append(tf.where(inside, row_index * width + column_index, 0))
            weights.append(tf.where(inside, row_weight * column_weight, 0.0) / 255)
    return packed, places, weights


_compiled_neighbors = tf.function(_neighbors, jit_compile=True, autograph=False)


def _blend(packed: tf.Tensor, places: list[tf.Tensor], weights: list[tf.Tensor]) -> tf.Tensor:
    """The weighted sums; a separate function, or XLA computes positions once per channel."""
    pixels = [tf.gather(packed, place) for place in places]
    channels = []
    for channel in range(3):
        values = (tf.bitwise.right_shift(pixel, 8 * channel) & 255 for pixel in pixels)
        products = (tf.cast(v, tf.float32) * w for v, w in zip(values, weights, strict=True))
        channels.append(tf.add_n(list(products)))
    return tf.stack(channels, axis=-1)


_compiled_blend = tf.function(_blend, jit_compile=True, autograph=False)


def rotated_box(shape: tf.Tensor, box: tf.Tensor, angle: tf.Tensor, size: int) -> tf.Tensor:
    """The affine map of a view: rotate the image about its center, then cut the box.

    Args:
        shape: [H, W, ...] of the image.
        box: Top, left, height, width in the rotated image.
        angle: Radians, counter-clockwise.
        size: Side of the view.

    Returns:
        [2, 3], for `warp`; 0 is the center of the first pixel.
    """
    origin, extent = tf.cast(box[:2], tf.float32), tf.cast(box[2:], tf.float32)
    center = (tf.cast(shape[:2], tf.float32) - 1) / 2
    cosine, sine = tf.cos(angle), tf.sin(angle)
    turn = tf.stack([tf.stack([cosine, sine]), tf.stack([-sine, cosine])])
    first = origin + extent * (0.5 / size) - 0.5 - center
    offset = center + tf.linalg.matvec(turn, first)
    return tf.concat([offset[:, None], turn * (extent / size)], axis=1)


def elastic_displacement(
    box: tf.Tensor, seed: tf.Tensor, alpha: float, sigma: float, size: int
) -> tf.Tensor:
    """A smooth random displacement of every pixel of a view (Simard, Steinkraus, Platt 2003).

    Gaussian-smoothed white noise. The noise has one value per sigma, not per pixel: the smoothing
    makes the two indistinguishable (their variances differ by 1e-4), and this one costs a
    sixteenth at sigma 4. Such a field looks alike in every direction and place, so it is drawn in
    the frame of the rotated crop, where only the view's own pixels are needed.

    Args:
        box: Top, left, height, width of the view in the image's pixels; only the last two matter.
        seed: Integer [2].
        alpha: Root mean square of each component, in the image's pixels.
        sigma: Width of the smoothing Gaussian, in the image's pixels.
        size: Side of the view.

    Returns:
        [2, size, size] float32: displacement of rows and of columns, in the image's pixels.
    """
    extent = tf.cast(box[2:], tf.float32) / sigma
    nodes = tf.cast(tf.math.ceil(extent), tf.int32) + 2 * _NODE_MARGIN + 1
    noise = tf.random.stateless_uniform([2, nodes[0], nodes[1]], seed, -1, 1, alg="philox")

    def kernel(axis: int) -> tf.Tensor:
        places = (tf.range(size, dtype=tf.float32) + 0.5) * extent[axis] / size
        lattice = tf.cast(tf.range(nodes[axis]) - _NODE_MARGIN, tf.float32)
        return tf.exp(-tf.square(places[:, None] - lattice) / 2)

    # U(-1, 1) has variance 1/3, and the squared kernel sums to sqrt(pi) along each axis.
    scale = alpha * math.sqrt(3 / math.pi)
    return scale * tf.matmul(tf.matmul(kernel(0), noise), kernel(1), transpose_b=True)
