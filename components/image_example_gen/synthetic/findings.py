"""Draws the findings of a synthetic film, each with a place, a form and a severity."""

from __future__ import annotations

import numpy as np

from components.image_example_gen.synthetic.canvas import Canvas, smooth


def _severity(canvas: Canvas, free: float) -> float:
    """From hardly visible to obvious: limits how well anyone can read these films."""
    milder = 1 - 0.3 * min(canvas.shift, 2.0)
    # In one patient of ten a finding is hardly visible; in the others it is clear enough to learn.
    plain = 0.12 if free < 0.1 else 0.75 + 0.55 * free
    return plain * milder * canvas.finding_rng.uniform(0.8, 1.2)


def _opacity(canvas: Canvas, finding: int) -> None:
    side, x, y, free = canvas.place(finding)
    radius = 0.17 + 0.13 * canvas.anatomy.places[finding][2]
    dx, dy = canvas.x - x, (canvas.y - y) * 0.8
    distance = np.sqrt(dx * dx + dy * dy) / radius
    patch = smooth(1 - distance + 0.30 * canvas.noise, 0.9)
    canvas.density += 0.33 * _severity(canvas, free) * patch * canvas.lungs[side]


def _effusion(canvas: Canvas, finding: int) -> None:
    side, _, _, free = canvas.place(finding)
    level = canvas.base - 0.04 - 0.30 * _severity(canvas, free)
    meniscus = level - 0.25 * np.maximum(0, canvas.x * side - 0.36) + 0.02 * canvas.noise
    canvas.density += 0.38 * smooth(canvas.y - meniscus, 0.08) * canvas.lungs[side]


def _nodule(canvas: Canvas, finding: int) -> None:
    _, x, y, free = canvas.place(finding)
    radius = 0.05 + 0.03 * canvas.anatomy.places[finding][0]
    severity = 0.4 + 0.6 * _severity(canvas, free)
    canvas.density += 0.34 * severity * canvas.ellipse(x, y, radius, radius, 0.03) * canvas.lung


def _pneumothorax(canvas: Canvas, finding: int) -> None:
    side, _, _, free = canvas.place(finding)
    depth = 0.05 + 0.13 * _severity(canvas, free)
    t = np.clip((canvas.y - canvas.anatomy.apex) / (canvas.base - canvas.anatomy.apex), 0, 1)
    edge = 0.33 + 0.11 * t + (canvas.anatomy.lung + 0.05 * t) * np.sqrt(1 - (1 - t) ** 2.6)
    outside = canvas.x * side - (edge - depth)
    air = smooth(outside, 0.02) * canvas.lungs[side] * smooth(0.75 - t, 0.3)
    canvas.density -= air * (0.06 + 0.05 * canvas.vessels)
    canvas.density += 0.10 * smooth(0.014 - np.abs(outside), 0.02) * canvas.lungs[side]


def _cardiomegaly(canvas: Canvas, finding: int) -> None:
    free = canvas.anatomy.places[finding][3]
    scale = canvas.heart_scale * (1.12 + 0.28 * _severity(canvas, free))
    grown = canvas.ellipse(0.15, 0.24, 0.36 * scale, 0.26 * scale, 0.08, canvas.anatomy.heart_tilt)
    canvas.density += 0.36 * grown * canvas.lung


def _interstitial(canvas: Canvas, finding: int) -> None:
    free = canvas.anatomy.places[finding][3]
    mesh = np.exp(-((canvas.texture(4.3) / 0.35) ** 2)) + 0.5 * canvas.vessels
    canvas.density += 0.16 * _severity(canvas, free) * mesh * canvas.lung


def _atelectasis(canvas: Canvas, finding: int) -> None:
    side, x, y, free = canvas.place(finding)
    tilt = side * (0.5 * canvas.anatomy.places[finding][2] - 0.25)
    plate = canvas.ellipse(x, y + 0.1, 0.22, 0.028, 0.03, tilt)
    canvas.density += 0.30 * (0.3 + 0.7 * _severity(canvas, free)) * plate * canvas.lungs[side]


# One drawing per label, in the order of the task's labels.
FINDINGS = (
    _opacity, _effusion, _nodule, _pneumothorax, _cardiomegaly, _interstitial, _atelectasis
)  # fmt: skip
