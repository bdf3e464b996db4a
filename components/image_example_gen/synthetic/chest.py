"""Draws the chest of a synthetic film: tissue, air, organs, bones, wires and haze."""

from __future__ import annotations

import numpy as np

from components.image_example_gen.synthetic.canvas import Canvas, smooth


def draw_chest(canvas: Canvas) -> None:
    """Draws soft tissue, air and organs."""
    a, x, y = canvas.anatomy, canvas.x, canvas.y
    shoulder = 0.20 + (a.width - 0.20) * smooth(y + 0.80, 0.34)
    body = smooth(shoulder - np.abs(x) - 0.05 * np.maximum(0, y), 0.05)
    canvas.density += body * a.tissue * (0.50 + 0.20 * (1 - np.minimum(1, x * x)))
    below = 1 - smooth(canvas.base + 0.02 - y + 0.4 * np.abs(x) ** 2, 0.20)
    canvas.density += body * 0.30 * below
    canvas.density -= canvas.lung * a.tissue * 0.50
    hilum = np.exp(-(((np.abs(x) - 0.17) / 0.20) ** 2) - ((y + 0.10) / 0.30) ** 2)
    canvas.density += canvas.lung * canvas.vessels * (0.035 + 0.13 * hilum)
    middle = 0.10 + 0.05 * smooth(-0.45 - y, 0.3)
    canvas.density += body * 0.34 * smooth(middle - np.abs(x - 0.01), 0.10)
    _heart(canvas, canvas.heart_scale)
    canvas.density += 0.24 * canvas.ellipse(0.12, -0.33, 0.085 * a.aorta, 0.10 * a.aorta, 0.05)
    canvas.density -= 0.16 * smooth(0.035 - np.abs(x), 0.04) * smooth(-0.28 - y, 0.1) * body
    bubble = canvas.ellipse(0.34, canvas.base + 0.17, 0.13, 0.06, 0.05)
    canvas.density -= 0.22 * bubble * body
    for side in (-1, 1):
        breast = canvas.ellipse(side * 0.42, 0.30, 0.34, 0.30, 0.10)
        canvas.density += a.breast * breast * body


def draw_haze(canvas: Canvas) -> None:
    """Adds haze at the bases, as from breasts, fat and shallow breath of a patient lying down."""
    for side in (-1, 1):
        amount = 0.40 * canvas.shift * canvas.scanner_rng.random() ** 1.5
        veil = canvas.ellipse(side * 0.42, canvas.base - 0.1, 0.34, 0.42, 0.30)
        canvas.density += amount * veil * canvas.lungs[side]


def draw_leads(canvas: Canvas) -> None:
    """Draws monitoring wires and electrodes over the chest of patients filmed in bed."""
    rng = canvas.scanner_rng
    for side in (-1, 1):
        if rng.random() >= 0.5 * min(canvas.shift, 1.0):
            continue
        end_x, end_y = side * rng.uniform(0.25, 0.6), rng.uniform(-0.45, 0.35)
        canvas.density += 0.30 * canvas.ellipse(end_x, end_y, 0.05, 0.05, 0.02)
        t = np.clip((canvas.y - end_y) / (1.1 - end_y), 0, 1)
        path = end_x + rng.uniform(-0.5, 0.5) * t + rng.uniform(-0.25, 0.25) * np.sin(np.pi * t)
        wire = smooth(0.012 - np.abs(canvas.x - path), 0.02) * (canvas.y > end_y)
        canvas.density += 0.22 * wire


def _heart(canvas: Canvas, scale: float) -> None:
    tilt = canvas.anatomy.heart_tilt
    left = canvas.ellipse(0.13, 0.22, 0.36 * scale, 0.25 * scale, 0.08, tilt)
    right = canvas.ellipse(-0.09, 0.20, 0.15 * scale, 0.24 * scale, 0.07)
    canvas.density += 0.40 * np.maximum(left, right)


def draw_bones(canvas: Canvas) -> None:
    """Draws ribs, clavicles and vertebrae."""
    a, x, y = canvas.anatomy, canvas.x, canvas.y
    across = np.abs(x)
    cage = smooth(a.width - 0.06 - across, 0.06) * smooth(y + 0.86, 0.1)
    cage *= 1 - smooth(y - canvas.base - 0.10, 0.2)
    # Posterior ribs fall towards the side, the fainter anterior ones rise towards it.
    for slope, bend, weight in ((a.rib_slope, 0.5, 0.085), (-0.75, -0.35, 0.04)):
        phase = (y - slope * across - bend * across**2) / a.ribs + a.rib_phase
        wave = np.abs(phase - np.round(phase))
        canvas.density += weight * cage * smooth(0.17 - wave, 0.18)
    for side in (-1, 1):
        u = x * side
        axis = -0.66 - a.clavicle * (u - 0.1) + 0.12 * np.sin(4.2 * (u - 0.08))
        bone = smooth(0.033 - np.abs(y - axis), 0.03) * smooth(u - 0.07, 0.04)
        canvas.density += 0.13 * bone * smooth(0.80 - u, 0.1)
    discs = 0.5 + 0.5 * np.cos(2 * np.pi * (y / 0.135 + a.rib_phase))
    canvas.density += 0.09 * a.spine * discs * smooth(0.075 - np.abs(x), 0.04)
