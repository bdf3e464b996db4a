"""The reduction in the graph against Pillow's, pixel by pixel."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from trainer_modules.serving.shrink import shrink

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("longest", [16, 47, 64, 224])
def test_every_pixel_is_pillows(longest):
    rng = np.random.default_rng(longest)
    for _ in range(12):
        height, width = rng.integers(8, 700, 2)
        # Noise of two values: weights at the ends of the range, where results are clipped.
        channels = rng.choice([1, 3])
        pixels = rng.choice(np.array([0, 255, 128], np.uint8), (height, width, channels))
        pixels = np.repeat(pixels, 3 // channels, axis=2)
        most = max(height, width)
        found = shrink(tf.constant(pixels), longest).numpy()
        if most <= longest:
            np.testing.assert_array_equal(found, pixels)
            continue
        size = [max(1, round(int(side) * longest / int(most))) for side in (width, height)]
        expected = Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)
        np.testing.assert_array_equal(found, np.asarray(expected))


def test_a_needle_keeps_a_pixel_of_width_and_zero_changes_nothing():
    pixels = np.random.default_rng(1).integers(0, 256, (900, 9, 3), np.uint8)
    expected = Image.fromarray(pixels).resize((1, 32), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(shrink(tf.constant(pixels), 32).numpy(), np.asarray(expected))
    assert shrink(tf.constant(pixels), 0).shape == (900, 9, 3)
