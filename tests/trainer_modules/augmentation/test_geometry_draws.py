"""What `random_geometry` draws: angles on both sides, and a switch of its own per operation."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from trainer_modules.augmentation import geometry
from trainer_modules.settings import AugmentSettings

SEEDS = 200
SIDE = 32
MIDDLE = slice(10, 22)  # in the image at any angle that is drawn


@pytest.fixture(scope="module")
def drawn():
    """Of a ramp from left to right: its direction, its steepness and its straightness.

    Rotation turns the ramp, equalization makes it steeper (from 4 to 255 / 31 a column, and still
    straight, as every level is as frequent), elastic deformation bends it.
    """
    settings = AugmentSettings(
        crop_area=None,
        rotation_degrees=30,
        equalize_probability=0.5,
        elastic_probability=0.5,
        elastic_alpha=1.0,
    )
    ramp = np.tile(np.arange(60, 60 + 4 * SIDE, 4, dtype=np.uint8), (SIDE, 1))
    image = tf.constant(np.repeat(ramp[..., None], 3, -1))
    views = tf.data.Dataset.range(SEEDS).map(
        lambda s: geometry.random_geometry(image, tf.stack([tf.cast(s, tf.int32), 5]), settings, 32)
    )
    rows, columns = np.mgrid[MIDDLE, MIDDLE]
    design = np.stack([np.ones(rows.size), rows.ravel(), columns.ravel()], 1)
    slopes, residuals = [], []
    for view in views.as_numpy_iterator():
        values = 255.0 * view[MIDDLE, MIDDLE, 0].ravel()
        fit = np.linalg.lstsq(design, values, rcond=None)[0]
        slopes.append(fit[1:])
        residuals.append(np.abs(design @ fit - values).max())
    slopes = np.array(slopes)
    steepness = np.linalg.norm(slopes, axis=1)
    return {
        "angle": np.degrees(np.arctan2(-slopes[:, 0], slopes[:, 1])),
        "equalize": steepness > 6,
        "elastic": np.array(residuals) > 1,
    }


def test_the_angle_is_uniform_on_both_sides(drawn):
    angle = drawn["angle"][~drawn["elastic"]]  # the others are measured a little wrong
    assert angle.min() > -30.1
    assert angle.max() < 30.1
    assert stats.kstest(angle, stats.uniform(-30, 60).cdf).pvalue > 1e-3


def test_every_operation_is_switched_by_its_own_draw(drawn):
    for name in ("equalize", "elastic"):
        assert drawn[name].mean() == pytest.approx(0.5, abs=0.12), name
    for one, other in itertools.combinations(drawn, 2):
        assert abs(np.corrcoef(drawn[one], drawn[other])[0, 1]) < 4 / np.sqrt(SEEDS), (one, other)
