"""Views as a whole: seeds, ranges, gray, order, switches, eagerly and inside tf.data."""

import numpy as np
import pytest
import tensorflow as tf

from trainer_modules.augmentation.views import augment, evaluation_view
from trainer_modules.settings import AugmentSettings

EVERYTHING = AugmentSettings(
    equalize_probability=0.5,
    elastic_probability=0.5,
    elastic_alpha=2.0,
    elastic_sigma=3.0,
    rotation_degrees=45,
)
OFF = AugmentSettings(
    crop_area=None,
    flip_probability=0,
    jitter_probability=0,
    grayscale_probability=0,
    blur_probability=0,
)


def picture(height=50, width=40, seed=0):
    """A smooth color image with noise, uint8."""
    rng = np.random.default_rng(seed)
    coarse = tf.image.resize(rng.random((5, 4, 3)), (height, width), "bicubic").numpy()
    return np.clip(255 * coarse + rng.normal(0, 5, coarse.shape), 0, 255).astype("uint8")


def gray_picture():
    return np.repeat(picture()[..., :1], 3, axis=-1)


@pytest.mark.slow
def test_seeds_decide_the_view_eagerly_and_in_tf_data():
    image = tf.constant(picture())

    def view(seed):
        return augment(image, tf.stack([7, seed]), EVERYTHING, 32)

    data = tf.data.Dataset.range(6).map(lambda s: view(tf.cast(s, tf.int32)), 2)
    in_data = np.stack(list(data.as_numpy_iterator()))
    eagerly = np.stack([view(seed).numpy() for seed in range(6)])
    np.testing.assert_allclose(in_data, eagerly, atol=1e-5)
    np.testing.assert_array_equal(in_data, np.stack(list(data.as_numpy_iterator())))
    assert in_data.shape == (6, 32, 32, 3)
    assert in_data.dtype == np.float32
    assert in_data.min() >= 0
    assert in_data.max() <= 1
    for first in range(6):
        for second in range(first):
            assert np.abs(in_data[first] - in_data[second]).mean() > 0.01


def test_gray_stays_gray():
    for seed in range(12):
        view = augment(tf.constant(gray_picture()), tf.constant([seed, 1]), EVERYTHING, 32).numpy()
        np.testing.assert_allclose(view[..., 0], view[..., 1], atol=1e-6)
        np.testing.assert_allclose(view[..., 0], view[..., 2], atol=1e-6)


def test_float_and_uint8_give_the_same_view():
    image = picture()
    as_float = tf.constant(image, tf.float32) / 255
    for seed in range(4):
        found = augment(tf.constant(image), tf.constant([seed, 0]), EVERYTHING, 32)
        expected = augment(as_float, tf.constant([seed, 0]), EVERYTHING, 32)
        np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-4)


def test_everything_off_is_a_plain_resize():
    image = picture(32, 32)
    view = augment(tf.constant(image), tf.constant([0, 0]), OFF, 32).numpy()
    np.testing.assert_allclose(view, image / 255, atol=1e-6)


def share(settings, changed, count=200):
    """Share of seeds whose view satisfies `changed(view, image)`."""
    image = tf.constant(picture(32, 32))
    data = tf.data.Dataset.range(count).map(
        lambda s: augment(image, tf.stack([tf.cast(s, tf.int32), 3]), settings, 32), 2
    )
    plain = image.numpy() / 255
    return np.mean([changed(view, plain) for view in data.as_numpy_iterator()])


def differs(view, plain):
    return np.abs(view - plain).max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "changed", "probability"),
    [
        ({"flip_probability": 0.5}, differs, 0.5),
        ({"flip_probability": 1.0}, lambda v, p: np.abs(v - p[:, ::-1]).max() < 1e-5, 1.0),
        ({"jitter_probability": 0.8}, differs, 0.8),
        ({"grayscale_probability": 0.2}, lambda v, p: np.ptp(v, axis=-1).max() < 1e-5, 0.2),
        ({"blur_probability": 0.5, "blur_sigma": (1.0, 2.0)}, differs, 0.5),
        ({"equalize_probability": 0.3}, differs, 0.3),
        ({"elastic_probability": 0.6, "elastic_alpha": 2.0}, differs, 0.6),
        ({"rotation_degrees": 20.0}, differs, 1.0),
        ({"stain": 0.1}, differs, 1.0),
        ({"crop_area": (0.08, 0.9)}, differs, 1.0),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_each_operation_has_its_own_switch(change, changed, probability):
    found = share(OFF.model_copy(update=change), changed)
    assert found == pytest.approx(
        probability, abs=3.5 * np.sqrt(0.25 / 200) if probability < 1 else 0
    )


@pytest.mark.slow
def test_the_blur_of_every_image_has_its_own_sigma():
    settings = OFF.model_copy(update={"blur_probability": 1.0, "blur_sigma": (0.5, 2.0)})
    image = tf.constant(picture(48, 48))
    batch = tf.data.Dataset.range(8).map(
        lambda s: augment(image, tf.stack([s, tf.constant(0, tf.int64)]), settings, 48)
    )
    sharpness = [np.abs(np.diff(view, axis=0)).mean() for view in batch.as_numpy_iterator()]
    assert len(set(sharpness)) == 8


@pytest.mark.parametrize(
    ("shape", "fraction", "box"),
    [
        ((64, 64), 0.875, (4, 4, 56, 56)),
        ((60, 100), 0.5, (15, 35, 30, 30)),
        ((100, 60), 0.5, (35, 15, 30, 30)),
        ((50, 40), 1.0, (0, 0, 50, 40)),
    ],
)
def test_evaluation_view_cuts_the_center(shape, fraction, box):
    image = picture(*shape)
    top, left, height, width = box
    crop = image[top : top + height, left : left + width] / 255
    expected = tf.image.resize(crop, (32, 32), "bicubic", antialias=True).numpy().clip(0, 1)
    found = evaluation_view(tf.constant(image), 32, fraction).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_evaluation_view_of_the_view_s_own_size_is_the_image():
    image = picture(32, 32)
    np.testing.assert_allclose(
        evaluation_view(tf.constant(image), 32, 1.0).numpy(), image / 255, atol=1e-5
    )
