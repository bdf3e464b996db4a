"""Streaming inference with an exported classifier: record files in, columns of a batch out.

The Predictor uses it for the candidate and ModelGate for the last pushed model, so both are judged
on numbers computed in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from components.predictor.signatures import load_signature
from schemas import features
from schemas.errors import InputError
from trainer_modules.settings import TaskSettings

BATCH_SIZE = 32

Columns = dict[str, np.ndarray]


class ExamplesModel:
    """An exported classifier called through its `tf_examples` signature."""

    def __init__(self, model_dir: str, targets: Sequence[str] | None = None):
        """Loads the model and checks that it returns a probability and a decision per target.

        Args:
            model_dir: Folder of a SavedModel.
            targets: Names of the outputs that the task requires; None: every output with a
                decision.

        Raises:
            InputError: The folder does not hold a readable SavedModel, or the signature or one of
                its outputs is missing.
        """
        self._where = f"model '{model_dir}'"
        self._model, self._signature = load_signature(
            model_dir, (features.EXAMPLES_SIGNATURE,), "serialized tf.Examples to probabilities"
        )
        self.targets = self._decided() if targets is None else tuple(targets)
        self._check_outputs()

    def predict(self, serialized: tf.Tensor) -> Columns:
        """Probabilities and decisions of a batch of serialized tf.Examples, each of shape [B].

        Also probabilities before calibration, if the model returns them. NaN passes through,
        because the gate must see it.
        """
        outputs = self._signature(examples=serialized)
        batch = int(serialized.shape[0])
        columns = {}
        for target in self.targets:
            for output, column in (
                (target, features.prediction(target)),
                (features.decision(target), features.decision(target)),
                (features.uncalibrated(target), features.uncalibrated(target)),
            ):
                if output not in outputs and output == features.uncalibrated(target):
                    continue
                values = np.asarray(outputs[output], dtype=np.float32)
                if values.size != batch:
                    raise InputError(
                        f"{self._where}: output '{output}' of signature "
                        f"'{features.EXAMPLES_SIGNATURE}' has shape {values.shape} for a batch of "
                        f"{batch}, it must be ({batch}, 1)"
                    )
                columns[column] = values.reshape(batch)
        return columns

    def _decided(self) -> tuple[str, ...]:
        found = set(self._signature.structured_outputs)
        targets = sorted(name for name in found if features.decision(name) in found)
        if not targets:
            raise InputError(
                f"{self._where}: signature '{features.EXAMPLES_SIGNATURE}' gives {sorted(found)}, "
                f"it must give a probability NAME and its decision '{features.decision('NAME')}'"
            )
        return tuple(targets)

    def _check_outputs(self) -> None:
        inputs = self._signature.structured_input_signature[1]
        if "examples" not in inputs:
            raise InputError(
                f"{self._where}: signature '{features.EXAMPLES_SIGNATURE}' takes {sorted(inputs)}, "
                "it must take 'examples'"
            )
        found = set(self._signature.structured_outputs)
        wanted = {*self.targets, *(features.decision(target) for target in self.targets)}
        if missing := sorted(wanted - found):
            raise InputError(
                f"{self._where}: signature '{features.EXAMPLES_SIGNATURE}' gives {sorted(found)} "
                f"and lacks {missing} (the task's targets are {list(self.targets)})"
            )


def predict_files(
    model: ExamplesModel,
    files: Sequence[str],
    task: TaskSettings,
    subgroups: Sequence[str] = (),
    batch_size: int = BATCH_SIZE,
) -> Iterator[Columns]:
    """Runs the model over record files, one batch in memory at a time.

    Args:
        model: The exported classifier.
        files: GZIP-compressed TFRecord files of tf.Examples.
        task: What is predicted.
        subgroups: Names of the subgroup columns to keep.
        batch_size: Records per call of the model.

    Yields:
        Columns of equal length: identity, site, domain, subgroups, and for each target its label,
        weight, prediction and decision. The classes of a multiclass task become one-vs-rest
        targets.
    """
    names = identity_columns(subgroups)
    spec = _parsing_spec(task, names)

    def parse(serialized: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        return serialized, tf.io.parse_example(serialized, spec)

    dataset = tf.data.TFRecordDataset(
        list(files), compression_type="GZIP", num_parallel_reads=1
    ).batch(batch_size)
    for serialized, parsed in dataset.map(parse).prefetch(2):
        columns = {name: _text(parsed[name].numpy()) for name in names}
        columns.update(_targets(task, {name: value.numpy() for name, value in parsed.items()}))
        columns.update(model.predict(serialized))
        yield columns


def identity_columns(subgroups: Sequence[str]) -> tuple[str, ...]:
    """Text columns of a prediction: image, patient, site, domain and subgroups."""
    return (
        features.IMAGE_ID,
        features.PATIENT_ID,
        features.SITE,
        features.DOMAIN,
        *(features.subgroup(name) for name in subgroups),
    )


def value_columns(targets: Sequence[str]) -> tuple[str, ...]:
    """Float columns of a prediction."""
    return tuple(
        column(target)
        for target in targets
        for column in (
            features.label,
            features.label_weight,
            features.prediction,
            features.decision,
        )
    )


def _parsing_spec(task: TaskSettings, names: Sequence[str]) -> dict[str, tf.io.FixedLenFeature]:
    # The identity is required (its absence must fail); groups and labels may be unknown.
    required = (features.IMAGE_ID, features.PATIENT_ID, features.DOMAIN)
    spec = {
        name: tf.io.FixedLenFeature([], tf.string, None if name in required else b"unknown")
        for name in names
    }
    for name in task.labels:
        spec[features.label(name)] = tf.io.FixedLenFeature([], tf.float32, float("nan"))
        spec[features.label_weight(name)] = tf.io.FixedLenFeature([], tf.float32, 1.0)
    return spec


def _text(values: np.ndarray) -> np.ndarray:
    return np.array([value.decode("utf-8", errors="replace") for value in values], dtype=object)


def _targets(task: TaskSettings, parsed: Mapping[str, np.ndarray]) -> Columns:
    """Label and weight of each target; an unknown label is 0 with weight 0, never NaN."""
    columns = {}
    for name in task.labels:
        label = parsed[features.label(name)]
        known = np.isfinite(label)
        weight = np.where(known, parsed[features.label_weight(name)], 0).astype(np.float32)
        label = np.where(known & (weight > 0), label, 0).astype(np.float32)
        limit = len(task.classes) or 2
        if (bad := label[(label < 0) | (label >= limit) | (label != np.floor(label))]).size:
            raise InputError(
                f"feature '{features.label(name)}' holds {bad[0]:g}, accepted are the whole "
                f"numbers 0 to {limit - 1} (an unknown label has weight 0)"
            )
        for index, target in enumerate(task.classes or (name,)):
            value = (label == index).astype(np.float32) if task.classes else label
            columns[features.label(target)] = np.where(weight > 0, value, 0).astype(np.float32)
            columns[features.label_weight(target)] = weight
    return columns
