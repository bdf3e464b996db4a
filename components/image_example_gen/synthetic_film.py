"""Draws a film that looks like a frontal chest radiograph. Synthetic: no patient is behind it.

The chest is a stack of soft-edged shapes in coordinates fixed to the body: x from -1 (image left)
to 1, y from -1 (top) to 1. A pose maps pixels to these coordinates, so the images of one patient
differ as films do, and a scanner turns density into gray. What hospitals differ in is in `_expose`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

# Enters the data fingerprint: raise it whenever the same seed gives other pixels.
VERSION = 1

_TEXTURE = 48


@dataclasses.dataclass(frozen=True)
class _Anatomy:
    """What stays the same over a patient's images."""

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


def _anatomy(seed: Sequence[int], sex: str, age: int) -> _Anatomy:
    rng = np.random.default_rng((*seed, 1))
    female = sex == "F"
    return _Anatomy(
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
        places=rng.random((len(FINDINGS), 4)),
    )


class _Canvas:
    """Density of a film under way, in body coordinates."""

    def __init__(self, anatomy: _Anatomy, seed: Sequence[int], size: int, shift: float):
        self.anatomy = anatomy
        # Streams of their own, so that a finding changes nothing else of the film.
        rng, self.finding_rng, self.scanner_rng = np.random.default_rng(seed).spawn(3)
        self.shift = shift
        angle, zoom = rng.normal(0, 0.035), rng.normal(1.0, 0.04)
        shift_x, shift_y = rng.normal(0, 0.035, 2)
        x, y = _grid(size)
        self.x = ((x - shift_x) * np.cos(angle) + (y - shift_y) * np.sin(angle)) / zoom
        self.y = ((y - shift_y) * np.cos(angle) - (x - shift_x) * np.sin(angle)) / zoom
        # A deeper breath lowers the diaphragm.
        self.base = anatomy.base + rng.normal(0, 0.04)
        self.heart_scale = anatomy.heart * rng.normal(1.0, 0.03)
        self.density = np.zeros_like(self.x)
        self.lungs = {side: self._lung(side) for side in (-1, 1)}
        self.lung = self.lungs[-1] + self.lungs[1]
        self.noise = self._texture(1.0)
        self.vessels = np.exp(-((self._texture(1.9) / 0.30) ** 2))

    def _lung(self, side: int) -> np.ndarray:
        a = self.anatomy
        u = self.x * side
        t = np.clip((self.y - a.apex) / (self.base - a.apex), 0.0, 1.4)
        centre = 0.33 + 0.11 * np.minimum(t, 1.0)
        half = (a.lung + 0.05 * t) * np.sqrt(np.maximum(0, 1 - np.maximum(0, 1 - t) ** 2.6))
        inside = _smooth(half - np.abs(u - centre), 0.05)
        # The right dome (image left) stands higher, over the liver; both fall to the sides.
        dome = self.base - (0.06 if side < 0 else 0.0) + 0.75 * (u - 0.36) ** 2
        return inside * _smooth(dome - self.y, 0.05) * _smooth(self.y - a.apex, 0.06)

    def _texture(self, scale: float) -> np.ndarray:
        rows = (self.y + 1) * scale * _TEXTURE / 4
        columns = (self.x + 1) * scale * _TEXTURE / 4
        return ndimage.map_coordinates(
            self.anatomy.texture, (rows, columns), order=1, mode="grid-wrap", output=np.float32
        )

    def place(self, finding: int) -> tuple[int, float, float, np.ndarray]:
        """Side, x and y of a finding inside a lung, and its free numbers."""
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
        return _smooth(1 - np.sqrt(u * u + v * v + 1e-6), edge / min(rx, ry))


def _smooth(distance: np.ndarray, width: float) -> np.ndarray:
    """0 outside, 1 inside, an S-shaped edge of the given width around distance 0."""
    t = np.clip(distance / width + 0.5, 0.0, 1.0)
    return t * t * (3 - 2 * t)


@functools.lru_cache(maxsize=4)
def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    axis = ((np.arange(size) + 0.5) * 2 / size - 1).astype(np.float32)
    x, y = np.meshgrid(axis, axis)
    return x, y


def _chest(canvas: _Canvas) -> None:
    """Lays soft tissue, air and organs."""
    a, x, y = canvas.anatomy, canvas.x, canvas.y
    shoulder = 0.20 + (a.width - 0.20) * _smooth(y + 0.80, 0.34)
    body = _smooth(shoulder - np.abs(x) - 0.05 * np.maximum(0, y), 0.05)
    canvas.density += body * a.tissue * (0.50 + 0.20 * (1 - np.minimum(1, x * x)))
    below = 1 - _smooth(canvas.base + 0.02 - y + 0.4 * np.abs(x) ** 2, 0.20)
    canvas.density += body * 0.30 * below
    canvas.density -= canvas.lung * a.tissue * 0.50
    hilum = np.exp(-(((np.abs(x) - 0.17) / 0.20) ** 2) - ((y + 0.10) / 0.30) ** 2)
    canvas.density += canvas.lung * canvas.vessels * (0.035 + 0.13 * hilum)
    middle = 0.10 + 0.05 * _smooth(-0.45 - y, 0.3)
    canvas.density += body * 0.34 * _smooth(middle - np.abs(x - 0.01), 0.10)
    _heart(canvas, canvas.heart_scale)
    canvas.density += 0.24 * canvas.ellipse(0.12, -0.33, 0.085 * a.aorta, 0.10 * a.aorta, 0.05)
    canvas.density -= 0.16 * _smooth(0.035 - np.abs(x), 0.04) * _smooth(-0.28 - y, 0.1) * body
    bubble = canvas.ellipse(0.34, canvas.base + 0.17, 0.13, 0.06, 0.05)
    canvas.density -= 0.22 * bubble * body
    for side in (-1, 1):
        breast = canvas.ellipse(side * 0.42, 0.30, 0.34, 0.30, 0.10)
        canvas.density += a.breast * breast * body


def _haze(canvas: _Canvas) -> None:
    """Veils the bases, as breasts, fat and a shallow breath do when the patient lies down."""
    for side in (-1, 1):
        amount = 0.40 * canvas.shift * canvas.scanner_rng.random() ** 1.5
        veil = canvas.ellipse(side * 0.42, canvas.base - 0.1, 0.34, 0.42, 0.30)
        canvas.density += amount * veil * canvas.lungs[side]


def _leads(canvas: _Canvas) -> None:
    """Lays monitoring wires and electrodes over the chest of patients filmed in bed."""
    rng = canvas.scanner_rng
    for side in (-1, 1):
        if rng.random() >= 0.5 * min(canvas.shift, 1.0):
            continue
        end_x, end_y = side * rng.uniform(0.25, 0.6), rng.uniform(-0.45, 0.35)
        canvas.density += 0.30 * canvas.ellipse(end_x, end_y, 0.05, 0.05, 0.02)
        t = np.clip((canvas.y - end_y) / (1.1 - end_y), 0, 1)
        path = end_x + rng.uniform(-0.5, 0.5) * t + rng.uniform(-0.25, 0.25) * np.sin(np.pi * t)
        wire = _smooth(0.012 - np.abs(canvas.x - path), 0.02) * (canvas.y > end_y)
        canvas.density += 0.22 * wire


def _heart(canvas: _Canvas, scale: float) -> None:
    tilt = canvas.anatomy.heart_tilt
    left = canvas.ellipse(0.13, 0.22, 0.36 * scale, 0.25 * scale, 0.08, tilt)
    right = canvas.ellipse(-0.09, 0.20, 0.15 * scale, 0.24 * scale, 0.07)
    canvas.density += 0.40 * np.maximum(left, right)


def _bones(canvas: _Canvas) -> None:
    """Lays ribs, clavicles and vertebrae."""
    a, x, y = canvas.anatomy, canvas.x, canvas.y
    across = np.abs(x)
    cage = _smooth(a.width - 0.06 - across, 0.06) * _smooth(y + 0.86, 0.1)
    cage *= 1 - _smooth(y - canvas.base - 0.10, 0.2)
    # Posterior ribs fall to the side, the fainter anterior ones rise to it.
    for slope, bend, weight in ((a.rib_slope, 0.5, 0.085), (-0.75, -0.35, 0.04)):
        phase = (y - slope * across - bend * across**2) / a.ribs + a.rib_phase
        wave = np.abs(phase - np.round(phase))
        canvas.density += weight * cage * _smooth(0.17 - wave, 0.18)
    for side in (-1, 1):
        u = x * side
        axis = -0.66 - a.clavicle * (u - 0.1) + 0.12 * np.sin(4.2 * (u - 0.08))
        bone = _smooth(0.033 - np.abs(y - axis), 0.03) * _smooth(u - 0.07, 0.04)
        canvas.density += 0.13 * bone * _smooth(0.80 - u, 0.1)
    discs = 0.5 + 0.5 * np.cos(2 * np.pi * (y / 0.135 + a.rib_phase))
    canvas.density += 0.09 * a.spine * discs * _smooth(0.075 - np.abs(x), 0.04)


def _severity(canvas: _Canvas, free: float) -> float:
    """From hardly visible to plain: what limits how well anyone can read these films."""
    milder = 1 - 0.3 * min(canvas.shift, 2.0)
    # One patient in ten has next to nothing to see; the others are plain enough to learn from.
    plain = 0.12 if free < 0.1 else 0.75 + 0.55 * free
    return plain * milder * canvas.finding_rng.uniform(0.8, 1.2)


def _opacity(canvas: _Canvas, finding: int) -> None:
    side, x, y, free = canvas.place(finding)
    radius = 0.17 + 0.13 * canvas.anatomy.places[finding][2]
    dx, dy = canvas.x - x, (canvas.y - y) * 0.8
    distance = np.sqrt(dx * dx + dy * dy) / radius
    patch = _smooth(1 - distance + 0.30 * canvas.noise, 0.9)
    canvas.density += 0.33 * _severity(canvas, free) * patch * canvas.lungs[side]


def _effusion(canvas: _Canvas, finding: int) -> None:
    side, _, _, free = canvas.place(finding)
    level = canvas.base - 0.04 - 0.30 * _severity(canvas, free)
    meniscus = level - 0.25 * np.maximum(0, canvas.x * side - 0.36) + 0.02 * canvas.noise
    canvas.density += 0.38 * _smooth(canvas.y - meniscus, 0.08) * canvas.lungs[side]


def _nodule(canvas: _Canvas, finding: int) -> None:
    _, x, y, free = canvas.place(finding)
    radius = 0.05 + 0.03 * canvas.anatomy.places[finding][0]
    severity = 0.4 + 0.6 * _severity(canvas, free)
    canvas.density += 0.34 * severity * canvas.ellipse(x, y, radius, radius, 0.03) * canvas.lung


def _pneumothorax(canvas: _Canvas, finding: int) -> None:
    side, _, _, free = canvas.place(finding)
    depth = 0.05 + 0.13 * _severity(canvas, free)
    t = np.clip((canvas.y - canvas.anatomy.apex) / (canvas.base - canvas.anatomy.apex), 0, 1)
    edge = 0.33 + 0.11 * t + (canvas.anatomy.lung + 0.05 * t) * np.sqrt(1 - (1 - t) ** 2.6)
    outside = canvas.x * side - (edge - depth)
    air = _smooth(outside, 0.02) * canvas.lungs[side] * _smooth(0.75 - t, 0.3)
    canvas.density -= air * (0.06 + 0.05 * canvas.vessels)
    canvas.density += 0.10 * _smooth(0.014 - np.abs(outside), 0.02) * canvas.lungs[side]


def _cardiomegaly(canvas: _Canvas, finding: int) -> None:
    free = canvas.anatomy.places[finding][3]
    scale = canvas.heart_scale * (1.12 + 0.28 * _severity(canvas, free))
    grown = canvas.ellipse(0.15, 0.24, 0.36 * scale, 0.26 * scale, 0.08, canvas.anatomy.heart_tilt)
    canvas.density += 0.36 * grown * canvas.lung


def _interstitial(canvas: _Canvas, finding: int) -> None:
    free = canvas.anatomy.places[finding][3]
    mesh = np.exp(-((canvas._texture(4.3) / 0.35) ** 2)) + 0.5 * canvas.vessels
    canvas.density += 0.16 * _severity(canvas, free) * mesh * canvas.lung


def _atelectasis(canvas: _Canvas, finding: int) -> None:
    side, x, y, free = canvas.place(finding)
    tilt = side * (0.5 * canvas.anatomy.places[finding][2] - 0.25)
    plate = canvas.ellipse(x, y + 0.1, 0.22, 0.028, 0.03, tilt)
    canvas.density += 0.30 * (0.3 + 0.7 * _severity(canvas, free)) * plate * canvas.lungs[side]


# One drawing a label, in the order of the task's labels.
FINDINGS = (
    _opacity, _effusion, _nodule, _pneumothorax, _cardiomegaly, _interstitial, _atelectasis
)  # fmt: skip


def _expose(canvas: _Canvas, size: int, marker: str) -> np.ndarray:
    """Turns density into gray as a scanner does; `shift` is how far it is from the first one."""
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
    x, y = _grid(len(film))
    left, right, top, bottom = 1 - rng.uniform(0.02, 0.09 + 0.07 * min(shift, 1.0), 4)
    frame = np.minimum(np.minimum(x + left, right - x), np.minimum(y + top, bottom - y))
    return film * _smooth(frame, 0.02)


def _mark(film: np.ndarray, marker: str, rng: np.random.Generator) -> np.ndarray:
    """Burns the side marker in, as a lead letter leaves it."""
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
        findings: which of `FINDINGS` are there.
        shift: distance of the scanner from the first hospital's, 0 for the same.
        marker: letter burnt into the film.

    Returns:
        uint8 [size, size].
    """
    anatomy = _anatomy(anatomy_seed, sex, age)
    canvas = _Canvas(anatomy, image_seed, size, shift)
    _chest(canvas)
    for index, present in enumerate(findings):
        if present:
            FINDINGS[index](canvas, index)
    _haze(canvas)
    _bones(canvas)
    _leads(canvas)
    film = _expose(canvas, size, marker)
    return np.round(255 * np.clip(film, 0, 1)).astype(np.uint8)
