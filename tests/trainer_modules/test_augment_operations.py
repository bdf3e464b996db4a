"""Each operation against NumPy, SciPy or Pillow."""

import colorsys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy import ndimage

from trainer_modules import augment_color, augment_geometry
from trainer_modules.settings import AugmentSettings


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def image(rng):
    return rng.random((24, 20, 3)).astype("float32")


def planes_of(image):
    return tf.constant(image.transpose(2, 0, 1))


def pixels(planes):
    return planes.numpy().transpose(1, 2, 0)


def test_equalize_maps_the_full_range(rng):
    image = (40 + 30 * rng.random((30, 31, 3))).astype("uint8")
    found = augment_geometry.equalize(tf.constant(image)).numpy()
    for channel in range(3):
        values = image[..., channel]
        cdf = np.cumsum(np.bincount(values.ravel(), minlength=256)).astype(np.float64)
        expected = (cdf[values] - cdf[values.min()]) / (values.size - cdf[values.min()])
        np.testing.assert_allclose(found[..., channel], expected, atol=1e-6)
    assert found.min() == 0
    assert found.max() == 1


def test_equalize_keeps_a_constant_channel_and_an_even_histogram():
    constant = np.full((4, 4, 3), 77, "uint8")
    found = augment_geometry.equalize(tf.constant(constant)).numpy()
    np.testing.assert_allclose(found, 77 / 255, atol=1e-6)
    even = np.repeat(np.arange(256, dtype="uint8").reshape(16, 16, 1), 3, axis=-1)
    found = augment_geometry.equalize(tf.constant(even)).numpy()
    np.testing.assert_allclose(found, even / 255, atol=1e-6)


def test_equalize_is_the_same_for_float_images(rng):
    image = rng.integers(0, 256, (9, 8, 3)).astype("uint8")
    as_float = tf.constant(image, tf.float32) / 255
    np.testing.assert_array_equal(
        augment_geometry.equalize(as_float), augment_geometry.equalize(tf.constant(image))
    )


@pytest.mark.parametrize("box", [(0, 0, 24, 20), (3, 2, 15, 9)])
def test_resize_box_is_keys_cubic(image, box):
    top, left, height, width = box
    crop = image[top : top + height, left : left + width].astype(np.float64)

    def matrix(count):
        rows = np.zeros((32, count))
        for out in range(32):
            centre = (out + 0.5) * count / 32 - 0.5
            for tap in range(int(np.floor(centre)) - 1, int(np.floor(centre)) + 3):
                d = abs(centre - tap)
                weight = (
                    1.5 * d**3 - 2.5 * d**2 + 1 if d <= 1 else -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
                )
                if 0 <= tap < count:
                    rows[out, tap] += weight
        return rows / rows.sum(1, keepdims=True)  # TensorFlow leaves out taps beyond the edge

    expected = np.einsum("yh,hwc,xw->yxc", matrix(height), crop, matrix(width))
    found = augment_geometry.resize_box(tf.constant(image), tf.constant(box), 32).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-3)  # TensorFlow tabulates the kernel


def test_resize_box_smooths_where_it_shrinks(rng):
    noise = rng.random((128, 128, 3)).astype("float32")
    found = augment_geometry.resize_box(tf.constant(noise), tf.constant([0, 0, 128, 128]), 16)
    assert found.numpy().std() < 0.4 * noise.std()


@pytest.mark.parametrize("angle", [0.0, 0.5, -2.2, np.pi / 2])
@pytest.mark.parametrize("box", [(0, 0, 24, 20), (3, 2, 15, 9)])
def test_rotated_crop_matches_scipy(image, angle, box):
    size = 16
    rows, columns = augment_geometry.rotated_box_grid(
        tf.constant([24, 20, 3]), tf.constant(box), tf.constant(angle, tf.float32), size
    )
    found = augment_geometry.sample_bilinear(tf.constant(image), rows, columns).numpy()
    top, left, height, width = box
    # The rotated image, evaluated where the crop's pixels are; rows point down.
    y = top + (np.arange(size) + 0.5) * height / size - 0.5 - 11.5
    x = left + (np.arange(size) + 0.5) * width / size - 0.5 - 9.5
    y, x = np.meshgrid(y, x, indexing="ij")
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    source = np.einsum("ij,jyx->iyx", turn, np.stack([y, x])) + np.array([11.5, 9.5])[:, None, None]
    for channel in range(3):
        expected = ndimage.map_coordinates(
            image[..., channel], source, order=1, mode="grid-constant", cval=0
        )
        np.testing.assert_allclose(found[..., channel], expected, atol=1e-4)


def test_rotation_of_a_square_by_a_quarter_turn_is_rot90(rng):
    image = rng.random((16, 16, 3)).astype("float32")
    rows, columns = augment_geometry.rotated_box_grid(
        tf.constant([16, 16, 3]),
        tf.constant([0, 0, 16, 16]),
        tf.constant(np.pi / 2, tf.float32),
        16,
    )
    found = augment_geometry.sample_bilinear(tf.constant(image), rows, columns).numpy()
    np.testing.assert_allclose(found, np.rot90(image), atol=1e-4)


@pytest.mark.parametrize("sigma", [2.0, 4.0])
def test_elastic_field_is_smoothed_noise_of_the_asked_amplitude(sigma):
    shape = tf.constant([180, 200, 3])
    seed = tf.constant([3, 4])
    field = augment_geometry.elastic_field(shape, seed, alpha=5.0, sigma=sigma).numpy()
    noise = tf.random.stateless_uniform([2, 180, 200, 1], seed, -1, 1, alg="philox").numpy()[..., 0]
    for component in range(2):
        smooth = ndimage.gaussian_filter(
            noise[component].astype(np.float64), sigma, mode="constant", truncate=3.0
        )
        expected = smooth * 5.0 * np.sqrt(3) * 2 * sigma * np.sqrt(np.pi)
        np.testing.assert_allclose(field[..., component], expected, rtol=0.02, atol=0.05)
    assert np.sqrt((field**2).mean()) == pytest.approx(5.0, rel=0.15)


def test_elastic_view_matches_scipy_map_coordinates(image):
    settings = AugmentSettings(
        elastic_probability=1.0, elastic_alpha=2.0, elastic_sigma=2.0, crop_area=None
    )
    seed = tf.constant([1, 2])
    found = augment_geometry.random_geometry(tf.constant(image), seed, settings, 24).numpy()
    field_seed = tf.random.split(seed, 3, alg="philox")[2]
    field = augment_geometry.elastic_field(tf.constant([24, 20, 3]), field_seed, 2.0, 2.0).numpy()
    y, x = np.meshgrid(np.arange(24), (np.arange(24) + 0.5) * 20 / 24 - 0.5, indexing="ij")
    moved = [
        place + ndimage.map_coordinates(field[..., i], [y, x], order=1, mode="grid-constant")
        for i, place in enumerate((y, x))
    ]
    for channel in range(3):
        expected = ndimage.map_coordinates(
            image[..., channel], moved, order=1, mode="grid-constant", cval=0
        )
        np.testing.assert_allclose(found[..., channel], expected, atol=1e-4)


def test_random_boxes_keep_area_and_aspect():
    image = tf.zeros([200, 300, 3])
    settings = AugmentSettings(crop_area=(0.2, 0.6), crop_aspect=(0.8, 1.25))
    boxes = np.array(
        [
            augment_geometry._random_box(image, tf.constant([seed, 0]), settings)
            for seed in range(100)
        ]
    )
    top, left, height, width = boxes.T
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + height <= 200).all()
    assert (left + width <= 300).all()
    area, aspect = height * width / 60_000, width / height
    assert area.min() > 0.19
    assert area.max() < 0.61
    assert area.std() > 0.05
    assert aspect.min() > 0.78
    assert aspect.max() < 1.28


@pytest.mark.parametrize("factor", [0.2, 1.0, 1.8])
def test_brightness_and_contrast(image, factor):
    bright = pixels(augment_color.adjust_brightness(planes_of(image), factor))
    np.testing.assert_allclose(bright, image * factor, rtol=1e-6)
    mean = image.mean((0, 1))
    contrast = pixels(augment_color.adjust_contrast(planes_of(image), factor))
    np.testing.assert_allclose(contrast, (image - mean) * factor + mean, atol=1e-5)


def in_hsv(image, change):
    """Applies `change(h, s, v)` to every pixel with the standard library's conversions."""
    flat = [
        colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*map(float, pixel))))
        for pixel in image.reshape(-1, 3)
    ]
    return np.array(flat).reshape(image.shape)


@pytest.mark.parametrize("factor", [0.0, 0.3, 1.0, 1.7])
def test_saturation_is_hsv(image, factor):
    image[0, :4] = [[0.5, 0.5, 0.5], [0, 0, 0], [1, 1, 1], [1, 0, 0]]
    expected = in_hsv(image, lambda h, s, v: (h, min(1.0, s * factor), v))
    found = pixels(augment_color.adjust_saturation(planes_of(image), factor))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("turns", [-0.2, 0.0, 0.05, 0.5])
def test_hue_is_hsv(image, turns):
    image[0, :6] = [[0.5, 0.5, 0.5], [0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    expected = in_hsv(image, lambda h, s, v: ((h + turns) % 1, s, v))
    found = pixels(augment_color.adjust_hue(planes_of(image), turns))
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_jitter_applies_and_clips_in_the_given_order(image):
    image[0, 0] = [0.9, 0.8, 0.1]
    factors = tf.constant([1.6, 0.5, 1.4, 0.1])
    found = pixels(augment_color.color_jitter(planes_of(image), factors, tf.constant([0, 1, 2, 3])))
    step = np.clip(image.astype(np.float64) * 1.6, 0, 1)
    mean = step.mean((0, 1))
    step = np.clip((step - mean) * 0.5 + mean, 0, 1)
    step = in_hsv(step, lambda h, s, v: ((h + 0.1) % 1, min(1.0, s * 1.4), v))
    np.testing.assert_allclose(found, step, atol=2e-5)
    other = pixels(augment_color.color_jitter(planes_of(image), factors, tf.constant([1, 0, 2, 3])))
    assert np.abs(other - found).max() > 0.05


def test_grayscale_is_luma(image):
    found = pixels(augment_color.grayscale(planes_of(image)))
    expected = image @ [0.2989, 0.587, 0.114]
    for channel in range(3):
        np.testing.assert_allclose(found[..., channel], expected, atol=1e-6)
    as_pillow = np.asarray(Image.fromarray((image * 255).astype("uint8")).convert("L")) / 255
    np.testing.assert_allclose(found[..., 0], as_pillow, atol=0.01)


@pytest.mark.parametrize("sigma", [0.1, 0.7, 2.0])
def test_blur_matches_scipy(rng, sigma):
    image = rng.random((40, 40, 3)).astype("float32")
    found = pixels(augment_color.gaussian_blur(planes_of(image), sigma, 8))
    for channel in range(3):
        expected = ndimage.gaussian_filter(
            image[..., channel].astype(np.float64), sigma, mode="mirror", radius=8
        )
        np.testing.assert_allclose(found[..., channel], expected, atol=1e-5)


@pytest.mark.parametrize(("size", "radius"), [(224, 8), (100, 5), (64, 3), (32, 1), (19, 0)])
def test_blur_radius(size, radius):
    assert augment_color.blur_radius(size, 2.0) == radius
