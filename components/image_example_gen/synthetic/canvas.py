"""The base of a synthetic film: a patient's anatomy, and a posed canvas of densities.

Shapes live in coordinates fixed to the body: x from -1 (image left) to 1, y from -1 (top) to 1.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

# Number of findings that have a place in a patient.
PLACES = 7

_TEXTURE = 48


@dataclasses.dataclass(frozen=True)
class Anatomy:
    """Properties that all of a patient's images share."""

    width: float
    lung: float
    apex: float
    base: float
    heart: float
    heart_tilt: float
    aorta: float
    ribs: float
    rib_slope: float
    rib_phase: float
    clavicle: float
    breast: float
    tissue: float
    spine: float
    texture: np.ndarray
    # Place and look of each finding: side (-1, 1), height (0 top, 1 bottom), two free numbers.
    places: np.ndarray


def draw_anatomy(seed: Sequence[int], sex: str, age: int) -> Anatomy:
    """Draws a patient's anatomy, which depends only on the seed."""
    rng = np.random.default_rng((*seed, 1))
    female = sex == "F"
    return Anatomy(
        width=rng.normal(0.9 if female else 0.95, 0.03),
        lung=rng.normal(0.265, 0.014),
        apex=rng.normal(-0.80, 0.03),
        base=rng.normal(0.46, 0.05),
        heart=rng.normal(1.0, 0.07) * (1 + 0.003 * (age - 50)),
        heart_tilt=rng.normal(0.55, 0.1),
        aorta=rng.normal(1.0, 0.1) * (1 + 0.005 * (age - 50)),
        ribs=rng.normal(0.165, 0.008),
        rib_slope=rng.normal(0.30, 0.04),
        rib_phase=rng.random(),
        clavicle=rng.normal(0.18, 0.05),
        breast=max(0.0, rng.normal(0.11, 0.04)) if female else 0.0,
        tissue=max(0.6, rng.normal(1.0, 0.12)),
        spine=rng.normal(1.0, 0.15),
        texture=ndimage.gaussian_filter(
            rng.standard_normal((_TEXTURE, _TEXTURE)).astype(np.float32), 1.0, mode="wrap"
        )
        * 3.4,
        places=rng.random((PLACES, 4)),
    )


class Canvas:
    """Density of a film being drawn, in body coordinates."""

    def __init__(self, anatomy: Anatomy, seed: Sequence[int], size: int, shift: float):
        self.anatomy = anatomy
        # Separate streams, so that a finding changes nothing else in the film.
        rng, self.finding_rng, self.scanner_rng = np.random.default_rng(seed).spawn(3)
        self.shift = shift
        angle, zoom = rng.normal(0, 0.035), rng.normal(1.0, 0.04)
        shift_x, shift_y = rng.normal(0, 0.035, 2)
        x, y = grid(size)
        self.x = ((x - shift_x) * np.cos(angle) + (y - shift_y) * np.sin(angle)) / zoom
        self.y = ((y - shift_y) * np.cos(angle) - (x - shift_x) * np.sin(angle)) / zoom
        # A deeper breath lowers the diaphragm.
        self.base = anatomy.base + rng.normal(0, 0.04)
        self.heart_scale = anatomy.heart * rng.normal(1.0, 0.03)
        self.density = np.zeros_like(self.x)
        self.lungs = {side: self._lung(side) for side in (-1, 1)}
        self.lung = self.lungs[-1] + self.lungs[1]
        self.noise = self.texture(1.0)
        self.vessels = np.exp(-((self.texture(1.9) / 0.30) ** 2))

    def _lung(self, side: int) -> np.ndarray:
        a = self.anatomy
        u = self.x * side
        t = np.clip((self.y - a.apex) / (self.base - a.apex), 0.0, 1.4)
        center = 0.33 + 0.11 * np.minimum(t, 1.0)
        half = (a.lung + 0.05 * t) * np.sqrt(np.maximum(0, 1 - np.maximum(0, 1 - t) ** 2.6))
        inside = smooth(half - np.abs(u - center), 0.05)
        # The right dome (image left) is higher, over the liver; both fall towards the sides.
        dome = self.base - (0.06 if side < 0 else 0.0) + 0.75 * (u - 0.36) ** 2
        return inside * smooth(dome - self.y, 0.05) * smooth(self.y - a.apex, 0.06)

    def texture(self, scale: float) -> np.ndarray:
        rows = (self.y + 1) * scale * _TEXTURE / 4
        columns = (self.x + 1) * scale * _TEXTURE / 4
        return ndimage.map_coordinates(
            self.anatomy.texture, (rows, columns), order=1, mode="grid-wrap", output=np.float32
        )

    def place(self, finding: int) -> tuple[int, float, float, float]:
        """Side, x and y of a finding inside a lung, and its other free number."""
        side, height, across, free = self.anatomy.places[finding]
        sign = -1 if side < 0.5 else 1
        y = self.anatomy.apex + (0.25 + 0.60 * height) * (self.base - self.anatomy.apex)
        x = sign * (0.30 + 0.20 * across)
        return sign, x, y, free

    def ellipse(
        self, x: float, y: float, rx: float, ry: float, edge: float, tilt: float = 0.0
    ) -> np.ndarray:
        """A soft-edged ellipse of height 1."""
        dx, dy = self.x - x, self.y - y
        u = (dx * np.cos(tilt) + dy * np.sin(tilt)) / rx
        v = (dy * np.cos(tilt) - dx * np.sin(tilt)) / ry
        return smooth(1 - np.sqrt(u * u + v * v + 1e-6), edge / min(rx, ry))


def smooth(distance: np.ndarray, width: float) -> np.ndarray:
    """Returns 0 outside, 1 inside, with an S-shaped edge of the given width around distance 0."""
    t = np.clip(distance / width + 0.5, 0.0, 1.0)
    return t * t * (3 - 2 * t)


@functools.lru_cache(maxsize=4)
def grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns x and y of the pixels' centers, -1 to 1."""
    axis = ((np.arange(size) + 0.5) * 2 / size - 1).astype(np.float32)
    x, y = np.meshgrid(axis, axis)
    return x, y
