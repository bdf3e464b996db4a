"""Batches for pretraining, finetuning and evaluation.

Order and random views depend on (seed, epoch, position) only, so a run that resumes sees the
batches that an uninterrupted one would have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from schemas import features
from trainer_modules.augmentation import views as augmentation
from trainer_modules.input import mixup, records
from trainer_modules.input.class_weights import ClassWeights
from trainer_modules.input.patient_pairs import Cases
from trainer_modules.settings import AugmentSettings

EVALUATION_CROP = 0.875
_UNCROPPED_SIZE = 32
# Nothing here branches on a tensor by `if` or `while`, and AutoGraph would take seconds of every
# training's start.
_unconverted = tf.autograph.experimental.do_not_convert


def steps_per_epoch(source: records.Records | Cases, batch_size: int) -> int:
    """Whole batches in an epoch; the leftover examples differ from epoch to epoch."""
    return max(1, source.count // batch_size)


def pretraining_batches(
    source: records.Records | Cases,
    augment: AugmentSettings,
    size: int,
    batch_size: int,
    seed: int,
    epochs: range,
    skipped: int = 0,
) -> tf.data.Dataset:
    """Positive pairs, [B, 2, size, size, 3] in [0, 1].

    Two augmented views of each image, or of the two images of each case.
    """

    def image(serialized: tf.Tensor) -> tf.Tensor:
        return decode_image(_parse(serialized, {})[features.IMAGE_ENCODED])

    def views(first: tf.Tensor, second: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        other = key + tf.constant([0, 1], tf.int64)
        pair = [
            augmentation.augment(first, key, augment, size),
            augmentation.augment(second, other, augment, size),
        ]
        return tf.ensure_shape(tf.stack(pair), [2, size, size, 3])

    def of_image(serialized: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        decoded = image(serialized)
        return views(decoded, decoded, key)

    def of_case(serialized: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        return views(image(serialized[0]), image(serialized[1]), key)

    prepare = of_case if isinstance(source, Cases) else of_image
    return _training_batches(source, prepare, batch_size, seed, epochs, skipped)


def finetuning_batches(
    source: records.Records,
    augment: AugmentSettings,
    size: int,
    batch_size: int,
    seed: int,
    epochs: range,
    skipped: int = 0,
    *,
    class_weights: ClassWeights | None = None,
    mixup_alpha: float = 0.0,
) -> tf.data.Dataset:
    """Augmented images [B, size, size, 3], labels [B, T], weights [B, T] ([B, 1] multiclass)."""
    task = source.task

    def example(serialized: tf.Tensor, key: tf.Tensor) -> tuple[tf.Tensor, ...]:
        parsed = _parse(serialized, records.target_spec(task))
        image = decode_image(parsed[features.IMAGE_ENCODED])
        image = augmentation.augment(image, key, augment, size)
        labels, weights = records.targets(parsed, task)
        if class_weights is not None:
            weights = class_weights.apply(labels, weights)
        return tf.ensure_shape(image, [size, size, 3]), labels, weights, key

    def finish(
        images: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor, keys: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        if not mixup_alpha:
            return images, labels, weights
        # The key after that of the first image; no view is drawn from it.
        key = keys[0] + tf.constant([0, 1], tf.int64)
        return mixup.mix(
            images, labels, weights, mixup.draw_fractions(key, batch_size, mixup_alpha)
        )

    return _training_batches(source, example, batch_size, seed, epochs, skipped, finish)


def evaluation_batches(source: records.Records, size: int, batch_size: int) -> tf.data.Dataset:
    """Images [B, size, size, 3] as the exported model sees them, in stored order."""

    def example(serialized: tf.Tensor) -> tf.Tensor:
        return evaluation_image(_parse(serialized, {})[features.IMAGE_ENCODED], size)

    dataset = source.stored_order().map(_unconverted(example), num_parallel_calls=tf.data.AUTOTUNE)
    return _shardable(dataset.batch(batch_size).prefetch(2))


def first_image_size(source: records.Records) -> tuple[int, int]:
    """Height and width of the first image, as stored."""
    serialized = next(iter(source.stored_order().take(1)))
    image = decode_image(_parse(serialized, {})[features.IMAGE_ENCODED])
    return int(image.shape[0]), int(image.shape[1])


def decode_image(encoded: tf.Tensor) -> tf.Tensor:
    """PNG or JPEG bytes, gray or color, to uint8 [H, W, 3]."""
    image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    return tf.ensure_shape(image, [None, None, 3])


def evaluation_image(encoded: tf.Tensor, size: int) -> tf.Tensor:
    """The one evaluation view of a stored image."""
    return evaluation_pixels(decode_image(encoded), size)


def evaluation_pixels(pixels: tf.Tensor, size: int) -> tf.Tensor:
    """The same of its pixels: a central crop (over 32 pixels), resized."""
    crop = EVALUATION_CROP if size > _UNCROPPED_SIZE else 1.0
    view = augmentation.evaluation_view(pixels, size, crop)
    return tf.ensure_shape(view, [size, size, 3])


def _training_batches(
    source: records.Records | Cases,
    prepare: Callable[[tf.Tensor, tf.Tensor], object],
    batch_size: int,
    seed: int,
    epochs: range,
    skipped: int = 0,
    finish: Callable[..., object] | None = None,
) -> tf.data.Dataset:
    """All epochs as one stream, so that prefetching does not stop at the end of an epoch.

    Skips the first `skipped` batches of the first epoch. `finish` is applied to batches.
    """
    kept = steps_per_epoch(source, batch_size) * batch_size

    @_unconverted
    def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        # Positions are doubled, so that the second view of an image has its own key.
        def with_key(position: tf.Tensor, serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return serialized, tf.stack([seed * 1_000_003 + epoch, 2 * position])

        done = tf.where(epoch == epochs.start, tf.constant(skipped * batch_size, tf.int64), 0)
        numbered = source.shuffled(seed, epoch).take(kept).enumerate()
        return numbered.skip(done).map(with_key)

    dataset = tf.data.Dataset.range(epochs.start, epochs.stop).flat_map(one_epoch)
    dataset = dataset.map(_unconverted(prepare), num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.batch(batch_size, drop_remainder=True)
    if finish is not None:
        dataset = dataset.map(_unconverted(finish), num_parallel_calls=tf.data.AUTOTUNE)
    return _shardable(dataset.prefetch(2))


def _parse(serialized: tf.Tensor, spec: Mapping[str, Any]) -> dict[str, tf.Tensor]:
    image = {features.IMAGE_ENCODED: tf.io.FixedLenFeature([], tf.string)}
    return tf.io.parse_single_example(serialized, {**image, **spec})


def _shardable(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Gives each replica its part of every batch, even if there are fewer files than replicas."""
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return dataset.with_options(options)
