"""Finetuning step of the Finetuner against a plain Keras loop on the same network and batches.

    .venv/bin/python benchmarks/bench_finetune_step.py

`ours` is the training loop's `fit` with the Finetuner's network, masked loss and optimizer, as in a
run. `plain` is `model.fit` of the same backbone with a dense layer, Keras' own binary cross-entropy
and SGD. Both take the same batches from memory, and their epochs alternate. The ratio of the
medians is above 1 if ours is slower.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def made_batches(args: argparse.Namespace):
    """One batch of synthetic images, labels and weights, repeated."""
    import numpy as np
    import tensorflow as tf

    rng = np.random.default_rng(0)
    images = rng.random((args.batch, args.size, args.size, 3), np.float32)
    labels = rng.integers(0, 2, (args.batch, 1)).astype(np.float32)
    batch = (images, labels, np.ones_like(labels))
    return tf.data.Dataset.from_tensors(batch).cache().repeat().prefetch(2)


def backbone_of(args: argparse.Namespace):
    """The network of both."""
    from trainer_modules.backbones.registry import build_backbone
    from trainer_modules.settings import ModelSettings

    units = tuple(args.units)
    return build_backbone(
        ModelSettings(units=units, root_filters=args.root_filters, image_size=args.size)
    )


def ours(args: argparse.Namespace, data) -> list[float]:
    """Seconds per step of the Finetuner's loop, by epoch."""
    from trainer_modules.settings import OptimizerSettings, TaskSettings
    from trainer_modules.supervised.classifier import Classifier
    from trainer_modules.training import checkpoint, loop, optimizers

    model = Classifier(backbone_of(args), TaskSettings(labels=("finding",)))
    settings = OptimizerSettings(name="sgd", learning_rate=0.003, scaling="none", weight_decay=0)
    epochs = args.rounds + 1
    optimizer = optimizers.build_optimizer(settings, args.batch, args.steps, epochs)
    model.compile(optimizer, jit_compile=False)
    plan = loop.Plan("finetune", epochs, args.steps, args.batch)
    with tempfile.TemporaryDirectory() as folder:
        store = checkpoint.CheckpointStore(folder, "bench")
        history = loop.fit(model, lambda *_: data, plan, store, Path(folder))
    # The first epoch compiles.
    return [epoch["seconds"] / args.steps for epoch in history.epochs[1:]]


def plain(args: argparse.Namespace, data) -> list[float]:
    """Seconds per step of a plain Keras loop, by epoch."""
    import keras

    encoder = backbone_of(args)
    model = keras.Model(encoder.input, keras.layers.Dense(1, dtype="float32")(encoder.output))
    model.compile(
        keras.optimizers.SGD(0.003, momentum=0.9),
        keras.losses.BinaryCrossentropy(from_logits=True),
        jit_compile=False,
    )
    seconds = []

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.start = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            seconds.append((time.perf_counter() - self.start) / args.steps)

    model.fit(
        data,
        steps_per_epoch=args.steps,
        epochs=args.rounds + 1,
        verbose=0,
        callbacks=[Clock()],
    )
    return seconds[1:]


def main() -> int:
    """Prints milliseconds per step, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    defaults = (("batch", 64), ("size", 64), ("root-filters", 16), ("steps", 10), ("rounds", 3))
    for name, default in defaults:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--units", type=int, nargs="+", default=[2, 2, 2, 2])
    parser.add_argument("--repeats", type=int, default=2, help="how often the two alternate")
    args = parser.parse_args()
    from trainer_modules.training.tensorflow_start import import_tensorflow

    import_tensorflow()
    data = made_batches(args)
    found: dict[str, list[float]] = {"ours": [], "plain": []}
    for _ in range(args.repeats):
        found["plain"] += plain(args, data)
        found["ours"] += ours(args, data)
    middle = {name: statistics.median(seconds) for name, seconds in found.items()}
    print(f"finetuning step, {args.size} px, batch {args.batch}, {os.cpu_count()} cores")
    for name, seconds in middle.items():
        print(f"{name:6}{1000 * seconds:8.1f} ms  (best {1000 * min(found[name]):.1f})")
    print(f"ratio ours / plain {middle['ours'] / middle['plain']:.3f}")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(REPOSITORY))
    sys.exit(main())
