"""Batches: reproducible from (seed, epoch), resumable at an epoch, as the exported model sees."""

import numpy as np
import pytest
import tensorflow as tf

from tests.trainer_modules import tiny_data
from trainer_modules.input import batches as input_batches
from trainer_modules.input import records
from trainer_modules.settings import AugmentSettings, TaskSettings

BINARY = TaskSettings(**tiny_data.BINARY)
AUGMENT = AugmentSettings(
    **tiny_data.PLAIN_VIEWS, jitter_probability=0.0, grayscale_probability=0.0
)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "Split-train"
    pattern = tiny_data.write_split(folder, tiny_data.BINARY, 20)
    return records.open_labeled([pattern], BINARY, "train")[0]


def views(source, epochs, seed=0):
    dataset = input_batches.pretraining_batches(source, AUGMENT, 32, 8, seed, epochs)
    return np.stack(list(dataset.as_numpy_iterator()))


@pytest.mark.slow
def test_pretraining_views_depend_on_seed_and_epoch_alone(source):
    both = views(source, range(2))
    assert both.shape == (4, 8, 2, 32, 32, 3)
    assert both.min() >= 0
    assert both.max() <= 1
    np.testing.assert_array_equal(both, views(source, range(2)))
    np.testing.assert_array_equal(both[2:], views(source, range(1, 2)))
    assert not np.array_equal(both[:2], both[2:])
    assert not np.array_equal(both, views(source, range(2), seed=1))


def test_no_two_views_are_alike(source):
    flat = views(source, range(2)).reshape(-1, 32 * 32 * 3)
    assert len(np.unique(flat, axis=0)) == len(flat)


@pytest.mark.slow
def test_finetuning_labels_belong_to_their_images(source):
    dataset = input_batches.finetuning_batches(source, AUGMENT, 32, 8, 0, range(1))
    batches = list(dataset.as_numpy_iterator())
    assert len(batches) == input_batches.steps_per_epoch(source, 8) == 2
    for images, labels, weights in batches:
        assert images.shape == (8, 32, 32, 3)
        assert labels.shape == weights.shape == (8, 1)
        # Positive images hold a bright square.
        np.testing.assert_array_equal(images.max(axis=(1, 2, 3)) > 0.6, labels[:, 0] > 0.5)


def test_evaluation_keeps_every_image_in_stored_order(source):
    batches = list(input_batches.evaluation_batches(source, 32, 8).as_numpy_iterator())
    assert [len(batch) for batch in batches] == [8, 8, 4]
    first = next(iter(source.stored_order()))
    encoded = tf.train.Example.FromString(first.numpy()).features.feature["image/encoded"]
    expected = input_batches.evaluation_image(tf.constant(encoded.bytes_list.value[0]), 32)
    np.testing.assert_array_equal(batches[0][0], expected)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_of_any_kind_become_three_channels(channels):
    pixels = np.random.default_rng(0).integers(0, 255, (50, 40, channels)).astype(np.uint8)
    image = input_batches.decode_image(tf.io.encode_png(pixels))
    assert image.shape == (50, 40, 3)
    np.testing.assert_array_equal(image, pixels[..., :3] + np.zeros((1, 1, 3), np.uint8))
    view = input_batches.evaluation_image(tf.io.encode_png(pixels), 64)
    assert view.shape == (64, 64, 3)


def test_jpeg_is_decoded_too():
    pixels = np.full((40, 40, 3), 128, np.uint8)
    assert abs(int(input_batches.decode_image(tf.io.encode_jpeg(pixels))[0, 0, 0]) - 128) < 3
