"""Two 224 px views per example from 320 px JPEG: ours, and the same with TensorFlow's image ops.

    .venv/bin/python benchmarks/bench_augmentation.py

`tf.image` is the recipe of the SimCLR reference in its plain form: crop, bicubic resize, flip,
jitter in random order, grayscale, blur by two depthwise convolutions, one operation at a time.
Both include decoding. Images are synthetic: smooth color with noise.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from trainer_modules.training.tensorflow_start import import_tensorflow, prefer_onednn

SIDE, VIEW, BATCH = 320, 224, 16


def synthetic_jpegs(count: int = 64) -> list[bytes]:
    """JPEG files of about 33 kB."""
    import numpy as np
    import tensorflow as tf

    rng = np.random.default_rng(0)
    files = []
    for _ in range(count):
        smooth = tf.image.resize(rng.random((20, 20, 3)), (SIDE, SIDE), "bicubic").numpy()
        pixels = np.clip(255 * smooth + rng.normal(0, 6, smooth.shape), 0, 255)
        files.append(tf.io.encode_jpeg(pixels.astype("uint8"), quality=90).numpy())
    return files


def plain_view(image, seed):
    """One view of the SimCLR recipe with operations of tf.image."""
    import tensorflow as tf

    image = tf.image.convert_image_dtype(image, tf.float32)
    begin, extent, _ = tf.image.stateless_sample_distorted_bounding_box(
        tf.shape(image),
        tf.constant([[[0.0, 0.0, 1.0, 1.0]]]),
        seed,
        min_object_covered=0.0,
        aspect_ratio_range=(3 / 4, 4 / 3),
        area_range=(0.08, 1.0),
        max_attempts=100,
    )
    view = tf.image.resize(tf.slice(image, begin, extent), (VIEW, VIEW), "bicubic")
    view = tf.image.stateless_random_flip_left_right(view, seed)
    draws = tf.random.stateless_uniform([4], seed)

    def jitter(view):
        operations = (
            lambda x: x * tf.random.stateless_uniform([], seed, 0.2, 1.8),
            lambda x: tf.image.stateless_random_contrast(x, 0.2, 1.8, seed),
            lambda x: tf.image.stateless_random_saturation(x, 0.2, 1.8, seed),
            lambda x: tf.image.stateless_random_hue(x, 0.2, seed),
        )
        order = tf.argsort(tf.random.stateless_uniform([4], seed + 1))
        for step in range(4):
            branches = [lambda f=f, x=view: f(x) for f in operations]
            view = tf.clip_by_value(tf.switch_case(order[step], branches), 0.0, 1.0)
        return view

    def gray(view):
        return tf.tile(tf.image.rgb_to_grayscale(view), (1, 1, 3))

    def blur(view):
        radius = VIEW // 10 // 2
        sigma = tf.random.stateless_uniform([], seed + 2, 0.1, 2.0)
        taps = tf.exp(-tf.square(tf.range(-radius, radius + 1, dtype=tf.float32) / sigma) / 2)
        taps = tf.tile((taps / tf.reduce_sum(taps))[:, None, None, None], (1, 1, 3, 1))
        view = tf.nn.depthwise_conv2d(view[None], taps, [1] * 4, "SAME")
        taps = tf.transpose(taps, (1, 0, 2, 3))
        return tf.nn.depthwise_conv2d(view, taps, [1] * 4, "SAME")[0]

    view = tf.clip_by_value(view, 0.0, 1.0)
    for draw, probability, operation in (
        (draws[0], 0.8, jitter),
        (draws[1], 0.2, gray),
        (draws[2], 0.5, blur),
    ):
        view = tf.cond(draw < probability, lambda f=operation, x=view: f(x), lambda x=view: x)
    return tf.ensure_shape(view, (VIEW, VIEW, 3))


def speed(view: Callable, files: list[bytes], examples: int, threads: int) -> tuple[float, float]:
    """Examples (two views each) per second, and per second of CPU time per thread."""
    import tensorflow as tf

    def both(position, encoded):
        image = tf.io.decode_image(encoded, 3, expand_animations=False)
        image = tf.ensure_shape(image, (None, None, 3))
        seed = tf.stack([tf.constant(7, tf.int64), 4 * position])
        return tf.stack([view(image, seed), view(image, seed + tf.constant([0, 2], tf.int64))])

    data = tf.data.Dataset.from_tensor_slices(tf.constant(files)).repeat().enumerate()
    batches = iter(data.map(both, num_parallel_calls=threads).batch(BATCH).prefetch(1))
    for _ in range(4):
        next(batches)
    steps = examples // BATCH
    elapsed, processor = time.perf_counter(), time.process_time()
    for _ in range(steps):
        next(batches)
    elapsed = time.perf_counter() - elapsed
    processor = time.process_time() - processor
    return steps * BATCH / elapsed, threads * steps * BATCH / processor


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=800)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    prefer_onednn()
    import_tensorflow()
    from trainer_modules.augmentation.views import augment
    from trainer_modules.settings import AugmentSettings

    default = AugmentSettings()
    rotation = {"rotation_degrees": 45.0}
    # Applied to every view, so that their full cost is measured.
    equalize = {"equalize_probability": 1.0}
    elastic = {"elastic_probability": 1.0, "elastic_alpha": 2.0}
    rows: dict[str, Callable] = {"tf.image, simclr": plain_view}
    for name, change in (
        ("simclr", {}),
        ("simclr, no blur", {"blur_probability": 0.0}),
        ("+ rotation", rotation),
        ("+ equalization", equalize),
        ("+ elastic", elastic),
        ("+ all three", rotation | equalize | elastic),
    ):
        settings = default.model_copy(update=change)
        rows[f"ours, {name}"] = lambda image, seed, s=settings: augment(image, seed, s, VIEW)
    files = synthetic_jpegs()
    print(f"two {VIEW} px views per example, {args.threads} threads; cost: CPU time, ours = 1")
    print(f"{'':24}{'examples/s':>12}{'by CPU time':>13}{'cost':>8}")
    found = {name: speed(view, files, args.examples, args.threads) for name, view in rows.items()}
    ours = found["ours, simclr"][1]
    for name, (elapsed, processor) in found.items():
        print(f"{name:24}{elapsed:12.0f}{processor:13.0f}{ours / processor:8.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
