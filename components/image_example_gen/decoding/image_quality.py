"""How well an image shows anything at all: blur, darkness, empty and odd pictures.

Measured at the size at which networks look, so that a large image is not called blurred for what
none of them sees. A flag is a reason to look at the image, not a verdict: films of whole legs have
an odd shape, fluorescence is dark.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from components.image_example_gen.pixels import picture

if TYPE_CHECKING:
    from PIL import Image

_SIDE = 128
# Thresholds of the blur, of darkness and of emptiness are ours: no image of 18,000 chest films,
# tissue patches and photographs is beyond them; blurred by 2 of 64 pixels, most films are.
_BLURRED, _WINDOW, _LEAST_SIDE = 0.8, 5, 16
_DARK = 0.25
_BLANK, _LEVELS = 0.95, 9
# As in cleanvision: 0.3 of 10 bits, and a shorter side of half the longer.
_LOW_INFORMATION = 3.0
_ODD_ASPECT = 0.5


@dataclasses.dataclass(frozen=True)
class Quality:
    """Measurements of an image; the names are columns of ingestion's index.

    Attributes:
        blur: 0 sharp to 1 blurred: how little neighboring pixels lose of their differences when the
            image is blurred (Crete et al., "The blur effect", SPIE 2007).
        brightness: gray level that 99 % of the pixels do not exceed, 0 to 1.
        plain: largest fraction of the pixels within nine neighboring gray levels.
        entropy: of the gray levels, in bits.
    """

    blur: float
    brightness: float
    plain: float
    entropy: float


def measure(image: Image.Image) -> Quality:
    """Measures an image of 8 bits, gray or color."""
    from PIL import Image as images

    gray = image.convert("L")
    if max(gray.size) > _SIDE:
        scale = _SIDE / max(gray.size)
        size = (max(1, round(gray.width * scale)), max(1, round(gray.height * scale)))
        gray = gray.resize(size, images.Resampling.BOX, reducing_gap=2.0)
    counts = np.array(gray.histogram(), float)
    fractions = counts / counts.sum()
    present = fractions[fractions > 0]
    return Quality(
        blur=_blur(np.asarray(gray, np.float64)),
        brightness=int(np.searchsorted(fractions.cumsum(), 0.99 - 1e-9)) / 255,
        plain=float(np.convolve(fractions, np.ones(_LEVELS), "valid").max()),
        entropy=abs(float((present * np.log2(present)).sum())),
    )


def flags(quality: Quality, width: int, height: int) -> tuple[str, ...]:
    """What is worth a look, by the measurements and the original size."""
    odd = (picture.ODD_ASPECT,) if min(width, height) < _ODD_ASPECT * max(width, height) else ()
    if quality.plain >= _BLANK:
        return (picture.BLANK, *odd)  # an empty image is neither dark nor blurred
    found = (
        (picture.BLURRED, quality.blur > _BLURRED),
        (picture.DARK, quality.brightness < _DARK),
        (picture.LOW_INFORMATION, quality.entropy < _LOW_INFORMATION),
    )
    return (*(code for code, is_so in found if is_so), *odd)


def _blur(gray: np.ndarray) -> float:
    """The larger of the blurs along both axes; 0 where there are too few pixels to say."""
    if min(gray.shape) < _LEAST_SIDE:
        return 0.0
    return max(_blur_along(gray), _blur_along(gray.T))


def _blur_along(gray: np.ndarray) -> float:
    before = np.abs(np.diff(gray, axis=1))
    total = before.sum()
    if not total:
        return 0.0
    edge = _WINDOW // 2
    padded = np.pad(gray, ((0, 0), (edge, edge)), mode="symmetric")
    sums = np.pad(padded.cumsum(axis=1), ((0, 0), (1, 0)))
    mean = (sums[:, _WINDOW:] - sums[:, :-_WINDOW]) / _WINDOW
    lost = np.maximum(0, before - np.abs(np.diff(mean, axis=1)))
    return float(1 - lost.sum() / total)
