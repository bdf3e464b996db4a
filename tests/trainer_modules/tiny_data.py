"""A tiny labeled set of 32-pixel images as TFRecords, and the arguments TFX would pass."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import types

import numpy as np
import tensorflow as tf

from schemas import features

REPOSITORY = pathlib.Path(__file__).parents[2]
SIZE = 32
MODEL = {"units": [1, 1], "root_filters": 8, "image_size": SIZE, "stem": "cifar"}
BINARY = {"kind": "binary", "labels": ["finding"]}
MULTILABEL = {"kind": "multilabel", "labels": ["edema", "Pleural Effusion"]}
MULTICLASS = {"kind": "multiclass", "labels": ["class"], "classes": ["cat", "dog", "ship"]}
PLAIN_VIEWS = {
    "crop_area": [0.5, 1.0],
    "hue": 0.0,
    "saturation": 0.0,
    "blur_probability": 0.0,
}
PRETRAIN = {
    "epochs": 2,
    "batch_size": 16,
    "projection_dim": 8,
    "temperature": 0.2,
    "optimizer": {"name": "adamw", "learning_rate": 1e-3, "scaling": "none", "warmup_epochs": 1},
    "augment": PLAIN_VIEWS,
}
FINETUNE = {
    "epochs": 2,
    "batch_size": 16,
    "optimizer": {"name": "adamw", "learning_rate": 3e-3, "scaling": "none", "warmup_epochs": 0},
    "augment": PLAIN_VIEWS | {"jitter_probability": 0.0, "grayscale_probability": 0.0},
}


def image_bytes(positive: bool, rng: np.random.Generator) -> bytes:
    """A noisy gray image, with a bright square when positive."""
    pixels = rng.integers(40, 120, (SIZE, SIZE, 1))
    if positive:
        pixels[10:22, 10:22] += 100
    return tf.io.encode_png(pixels.astype(np.uint8)).numpy()


def example(task: dict, number: int, rng: np.random.Generator) -> tf.train.Example:
    """An example whose labels follow from its number; multilabel ones lack every third label."""
    values: dict[str, bytes | float] = {
        features.IMAGE_ENCODED: image_bytes(number % 2 == 1, rng),
        features.IMAGE_ID: b"image-%d" % number,
        features.PATIENT_ID: b"patient-%d" % (number // 2),
    }
    for place, name in enumerate(task["labels"]):
        value = number % 3 if task["kind"] == "multiclass" else (number + place) % 2
        known = task["kind"] != "multilabel" or number % 3 != place
        values[features.label(name)] = float(value)
        values[features.label_weight(name)] = float(known)
    feature = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        if isinstance(value, bytes)
        else tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
        for name, value in values.items()
    }
    return tf.train.Example(features=tf.train.Features(feature=feature))


def write_split(
    folder: pathlib.Path, task: dict, count: int, seed: int = 0, shards: int = 2
) -> str:
    """Writes gzipped shards, the last one empty, and returns their pattern."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    serialized = [example(task, number, rng).SerializeToString() for number in range(count)]
    for shard in range(shards + 1):
        path = str(folder / f"data_tfrecord-{shard:05d}-of-{shards + 1:05d}.gz")
        with tf.io.TFRecordWriter(path, "GZIP") as writer:
            for record in serialized[shard::shards] if shard < shards else ():
                writer.write(record)
    return str(folder / "*")


def fn_args(
    root: pathlib.Path,
    stage: str,
    task: dict,
    settings: dict,
    train: str,
    validation: str,
    base_model: str | None = None,
) -> types.SimpleNamespace:
    """What TFX's Trainer passes to `run_fn`, as far as the trainers read it."""
    sections = {"task": task, "model": MODEL, stage: settings, "seed": 3}
    return types.SimpleNamespace(
        train_files=[train],
        eval_files=[validation],
        base_model=base_model,
        serving_model_dir=str(root / stage / "Format-Serving"),
        model_run_dir=str(root / stage / "run"),
        hyperparameters=None,
        custom_config={
            "settings": sections,
            "code_digest": "code",
            "checkpoint_root": str(root / "checkpoints"),
        },
    )


def run_python(code: str, *arguments: str, only_tensorflow: bool = False) -> dict:
    """Runs code in a process of its own and returns the JSON it prints last."""
    environment = dict(os.environ, TF_CPP_MIN_LOG_LEVEL="2")
    environment["PYTHONPATH"] = "" if only_tensorflow else str(REPOSITORY)
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=pathlib.Path(arguments[0]).parent if only_tensorflow else REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
