"""Each operation against NumPy, SciPy or Pillow."""

import colorsys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy import ndimage

from trainer_modules.augmentation import color, geometry, warp
from trainer_modules.settings import AugmentSettings


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def image(rng):
    return rng.integers(0, 256, (24, 20, 3)).astype("uint8")


@pytest.fixture
def view(rng):
    return rng.random((24, 20, 3)).astype("float32")


def planes_of(image):
    return tf.constant(image.transpose(2, 0, 1))


def pixels(planes):
    return planes.numpy().transpose(1, 2, 0)


def test_equalize_maps_the_full_range(rng):
    image = (40 + 30 * rng.random((30, 31, 3))).astype("uint8")
    found = geometry.equalize(tf.constant(image)).numpy()
    for channel in range(3):
        values = image[..., channel]
        cdf = np.cumsum(np.bincount(values.ravel(), minlength=256)).astype(np.float64)
        expected = (cdf[values] - cdf[values.min()]) / (values.size - cdf[values.min()])
        np.testing.assert_array_equal(found[..., channel], np.round(255 * expected))
    assert found.min() == 0
    assert found.max() == 255


def test_equalize_keeps_a_constant_channel_and_an_even_histogram():
    constant = np.full((4, 4, 3), 77, "uint8")
    np.testing.assert_array_equal(geometry.equalize(tf.constant(constant)), constant)
    even = np.repeat(np.arange(256, dtype="uint8").reshape(16, 16, 1), 3, axis=-1)
    np.testing.assert_array_equal(geometry.equalize(tf.constant(even)), even)


@pytest.mark.parametrize("box", [(0, 0, 24, 20), (3, 2, 15, 9)])
def test_resize_box_is_keys_cubic(image, box):
    top, left, height, width = box
    crop = image[top : top + height, left : left + width] / 255

    def matrix(count):
        rows = np.zeros((32, count))
        for out in range(32):
            center = (out + 0.5) * count / 32 - 0.5
            for tap in range(int(np.floor(center)) - 1, int(np.floor(center)) + 3):
                d = abs(center - tap)
                weight = (
                    1.5 * d**3 - 2.5 * d**2 + 1 if d <= 1 else -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
                )
                if 0 <= tap < count:
                    rows[out, tap] += weight
        return rows / rows.sum(1, keepdims=True)  # TensorFlow leaves out taps beyond the edge

    expected = np.einsum("yh,hwc,xw->yxc", matrix(height), crop, matrix(width))
    found = geometry.resize_box(tf.constant(image), tf.constant(box), 32).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-3)  # TensorFlow tabulates the kernel


def test_resize_box_smooths_where_it_shrinks(rng):
    noise = rng.integers(0, 256, (128, 128, 3)).astype("uint8")
    found = geometry.resize_box(tf.constant(noise), tf.constant([0, 0, 128, 128]), 16)
    assert found.numpy().std() < 0.4 * (noise / 255).std()


def rotated_coordinates(box, angle, size, height, width):
    """Rows and columns, in an image, of the pixels of a box cut from its rotated self."""
    top, left, box_height, box_width = box
    middle = np.array([(height - 1) / 2, (width - 1) / 2])
    y = top + (np.arange(size) + 0.5) * box_height / size - 0.5 - middle[0]
    x = left + (np.arange(size) + 0.5) * box_width / size - 0.5 - middle[1]
    y, x = np.meshgrid(y, x, indexing="ij")
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.einsum("ij,jyx->iyx", turn, np.stack([y, x])) + middle[:, None, None]


def sampled(image, coordinates):
    """SciPy's bilinear interpolation, 0 outside, of a uint8 image."""
    channels = [
        ndimage.map_coordinates(
            image[..., channel] / 255, coordinates, order=1, mode="grid-constant", cval=0
        )
        for channel in range(3)
    ]
    return np.stack(channels, axis=-1)


@pytest.mark.slow
@pytest.mark.parametrize("angle", [0.0, 0.5, -2.2, np.pi / 2])
@pytest.mark.parametrize("box", [(0, 0, 24, 20), (3, 2, 15, 9)])
def test_rotated_crop_matches_scipy(image, angle, box):
    affine = warp.rotated_box(
        tf.constant([24, 20, 3]), tf.constant(box), tf.constant(angle, tf.float32), 16
    )
    found = warp.warp(tf.constant(image), affine, None, 16).numpy()
    expected = sampled(image, rotated_coordinates(box, angle, 16, 24, 20))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_displaced_and_rotated_crop_matches_scipy(rng, image):
    box, angle = (3, 2, 15, 9), 0.4
    displacement = rng.normal(0, 2, (2, 16, 16)).astype("float32")
    affine = warp.rotated_box(
        tf.constant([24, 20, 3]), tf.constant(box), tf.constant(angle, tf.float32), 16
    )
    found = warp.warp(tf.constant(image), affine, tf.constant(displacement), 16).numpy()
    expected = sampled(image, rotated_coordinates(box, angle, 16, 24, 20) + displacement)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_rotation_by_a_quarter_turn_is_rot90(rng):
    image = rng.integers(0, 256, (16, 16, 3)).astype("uint8")
    affine = warp.rotated_box(
        tf.constant([16, 16, 3]),
        tf.constant([0, 0, 16, 16]),
        tf.constant(np.pi / 2, tf.float32),
        16,
    )
    found = warp.warp(tf.constant(image), affine, None, 16).numpy()
    np.testing.assert_allclose(found, np.rot90(image) / 255, atol=1e-4)


@pytest.mark.parametrize("pixels", [1, 4096, 4097, 30_000, 102_400, 1_000_003])
def test_pixel_buffers_have_few_lengths(pixels):
    image = tf.ones([pixels, 1, 3], tf.uint8)
    buffer = warp.pixel_buffer(image).numpy()
    length = len(buffer) // 3
    assert buffer.sum() == 3 * pixels
    assert pixels <= length <= max(1.25 * pixels, pixels + 1023)
    while length % 2 == 0:
        length //= 2
    assert length <= 7


def test_elastic_displacement_is_the_smoothed_noise():
    box, seed, sigma, size = tf.constant([5, 6, 20, 30]), tf.constant([3, 4]), 3.0, 16
    found = warp.elastic_displacement(box, seed, 2.0, sigma, size).numpy()
    nodes = [int(np.ceil(side / sigma)) + 9 for side in (20, 30)]
    noise = tf.random.stateless_uniform([2, *nodes], seed, -1, 1, alg="philox").numpy()
    for component, row, column in [(0, 0, 0), (1, 7, 3), (0, 15, 15)]:
        y, x = (row + 0.5) * 20 / size, (column + 0.5) * 30 / size
        total = 0.0
        for i, j in np.ndindex(*nodes):
            distance = (y - (i - 4) * sigma) ** 2 + (x - (j - 4) * sigma) ** 2
            total += noise[component, i, j] * np.exp(-distance / (2 * sigma**2))
        expected = 2.0 * np.sqrt(3 / np.pi) * total
        assert found[component, row, column] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("sigma", [2.0, 6.0])
def test_elastic_displacement_has_the_statistics_of_filtered_pixel_noise(rng, sigma):
    """Amplitude, and correlation over a distance, of Simard's field: noise at every pixel."""
    size, distance = 200, 4
    box = tf.constant([0, 0, size, size])
    fields = np.concatenate(
        [
            warp.elastic_displacement(box, tf.constant([seed, 0]), 5.0, sigma, size)
            for seed in range(10)
        ]
    )
    noise = rng.uniform(-1, 1, (20, size, size))
    dense = np.stack([ndimage.gaussian_filter(field, sigma, mode="wrap") for field in noise])
    dense *= 5.0 / dense.std()

    def correlation(fields):
        return np.mean(fields[:, distance:] * fields[:, :-distance]) / np.mean(fields**2)

    assert np.sqrt(np.mean(fields**2)) == pytest.approx(5.0, rel=0.05)
    assert correlation(fields) == pytest.approx(correlation(dense), abs=0.03)


def test_random_boxes_keep_area_and_aspect():
    shape = tf.constant([200, 300, 3])
    settings = AugmentSettings(crop_area=(0.2, 0.6), crop_aspect=(0.8, 1.25))
    boxes = np.array(
        [geometry.random_box(shape, tf.constant([seed, 0]), settings) for seed in range(100)]
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
def test_brightness_and_contrast(view, factor):
    bright = pixels(color.adjust_brightness(planes_of(view), factor))
    np.testing.assert_allclose(bright, view * factor, rtol=1e-6)
    mean = view.mean((0, 1))
    contrast = pixels(color.adjust_contrast(planes_of(view), factor))
    np.testing.assert_allclose(contrast, (view - mean) * factor + mean, atol=1e-5)


HEMATOXYLIN, EOSIN, RESIDUAL = np.array(
    [[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]]
)


def slide(hematoxylin, eosin, residual):
    """Transmitted light of a slide with these densities of three stains."""
    density = sum(
        np.multiply.outer(amount, stain)
        for amount, stain in zip(
            (hematoxylin, eosin, residual), (HEMATOXYLIN, EOSIN, RESIDUAL), strict=True
        )
    )
    return np.exp(-density)


def test_stain_jitter_changes_the_amount_of_each_stain(rng):
    amounts = rng.uniform(0.1, 0.8, (3, 20, 20))
    factors, offsets = np.array([1.2, 0.7, 1.1]), np.array([0.1, -0.02, 0.0])
    found = pixels(
        color.stain_jitter(
            planes_of(slide(*amounts).astype("float32")),
            tf.constant(factors, tf.float32),
            tf.constant(offsets, tf.float32),
        )
    )
    expected = slide(*(amounts * factors[:, None, None] + offsets[:, None, None]))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_stain_jitter_of_black_is_finite():
    found = color.stain_jitter(tf.zeros([3, 4, 4]), tf.ones([3]), tf.zeros([3])).numpy()
    np.testing.assert_allclose(found, 1 / 255, rtol=1e-4)


def in_hsv(image, change):
    """Applies `change(h, s, v)` to every pixel with the standard library's conversions."""
    flat = [
        colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*map(float, pixel))))
        for pixel in image.reshape(-1, 3)
    ]
    return np.array(flat).reshape(image.shape)


@pytest.mark.parametrize("factor", [0.0, 0.3, 1.0, 1.7])
def test_saturation_is_hsv(view, factor):
    view[0, :4] = [[0.5, 0.5, 0.5], [0, 0, 0], [1, 1, 1], [1, 0, 0]]
    expected = in_hsv(view, lambda h, s, v: (h, min(1.0, s * factor), v))
    found = pixels(color.adjust_saturation(planes_of(view), factor))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("turns", [-0.2, 0.0, 0.05, 0.5])
def test_hue_is_hsv(view, turns):
    view[0, :6] = [[0.5, 0.5, 0.5], [0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    expected = in_hsv(view, lambda h, s, v: ((h + turns) % 1, s, v))
    found = pixels(color.adjust_hue(planes_of(view), turns))
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_jitter_applies_and_clips_in_the_given_order(view):
    view[0, 0] = [0.9, 0.8, 0.1]
    factors = tf.constant([1.6, 0.5, 1.4, 0.1])
    found = pixels(color.color_jitter(planes_of(view), factors, tf.constant([0, 1, 2, 3])))
    step = np.clip(view.astype(np.float64) * 1.6, 0, 1)
    mean = step.mean((0, 1))
    step = np.clip((step - mean) * 0.5 + mean, 0, 1)
    step = in_hsv(step, lambda h, s, v: ((h + 0.1) % 1, min(1.0, s * 1.4), v))
    np.testing.assert_allclose(found, step, atol=2e-5)
    other = pixels(color.color_jitter(planes_of(view), factors, tf.constant([1, 0, 2, 3])))
    assert np.abs(other - found).max() > 0.05


def test_grayscale_is_luma(view):
    found = pixels(color.grayscale(planes_of(view)))
    expected = view @ [0.2989, 0.587, 0.114]
    for channel in range(3):
        np.testing.assert_allclose(found[..., channel], expected, atol=1e-6)
    as_pillow = np.asarray(Image.fromarray((view * 255).astype("uint8")).convert("L")) / 255
    np.testing.assert_allclose(found[..., 0], as_pillow, atol=0.01)


@pytest.mark.parametrize("sigma", [0.1, 0.7, 2.0])
def test_blur_matches_scipy(rng, sigma):
    image = rng.random((40, 40, 3)).astype("float32")
    found = pixels(color.gaussian_blur(planes_of(image), sigma, 8))
    for channel in range(3):
        expected = ndimage.gaussian_filter(
            image[..., channel].astype(np.float64), sigma, mode="mirror", radius=8
        )
        np.testing.assert_allclose(found[..., channel], expected, atol=1e-5)


@pytest.mark.parametrize(("size", "radius"), [(224, 8), (100, 5), (64, 3), (32, 1), (19, 0)])
def test_blur_radius(size, radius):
    assert color.blur_radius(size, 2.0) == radius
