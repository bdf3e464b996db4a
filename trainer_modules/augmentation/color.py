"""Flip, stain and color jitter, grayscale and blur of a view, compiled into one function by XLA.

The view is processed as three planes. Its operations then vectorize and run several times faster
than TensorFlow's image kernels. They run only in the input pipeline, never in an exported model.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from trainer_modules.settings import AugmentSettings

_STREAM = 0x2545F491  # any constant: separates these draws from those of the geometry
_RGB_OF_STAINS = ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11), (0.27, 0.57, 0.78))
"""Optical density of hematoxylin, eosin and residual per channel (Ruifrok, Johnston 2001)."""
_LUMA = (0.2989, 0.587, 0.114)


def random_finish(view: tf.Tensor, seed: tf.Tensor, settings: AugmentSettings) -> tf.Tensor:
    """Applies everything from the flip on, each operation with its probability.

    Args:
        view: [S, S, 3] float32, about [0, 1], S known.
        seed: Integer [2].
        settings: Probabilities and ranges.

    Returns:
        [S, S, 3] float32 in [0, 1].
    """
    return _compiled(settings)(view, seed)


def _compile(settings: AugmentSettings) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    def finish(view: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        # Drawn inside: outside, a few random numbers cost as much as the blur.
        own_seed = tf.bitwise.bitwise_xor(seed, tf.constant([_STREAM, 0], seed.dtype))
        draws = tf.random.stateless_uniform([19], own_seed, alg="philox")
        planes = tf.clip_by_value(tf.transpose(view, (2, 0, 1)), 0.0, 1.0)
        for operation in (_flip, _stain, _jitter, _gray, _blur):
            planes = operation(planes, draws, settings)
        return tf.transpose(planes, (1, 2, 0))

    return tf.function(finish, jit_compile=True, autograph=False)


_compiled = functools.cache(_compile)
"""One function per settings, so that eager calls compile once."""


def _flip(planes: tf.Tensor, draws: tf.Tensor, settings: AugmentSettings) -> tf.Tensor:
    if settings.flip_probability == 0:
        return planes
    return tf.where(draws[12] < settings.flip_probability, tf.reverse(planes, [2]), planes)


def _stain(planes: tf.Tensor, draws: tf.Tensor, settings: AugmentSettings) -> tf.Tensor:
    if settings.stain == 0:
        return planes
    changes = settings.stain * (2 * draws[13:19] - 1)
    return tf.clip_by_value(stain_jitter(planes, 1 + changes[:3], changes[3:]), 0.0, 1.0)


def _jitter(planes: tf.Tensor, draws: tf.Tensor, settings: AugmentSettings) -> tf.Tensor:
    strengths = (settings.brightness, settings.contrast, settings.saturation, settings.hue)
    if settings.jitter_probability == 0 or not any(strengths):
        return planes
    factors = tf.constant([1.0, 1.0, 1.0, 0.0]) + (2 * draws[:4] - 1) * strengths
    order = tf.argsort(draws[4:8])
    return tf.cond(
        draws[8] < settings.jitter_probability,
        lambda: color_jitter(planes, factors, order),
        lambda: planes,
    )


def _gray(planes: tf.Tensor, draws: tf.Tensor, settings: AugmentSettings) -> tf.Tensor:
    if settings.grayscale_probability == 0:
        return planes
    return tf.cond(
        draws[9] < settings.grayscale_probability, lambda: grayscale(planes), lambda: planes
    )


def _blur(planes: tf.Tensor, draws: tf.Tensor, settings: AugmentSettings) -> tf.Tensor:
    low, high = settings.blur_sigma
    radius = blur_radius(planes.shape[1], high)
    if settings.blur_probability == 0 or radius == 0:
        return planes
    sigma = low + (high - low) * draws[11]
    return tf.cond(
        draws[10] < settings.blur_probability,
        lambda: gaussian_blur(planes, sigma, radius),
        lambda: planes,
    )


def stain_jitter(planes: tf.Tensor, factors: tf.Tensor, offsets: tf.Tensor) -> tf.Tensor:
    """Changes how strongly a slide took each stain (Tellez et al. 2018, arXiv 1808.05883).

    Args:
        planes: [3, H, W] in [0, 1].
        factors: [3], multipliers of the hematoxylin, eosin and residual density.
        offsets: [3], densities to add.
    """
    to_stains = np.linalg.inv(np.array(_RGB_OF_STAINS)).T.astype("float32")
    to_channels = np.array(_RGB_OF_STAINS, "float32").T
    densities = -tf.math.log(tf.maximum(tf.unstack(planes), 1 / 255))
    stains = _mix(to_stains, tf.unstack(densities))
    stains = [stain * factors[i] + offsets[i] for i, stain in enumerate(stains)]
    return tf.exp(-tf.stack(_mix(to_channels, stains)))


def _mix(matrix: np.ndarray, planes: list[tf.Tensor]) -> list[tf.Tensor]:
    """A 3x3 matrix times three planes, without the transposes of a matrix product."""
    return [sum(row[i] * plane for i, plane in enumerate(planes)) for row in matrix]


def color_jitter(planes: tf.Tensor, factors: tf.Tensor, order: tf.Tensor) -> tf.Tensor:
    """Brightness, contrast, saturation and hue in the given order, clipped after each.

    Args:
        planes: [3, H, W] in [0, 1].
        factors: Multipliers of brightness, contrast and saturation; shift of the hue in turns.
        order: A permutation of 0..3, the operations in the order of `factors`.
    """
    operations = (adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue)

    def step(index: tf.Tensor, planes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        which = order[index]
        changed = tf.switch_case(
            which, [lambda f=f, i=i: f(planes, factors[i]) for i, f in enumerate(operations)]
        )
        return index + 1, tf.clip_by_value(changed, 0.0, 1.0)

    return tf.while_loop(lambda index, _: index < 4, step, (0, planes), maximum_iterations=4)[1]


def adjust_brightness(planes: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Multiplies every value."""
    return planes * factor


def adjust_contrast(planes: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Multiplies each plane's distance from its mean."""
    mean = tf.reduce_mean(planes, axis=(1, 2), keepdims=True)
    return mean + (planes - mean) * factor


def adjust_saturation(planes: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Multiplies HSV saturation, up to 1; hue and value stay the same, and so does gray.

    With value V = max and saturation (max - min) / max, a channel is V minus a part that is
    proportional to the saturation, so no conversion to HSV is needed.
    """
    value = tf.reduce_max(planes, axis=0)
    chroma = value - tf.reduce_min(planes, axis=0)
    most = value / tf.where(chroma > 0, chroma, 1.0)
    ratio = tf.where(chroma > 0, tf.minimum(factor, most), 1.0)
    return value - (value - planes) * ratio


def adjust_hue(planes: tf.Tensor, turns: tf.Tensor) -> tf.Tensor:
    """Rotates the HSV hue; saturation and value stay the same, and so does gray."""
    red, green, blue = tf.unstack(planes)
    value = tf.maximum(tf.maximum(red, green), blue)
    chroma = value - tf.minimum(tf.minimum(red, green), blue)
    inverse = tf.where(chroma > 0, 1 / tf.where(chroma > 0, chroma, 1.0), 0.0)
    sector = tf.where(
        value == red,
        (green - blue) * inverse,
        tf.where(value == green, 2 + (blue - red) * inverse, 4 + (red - green) * inverse),
    )
    sector += 6 * turns
    channels = []
    for offset in (5.0, 3.0, 1.0):
        position = sector + offset
        position -= 6 * tf.floor(position / 6)
        fraction = tf.clip_by_value(tf.minimum(position, 4 - position), 0.0, 1.0)
        channels.append(value - chroma * fraction)
    return tf.stack(channels)


def grayscale(planes: tf.Tensor) -> tf.Tensor:
    """Luma in every plane."""
    luma = sum(weight * plane for weight, plane in zip(_LUMA, tf.unstack(planes), strict=True))
    return tf.stack([luma] * 3)


def blur_radius(size: int, sigma: float) -> int:
    """Half the kernel: a tenth of the view as in the reference, less where its ends are zero."""
    return min(size // 10 // 2, math.ceil(4 * sigma))


def gaussian_blur(planes: tf.Tensor, sigma: tf.Tensor, radius: int) -> tf.Tensor:
    """Gaussian blur with mirrored edges (the reference's zeros darken the borders).

    Args:
        planes: [3, H, W].
        sigma: Scalar, in pixels.
        radius: The kernel has 2 * radius + 1 taps.
    """
    taps = tf.exp(-tf.square(tf.range(-radius, radius + 1, dtype=tf.float32) / sigma) / 2)
    taps /= tf.reduce_sum(taps)
    _, height, width = planes.shape
    padded = tf.pad(planes, ((0, 0), (radius, radius), (0, 0)), "REFLECT")
    planes = tf.add_n([taps[k] * padded[:, k : k + height] for k in range(2 * radius + 1)])
    padded = tf.pad(planes, ((0, 0), (0, 0), (radius, radius)), "REFLECT")
    return tf.add_n([taps[k] * padded[:, :, k : k + width] for k in range(2 * radius + 1)])
