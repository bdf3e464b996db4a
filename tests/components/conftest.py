"""A small exported classifier, record files and SYNTHETIC predictions, shared by the tests."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from trainer_modules.settings import TaskSettings


@pytest.fixture(scope="session")
def export_classifier() -> Callable[..., str]:
    """Writes a SavedModel with the classifier's signatures; brightness is its only feature."""
    import tensorflow as tf

    def export(
        folder: Path,
        scales: Mapping[str, float],
        nan_above: float = 2.0,
        leave_out: str = "",
        serving_offset: float = 0.0,
    ) -> str:
        """Probability of a target is sigmoid(scale * (mean brightness - 0.5)).

        Args:
            folder: Where the model goes.
            scales: Scale of each target.
            nan_above: Images brighter than this (0 to 1) get NaN.
            leave_out: An output or signature to leave out.
            serving_offset: Added to the probabilities of `serving_default` alone.
        """
        module = tf.Module()
        module.scales = tf.Variable(list(scales.values()), dtype=tf.float32)

        def classify(encoded: tf.Tensor, offset: float = 0.0) -> dict[str, tf.Tensor]:
            def brightness(one: tf.Tensor) -> tf.Tensor:
                image = tf.io.decode_image(one, channels=3, expand_animations=False)
                return tf.reduce_mean(tf.cast(image, tf.float32)) / 255

            mean = tf.map_fn(brightness, encoded, fn_output_signature=tf.float32)
            mean = tf.where(mean > nan_above, float("nan"), mean)
            values = tf.sigmoid((mean[:, None] - 0.5) * module.scales[None]) + offset
            outputs = {}
            for index, target in enumerate(scales):
                outputs[target] = values[:, index : index + 1]
                outputs[f"decision/{target}"] = tf.cast(outputs[target] >= 0.5, tf.float32)
            outputs.pop(leave_out, None)
            return outputs

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="images")])
        def serving(images: tf.Tensor) -> dict[str, tf.Tensor]:
            return classify(images, serving_offset)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def examples(examples: tf.Tensor) -> dict[str, tf.Tensor]:
            spec = {"image/encoded": tf.io.FixedLenFeature([], tf.string)}
            return classify(tf.io.parse_example(examples, spec)["image/encoded"])

        signatures = {"serving_default": serving, "tf_examples": examples}
        signatures.pop(leave_out, None)
        tf.saved_model.save(module, str(folder), signatures=signatures)
        return str(folder)

    return export


@pytest.fixture(scope="session")
def write_records() -> Callable[..., str]:
    """Writes tf.Examples of plain gray images to a GZIP TFRecord file."""
    import tensorflow as tf

    def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> str:
        """Each row: `brightness` (0 to 255) and the features to store, strings or floats."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
            for row in rows:
                example = tf.train.Example()
                pixels = np.full((8, 8, 1), row["brightness"], np.uint8)
                named = {"image/encoded": tf.io.encode_png(pixels).numpy(), **row}
                named.pop("brightness")
                for name, value in named.items():
                    feature = example.features.feature[name]
                    if isinstance(value, str):
                        feature.bytes_list.value.append(value.encode())
                    elif isinstance(value, bytes):
                        feature.bytes_list.value.append(value)
                    else:
                        feature.float_list.value.append(value)
                writer.write(example.SerializeToString())
        return str(path)

    return write


@pytest.fixture(scope="session")
def make_table() -> Callable[..., pd.DataFrame]:
    """Builds predictions of one domain: patients with several images and an effect of their own."""

    def make(
        domain: str,
        targets: tuple[str, ...] = ("edema",),
        patients: int = 60,
        images: int = 2,
        strength: float = 2.0,
        known: float = 1.0,
        seed: int = 0,
    ) -> pd.DataFrame:
        random = np.random.default_rng(seed)
        size = patients * images
        number = np.repeat(np.arange(patients), images)
        table = pd.DataFrame(
            {
                "image/id": [f"{domain}-{index}" for index in range(size)],
                "patient_id": [f"{domain}-{patient}" for patient in number],
                "site": np.where(number % 2 == 0, "a", "b"),
                "domain": domain,
                "subgroup/sex": np.where(number % 4 < 2, "F", "M"),
            }
        )
        for target in targets:
            label = (number % 3 == 0).astype(float)
            effect = random.normal(size=patients)[number] * 0.5
            score = strength * (label - 0.5) + effect + random.normal(size=size) * 0.5
            table[f"label/{target}"] = label
            table[f"label/{target}/weight"] = (random.random(size) < known).astype(float)
            table[f"prediction/{target}"] = 1 / (1 + np.exp(-score))
            table[f"decision/{target}"] = (score >= 0).astype(float)
        return table

    return make


@pytest.fixture(scope="session")
def push_classifier(export_classifier) -> Callable[..., Path]:
    """Writes a version folder with the card that a run's Finetuner writes."""
    from components.image_example_gen.settings import DataSettings
    from pipeline.graph.trainer_config import ingestion_of
    from tests.made_documents import classifier_card

    def push(
        folder: Path, task: Mapping[str, Any], data: Mapping[str, Any], scale: float = 6.0
    ) -> Path:
        """Probability of a target is sigmoid(scale * (mean brightness - 0.5)).

        Args:
            folder: The version.
            task: Settings of the task.
            data: Settings of the data, without a folder.
            scale: Of every target.
        """
        settings = TaskSettings(**task)
        export_classifier(folder, dict.fromkeys(settings.targets, scale))
        read = ingestion_of(DataSettings(**({"source": "manifest", "root": "/gone"} | dict(data))))
        more = {"task": settings.model_dump(mode="json"), "ingestion": read}
        classifier_card(settings.targets).model_copy(update=more).write(folder)
        return folder

    return push
