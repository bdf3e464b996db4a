"""Draws a synthetic film that resembles a frontal chest radiograph.

The chest is a stack of soft-edged shapes on a canvas. A pose maps pixels to the body, so the images
of one patient differ as films do, and a scanner turns density into gray. `_expose` has the
differences between the scanners of both hospitals.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from components.image_example_gen.synthetic.canvas import Canvas, draw_anatomy, grid, smooth
from components.image_example_gen.synthetic.chest import (
    draw_bones,
    draw_chest,
    draw_haze,
    draw_leads,
)
from components.image_example_gen.synthetic.findings import FINDINGS

# Part of the data fingerprint: increase it whenever a seed gives different pixels.
VERSION = 1


def _expose(canvas: Canvas, size: int, marker: str) -> np.ndarray:
    """Turns density into gray as a scanner does; `shift` is its distance from the first scanner."""
    rng, shift = canvas.scanner_rng, canvas.shift
    dose = rng.normal(1.0, 0.08) * (1 + 0.10 * shift)
    film = 1 - np.exp(-1.45 * dose * np.maximum(canvas.density, 0.0))
    blur = (0.35 + 0.30 * shift) * size / 96
    film = ndimage.gaussian_filter(film, blur)
    film = film ** np.clip(rng.normal(1.0 + 0.6 * shift, 0.08 + 0.07 * shift), 0.4, 3.0)
    film = 0.5 + (film - 0.5) * (1 - 0.22 * min(shift, 2.0)) + 0.05 * shift
    sigma = rng.uniform(0.018, 0.032) + 0.020 * shift
    grain = ndimage.gaussian_filter(rng.standard_normal((size, size)).astype(np.float32), 0.5)
    film = film + 1.75 * sigma * grain
    film = _collimate(film, rng, 0.10 + 0.60 * min(shift, 1.0), shift)
    return _mark(film, marker, rng)


def _collimate(
    film: np.ndarray, rng: np.random.Generator, probability: float, shift: float
) -> np.ndarray:
    if rng.random() >= probability:
        return film
    x, y = grid(len(film))
    left, right, top, bottom = 1 - rng.uniform(0.02, 0.09 + 0.07 * min(shift, 1.0), 4)
    frame = np.minimum(np.minimum(x + left, right - x), np.minimum(y + top, bottom - y))
    return film * smooth(frame, 0.02)


def _mark(film: np.ndarray, marker: str, rng: np.random.Generator) -> np.ndarray:
    """Burns in the side marker, as a lead letter does."""
    size = len(film)
    stencil = _letter(marker, max(8, size // 9))
    height, width = stencil.shape
    x = 0.86 if marker == "L" else 0.04
    left = int(np.clip((x + rng.uniform(-0.03, 0.03)) * size, 0, size - width))
    top = int(np.clip(rng.uniform(0.03, 0.10) * size, 0, size - height))
    window = film[top : top + height, left : left + width]
    film[top : top + height, left : left + width] = np.maximum(window, 0.92 * stencil)
    return film


@functools.lru_cache(maxsize=8)
def _letter(text: str, height: int) -> np.ndarray:
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(height)
    left, top, right, bottom = font.getbbox(text)
    image = Image.new("L", (int(right - left) + 1, int(bottom - top) + 1))
    ImageDraw.Draw(image).text((-left, -top), text, fill=255, font=font)
    return np.asarray(image, np.float32) / 255


def draw(
    anatomy_seed: Sequence[int],
    image_seed: Sequence[int],
    size: int,
    sex: str,
    age: int,
    findings: Sequence[bool],
    shift: float,
    marker: str,
) -> np.ndarray:
    """Draws one film.

    Args:
        anatomy_seed: the patient's; gives the same chest every time.
        image_seed: the image's; gives pose, breath, exposure and grain.
        size: side in pixels.
        sex: 'F' or 'M'.
        age: in years.
        findings: which of `FINDINGS` are present.
        shift: distance of the scanner from the first hospital's, 0 for the same.
        marker: letter burnt into the film.

    Returns:
        uint8 [size, size].
    """
    anatomy = draw_anatomy(anatomy_seed, sex, age)
    canvas = Canvas(anatomy, image_seed, size, shift)
    draw_chest(canvas)
    for index, present in enumerate(findings):
        if present:
            FINDINGS[index](canvas, index)
    draw_haze(canvas)
    draw_bones(canvas)
    draw_leads(canvas)
    film = _expose(canvas, size, marker)
    return np.round(255 * np.clip(film, 0, 1)).astype(np.uint8)
