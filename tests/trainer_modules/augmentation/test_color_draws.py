"""What `random_finish` draws: each change uniform over its whole range, each switch on its own.

Everything is measured on the finished views, with views on which each operation shows alone.
"""

import colorsys
import itertools

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from trainer_modules.augmentation import color
from trainer_modules.settings import AugmentSettings

SEEDS = 400
SIDE = 20
RGB_OF_STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
SWITCHES = ("flip", "jitter", "grayscale", "blur")


def finished(view, **settings):
    """One finished view per seed, float64."""
    settings = AugmentSettings(**settings)
    view = tf.constant(view, tf.float32)
    views = [color.random_finish(view, tf.constant([s, 11]), settings) for s in range(SEEDS)]
    return np.stack(views).astype(np.float64)


def halves(left, right):
    """A view of two colors, side by side."""
    view = np.empty((SIDE, SIDE, 3))
    view[:, : SIDE // 2], view[:, SIDE // 2 :] = left, right
    return view


def assert_uniform(values, low, high):
    """Kolmogorov-Smirnov: another range, or one side of it alone, has a p-value of about 0."""
    assert np.min(values) >= low - 1e-4
    assert np.max(values) <= high + 1e-4
    assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 1e-3


def assert_unrelated(drawn):
    """No two of them are correlated beyond chance."""
    for one, other in itertools.combinations(drawn, 2):
        assert abs(np.corrcoef(drawn[one], drawn[other])[0, 1]) < 4 / np.sqrt(SEEDS), (one, other)


JITTER = {
    "flip_probability": 0,
    "grayscale_probability": 0,
    "blur_probability": 0,
    "jitter_probability": 1,
    "brightness": 0.4,
    "contrast": 0.7,
    "saturation": 0.5,
    "hue": 0.2,
}
RED = (0.5, 0.3, 0.3)


@pytest.fixture(scope="module")
def jitters():
    """The four changes of each seed. One color has no contrast, and gray neither hue nor
    saturation, so each shows whatever the order; nothing is clipped."""
    red = finished(halves(RED, RED), **JITTER)[:, 0, 0]
    hue, saturation, value = np.array([colorsys.rgb_to_hsv(*pixel) for pixel in red]).T
    gray = finished(halves(0.4, 0.6), **JITTER)[..., 0]
    low, high = gray[:, 0, 0], gray[:, 0, -1]
    return {
        "brightness": value / 0.5,
        "contrast": (high - low) / (high + low) / 0.2,
        "saturation": saturation / 0.4,
        "hue": (hue + 0.5) % 1 - 0.5,
    }


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("brightness", 0.6, 1.4),
        ("contrast", 0.3, 1.7),
        ("saturation", 0.5, 1.5),
        ("hue", -0.2, 0.2),
    ],
)
def test_jitter_is_uniform_on_both_sides(jitters, name, low, high):
    assert_uniform(jitters[name], low, high)


def test_jitters_are_drawn_apart(jitters):
    assert_unrelated(jitters)


def in_hsv(pixels, turns, factor):
    changed = []
    for pixel in pixels:
        hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
        changed.append(colorsys.hsv_to_rgb((hue + turns) % 1, min(1, saturation * factor), value))
    return np.array(changed)


STEPS = {
    "brightness": lambda pixels, factor: pixels * factor,
    "contrast": lambda pixels, factor: (pixels - pixels.mean(0)) * factor + pixels.mean(0),
    "saturation": lambda pixels, factor: in_hsv(pixels, 0, factor),
    "hue": lambda pixels, turns: in_hsv(pixels, turns, 1),
}


def test_jitters_come_in_every_order(jitters):
    colors = np.array([[0.9, 0.2, 0.1], [0.3, 0.7, 0.8]])
    views = finished(halves(*colors), **JITTER)
    counts = dict.fromkeys(itertools.permutations(STEPS), 0)
    for seed, found in enumerate(views[:, 0, [0, -1]]):
        distance = {}
        for order in counts:
            pixels = colors
            for name in order:
                pixels = np.clip(STEPS[name](pixels, jitters[name][seed]), 0, 1)
            distance[order] = np.abs(pixels - found).max()
        # Some orders have the same result; one of them is as good as the other.
        best = min(distance, key=distance.get)
        assert distance[best] < 1e-3
        counts[best] += distance[best] < 1e-4
    for name in STEPS:
        first = sum(count for order, count in counts.items() if order[0] == name)
        assert first > SEEDS / 10, counts


@pytest.fixture(scope="module")
def switches():
    """Which operations each seed has, and the width of its blur."""
    settings = {
        "flip_probability": 0.5,
        "jitter_probability": 0.5,
        "grayscale_probability": 0.5,
        "blur_probability": 0.5,
        "blur_sigma": (0.5, 1.5),
        "brightness": 0.4,
        "contrast": 0,
        "saturation": 0,
        "hue": 0,
    }
    red = finished(halves(RED, RED), **settings)[:, 0, 0]
    luma = red @ [0.2989, 0.587, 0.114] / (np.array(RED) @ [0.2989, 0.587, 0.114])
    dot = np.zeros((SIDE, SIDE, 3))
    dot[5, 7] = 0.5
    row = finished(dot, **settings)[:, 5, :, 0]
    flipped = row.argmax(1) == SIDE - 1 - 7
    beside = np.where(flipped, row[:, SIDE - 1 - 8], row[:, 8]) / row.max(1)
    drawn = {
        "flip": flipped,
        "jitter": np.abs(luma - 1) > 1e-4,
        "grayscale": np.ptp(red, axis=1) < 1e-6,
        "blur": beside > 0,
    }
    # A Gaussian's value one pixel from its top is exp(-1 / (2 sigma^2)) of it.
    sigma = np.sqrt(-0.5 / np.log(np.where(drawn["blur"], beside, 0.5)))
    return drawn, sigma, luma


def test_every_operation_is_switched_by_its_own_draw(switches):
    drawn = switches[0]
    for name in SWITCHES:
        assert drawn[name].mean() == pytest.approx(0.5, abs=0.1), name
    assert_unrelated(drawn)


@pytest.mark.parametrize(("name", "low", "high"), [("blur", 0.5, 1.5), ("jitter", 0.6, 1.4)])
def test_what_is_switched_on_is_drawn_apart_from_all_switches(switches, name, low, high):
    drawn, sigma, brightness = switches
    on = drawn[name]
    values = (sigma if name == "blur" else brightness)[on]
    assert_uniform(values, low, high)
    for other in set(SWITCHES) - {name}:
        assert abs(np.corrcoef(values, drawn[other][on])[0, 1]) < 4 / np.sqrt(on.sum()), other


def test_stains_change_uniformly_on_both_sides_and_apart():
    """From two places with known stains: a factor and an offset for each stain."""
    amounts = np.array([[0.2, 0.3, 0.25], [0.5, 0.6, 0.4]])
    views = finished(
        halves(*np.exp(-amounts @ RGB_OF_STAINS)),
        stain=0.15,
        flip_probability=0,
        jitter_probability=0,
        grayscale_probability=0,
        blur_probability=0,
    )
    found = -np.log(views[:, 0, [0, -1]]) @ np.linalg.inv(RGB_OF_STAINS)
    factors = (found[:, 1] - found[:, 0]) / (amounts[1] - amounts[0])
    offsets = found[:, 0] - factors * amounts[0]
    drawn = {}
    for stain in range(3):
        # Where a view would be brighter than white it is clipped; these stains are dense enough.
        assert_uniform(factors[:, stain], 0.85, 1.15)
        assert_uniform(offsets[:, stain], -0.15, 0.15)
        drawn |= {f"factor {stain}": factors[:, stain], f"offset {stain}": offsets[:, stain]}
    assert_unrelated(drawn)
