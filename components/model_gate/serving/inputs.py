"""The gate's inputs: the judged predictions, the pushed model's predictions, test images."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from components.model_gate.policy.settings import GateSettings
from components.model_gate.rules.evidence import Baseline
from components.model_gate.serving.baseline import last_pushed
from components.model_gate.serving.originals import Originals, original_files
from components.model_gate.serving.serving_check import Request, check_serving
from schemas import features
from schemas.documents.gate import Serving
from schemas.errors import InputError
from schemas.model_versions import PushedModel
from trainer_modules.settings import TaskSettings

if TYPE_CHECKING:
    import pandas as pd

Files = Mapping[str, Sequence[str]]


def judged_predictions(folder: str) -> pd.DataFrame:
    """Predictions on the test data of both domains.

    Excludes the validation split, which chose the thresholds and the calibration.
    """
    return _predictions(folder, (features.TEST, features.SHIFTED))


def validation_predictions(folder: str) -> pd.DataFrame:
    """Predictions on the validation split, which choose the thresholds of operating points."""
    return _predictions(folder, (features.VALIDATION,))


def _predictions(folder: str, splits: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    from components.predictor.predictions_writer import SPLIT_COLUMN, TABLE_NAME

    table = pd.read_parquet(os.path.join(folder, TABLE_NAME))
    return table[table[SPLIT_COLUMN].isin(splits)]


def baseline_predictions(
    baseline_dir: str, candidate_dir: str, files: Files, task: TaskSettings
) -> tuple[Baseline, pd.DataFrame | None]:
    """Runs the last pushed model on the same images.

    Returns:
        Its version, or why it can't be compared, and its predictions (None if there is nothing to
        compare).
    """
    try:
        pushed = last_pushed(baseline_dir, candidate_dir)
    except OSError as error:
        return Baseline(problem=f"folder '{baseline_dir}' can't be read: {error}"), None
    if pushed is None:
        return Baseline(), None
    return predicted_by(pushed, files, task)


def predicted_by(
    pushed: PushedModel, files: Files, task: TaskSettings
) -> tuple[Baseline, pd.DataFrame | None]:
    """Runs a model for comparison; one that can't run yields a reason, not an error."""
    import pandas as pd
    import tensorflow as tf

    from components.predictor import inference

    try:
        model = inference.ExamplesModel(str(pushed.folder), task.targets)
        batches = [
            pd.DataFrame(batch)
            for paths in files.values()
            if paths
            for batch in inference.predict_files(model, paths, task)
        ]
    except (InputError, tf.errors.OpError, TypeError, ValueError) as error:
        return Baseline(version=pushed.version, problem=str(error)), None
    if not batches:
        return Baseline(version=pushed.version, problem="there are no test images"), None
    return Baseline(version=pushed.version), pd.concat(batches, ignore_index=True)


def serving(
    model_dir: str,
    files: Files,
    table: pd.DataFrame,
    task: TaskSettings,
    settings: GateSettings,
    report_dir: str = "",
) -> Serving:
    """Calls the exported model in a clean process on some images.

    Args:
        model_dir: The exported model.
        files: Records of the judged splits.
        table: Judged predictions.
        task: What is predicted.
        settings: Number of images or of files of each format, tolerance.
        report_dir: The ingest report, from which original files are found; without them, or if
            it is empty, stored images of each domain are tried.
    """
    number = settings.serving_examples
    originals = original_files(model_dir, report_dir, task, number) if report_dir else Originals()
    images = originals.requests or {
        name: Request(image) for name, image in _some_images(files, number).items()
    }
    judged = table.drop_duplicates(features.IMAGE_ID).set_index(features.IMAGE_ID)
    if unknown := [image for image in images if image not in judged.index]:
        raise InputError(
            f"the predictions lack {len(unknown)} of the {len(images)} test images that were "
            f"tried, for example '{unknown[0]}': predictions and examples are not from the same run"
        )
    expected = {
        output: judged.loc[list(images), column].tolist()
        for target in task.targets
        for output, column in (
            (target, features.prediction(target)),
            (features.decision(target), features.decision(target)),
        )
    }
    return check_serving(
        model_dir,
        list(images.values()),
        expected,
        settings.serving_tolerance,
        originals.note,
    )


def _some_images(files: Files, number: int) -> dict[str, bytes]:
    """Encoded images by id, evenly from each domain, up to a total number."""
    import tensorflow as tf

    spec = {
        features.IMAGE_ID: tf.io.FixedLenFeature([], tf.string),
        features.IMAGE_ENCODED: tf.io.FixedLenFeature([], tf.string),
    }
    streams = [
        iter(tf.data.TFRecordDataset(list(paths), "GZIP").as_numpy_iterator())
        for paths in files.values()
        if paths
    ]
    images: dict[str, bytes] = {}
    while streams and len(images) < number:
        stream = streams.pop(0)
        if (record := next(stream, None)) is None:
            continue
        parsed = tf.io.parse_single_example(record, spec)
        name = parsed[features.IMAGE_ID].numpy().decode("utf-8", errors="replace")
        images[name] = parsed[features.IMAGE_ENCODED].numpy()
        streams.append(stream)
    return images
