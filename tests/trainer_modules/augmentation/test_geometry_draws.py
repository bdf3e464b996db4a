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


WHOLE = AugmentSettings(crop_area=None)


def shown(image, seed=0, **changes):
    settings = WHOLE.model_copy(update=changes)
    return geometry.random_geometry(tf.constant(image), tf.constant([seed, 5]), settings, SIDE)


def test_equalization_alone_moves_no_pixel():
    image = np.random.default_rng(0).integers(50, 90, (SIDE, SIDE, 3)).astype(np.uint8)
    expected = np.empty(image.shape)
    for channel in range(3):
        values = image[..., channel]
        below = np.searchsorted(np.sort(values.ravel()), values.ravel(), side="right")
        lowest = np.sum(values == values.min())
        share = (below - lowest) / (values.size - lowest)
        expected[..., channel] = np.round(255 * share).reshape(values.shape)
    found = 255 * shown(image, equalize_probability=1.0).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_an_operation_at_zero_leaves_the_image_alone():
    image = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
    for off in (
        {},
        {"elastic_probability": 1.0, "elastic_alpha": 0.0},
        {"elastic_probability": 0.0, "elastic_alpha": 3.0},
        {"equalize_probability": 0.0, "rotation_degrees": 0.0},
    ):
        np.testing.assert_allclose(255 * shown(image, **off).numpy(), image, atol=1e-3)


def test_rotation_alone_turns_the_image():
    ramp = np.tile(np.arange(60, 60 + 4 * SIDE, 4, dtype=np.uint8), (SIDE, 1))
    image = np.repeat(ramp[..., None], 3, -1)
    angles = []
    for seed in range(8):
        turned = 255 * shown(image, seed, rotation_degrees=30.0).numpy()[MIDDLE, MIDDLE, 0]
        down, right = (np.diff(turned, axis=axis).mean() for axis in (0, 1))
        assert np.hypot(down, right) == pytest.approx(4, abs=0.05)
        angles.append(np.degrees(np.arctan2(-down, right)))
    assert max(map(abs, angles)) < 30.1
    assert min(angles) < -5
    assert max(angles) > 5


def test_a_small_displacement_is_a_displacement():
    ramp = np.tile(np.arange(60, 60 + 4 * SIDE, 4, dtype=np.uint8), (SIDE, 1))
    image = np.repeat(ramp[..., None], 3, -1)
    moved = 255 * shown(image, elastic_probability=1.0, elastic_alpha=0.5).numpy()[MIDDLE, MIDDLE]
    # Columns of the ramp are 4 apart: half a pixel is two levels.
    distance = (moved - image[MIDDLE, MIDDLE])[..., 0] / 4
    assert 0.2 < np.sqrt(np.mean(distance**2)) < 0.9


def test_crops_may_be_small_and_stay_in_their_range():
    shape = tf.constant([300, 300, 3])
    settings = AugmentSettings(crop_area=(0.01, 0.05), crop_aspect=(1.0, 1.0))
    boxes = np.array(
        [geometry.random_box(shape, tf.constant([seed, 0]), settings) for seed in range(200)]
    )
    area = boxes[:, 2] * boxes[:, 3] / 90_000
    assert area.min() < 0.015
    assert 0.045 < area.max() < 0.052
    # In every part of the image.
    for side in (0, 1):
        low, high = boxes[:, side], boxes[:, side] + boxes[:, side + 2]
        assert low.min() < 15
        assert high.max() > 285


def test_the_crop_of_a_seed_is_the_same_with_and_without_other_operations():
    """A crop of a ramp: where it starts and how wide it is can be read off its levels."""
    ramp = np.tile(np.arange(0, 240, 2, dtype=np.uint8), (120, 1))
    image = np.repeat(ramp[..., None], 3, -1)
    for seed in range(5):
        settings = AugmentSettings(crop_area=(0.2, 0.5))
        top, left, height, width = geometry.random_box(
            tf.constant([120, 120, 3]), tf.constant([seed, 5]), settings
        ).numpy()
        columns = left + (np.arange(SIDE) + 0.5) * width / SIDE - 0.5
        for more in ({}, {"elastic_probability": 1.0, "elastic_alpha": 1e-3}):
            view = shown(image, seed, crop_area=(0.2, 0.5), **more).numpy()
            inside = slice(4, -4)  # bicubic and bilinear differ at the border
            expected = np.tile(2 * columns, (SIDE, 1))
            np.testing.assert_allclose(
                255 * view[inside, inside, 0], expected[inside, inside], atol=0.6
            )
        assert height > 0
        assert top >= 0
