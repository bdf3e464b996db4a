"""Any model called on record files: its predictions, and what they predict.

Here the model (its targets) and the records (their labels and subgroups) provide what a run's
configuration provides otherwise.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from components.model_gate.rules import group_columns
from components.model_gate.serving.baseline import last_pushed
from components.predictor import record_files
from schemas import features
from schemas.documents.cards import ClassifierCard
from schemas.errors import InputError
from schemas.model_versions import PushedModel
from trainer_modules.settings import TaskSettings

if TYPE_CHECKING:
    import pandas as pd

    from components.predictor.inference import ExamplesModel

_PEEKED = 256
# Splits that trained a model or chose its threshold: evidence from them would be biased.
_NOT_JUDGED = tuple(
    split for split in features.SPLITS if split not in (features.TEST, features.SHIFTED)
)
_NOT_CHOOSING = tuple(split for split in features.SPLITS if split != features.VALIDATION)


@dataclasses.dataclass(frozen=True, eq=False)
class Called:
    """A model's predictions, their task and their subgroups."""

    table: pd.DataFrame
    task: TaskSettings
    subgroups: tuple[str, ...]
    ignored: tuple[str, ...]
    files: dict[str, list[str]]
    validation: pd.DataFrame | None = None


def call_model(
    model_dir: str,
    patterns: Sequence[str],
    subgroups: Sequence[str] = (),
    classes: Sequence[str] = (),
    excluded: Sequence[str] = (),
    least: int = 20,
    validation: Sequence[str] = (),
) -> Called:
    """Runs a model over record files.

    Args:
        model_dir: Folder of a SavedModel with the `tf_examples` signature.
        patterns: Patterns of GZIP-compressed TFRecord files of test examples.
        subgroups: Subgroups to judge by; none: all that the records have.
        classes: Classes of a multiclass model in the order of the label's numbers; none: from the
            model's card.
        excluded: Subgroups by which not to judge.
        least: Patients without which a value of a subgroup of many values is not judged.
        validation: Patterns of files of validation examples, which are not judged.

    Raises:
        InputError: The model or the records can't be used.
    """
    import tensorflow as tf

    from components.predictor import inference

    files = _files(patterns, "--examples", _NOT_JUDGED)
    choosing = _files(validation, "--validation", _NOT_CHOOSING) if validation else []
    model = inference.ExamplesModel(model_dir)
    try:
        found = _features(files)
        task = _task(model_dir, model.targets, found, classes)
        present = _named(found, subgroups)
        named = tuple(name for name in present if name not in excluded)
        table = _predicted(model, files, task, named)
        chooses = _predicted(model, choosing, task, ()) if choosing else None
    except (tf.errors.OpError, TypeError) as error:
        raise InputError(f"model '{model_dir}' can't be run on the examples: {error}") from None
    if chooses is not None:
        _check_apart(table, chooses)
    for name in named:
        column = features.subgroup(name)
        groups = group_columns.judgeable(
            table[column], table[features.PATIENT_ID], table[features.DOMAIN], least
        )
        if groups is None:
            raise InputError(
                f"examples: subgroup '{name}' has {table[column].nunique()} values, none of "
                f"{least} patients or more in a domain, so that no group of it can be judged; "
                f"leave it out by --exclude {name}"
            )
        table[column] = groups
    ignored = tuple(name for name in present if name not in named)
    return Called(table, task, named, ignored, {path: [path] for path in files}, chooses)


def baseline_model(folder: str, candidate: str) -> PushedModel:
    """A SavedModel to compare with: the folder itself, or the newest version in it.

    Raises:
        InputError: There is none, or only the candidate.
    """
    if (Path(folder) / "saved_model.pb").is_file():
        return PushedModel(Path(folder).name, Path(folder))
    try:
        pushed = last_pushed(folder, candidate)
    except OSError as error:
        raise InputError(f"--baseline '{folder}' can't be read: {error}") from None
    if pushed is None:
        raise InputError(
            f"--baseline '{folder}' holds no other model; give a SavedModel or a folder that "
            "Pusher writes versions to"
        )
    return pushed


def _predicted(
    model: ExamplesModel, files: Sequence[str], task: TaskSettings, named: Sequence[str]
) -> pd.DataFrame:
    import pandas as pd

    from components.predictor import inference

    batches = inference.predict_files(model, files, task, named)
    table = pd.concat([pd.DataFrame(batch) for batch in batches], ignore_index=True)
    if unknown := int((~table[features.DOMAIN].isin(features.DOMAINS)).sum()):
        raise InputError(
            f"examples: feature '{features.DOMAIN}' of {unknown} of {len(table)} records is none "
            f"of {', '.join(features.DOMAINS)}"
        )
    return table


def _check_apart(judged: pd.DataFrame, choosing: pd.DataFrame) -> None:
    if shared := len(set(judged[features.PATIENT_ID]) & set(choosing[features.PATIENT_ID])):
        raise InputError(
            f"--validation: {shared} patients have records there, where thresholds are chosen, and "
            "among those that are judged; a patient must be in only one of them"
        )


def _files(patterns: Sequence[str], option: str, refused: Sequence[str]) -> list[str]:
    files = record_files.matching(patterns, option)
    accepted = [split for split in features.SPLITS if split not in refused]
    for path in files:
        for split in refused:
            if f"Split-{split}" in Path(path).parts:
                made = ", on which the model was made" if option == "--examples" else ""
                raise InputError(
                    f"{option}: '{path}' is of split '{split}'{made}; accepted: "
                    f"{', '.join(accepted)}"
                )
    return files


def _features(files: Sequence[str]) -> set[str]:
    """Names of the features in some records of each file."""
    import tensorflow as tf

    names: set[str] = set()
    for path in files:
        try:
            for record in tf.data.TFRecordDataset(path, "GZIP").take(_PEEKED).as_numpy_iterator():
                names.update(tf.train.Example.FromString(record).features.feature)
        except (tf.errors.OpError, ValueError, RuntimeError) as error:
            raise InputError(
                f"examples '{path}' are not GZIP-compressed TFRecords of tf.Examples: {error}"
            ) from None
    if not names:
        raise InputError("--examples: the files hold no records")
    return names


def _task(
    model_dir: str, targets: Sequence[str], found: set[str], classes: Sequence[str]
) -> TaskSettings:
    if not classes and all(features.label(target) in found for target in targets):
        kind = "binary" if len(targets) == 1 else "multilabel"
        return TaskSettings(kind=kind, labels=tuple(targets))
    prefix = features.label("")
    labels = sorted(
        name.removeprefix(prefix)
        for name in found
        if name.startswith(prefix) and not name.endswith("/weight")
    )
    order = tuple(classes) or _card_targets(model_dir)
    if len(labels) == 1 and len(targets) > 1:
        if set(order) == set(targets):
            return TaskSettings(kind="multiclass", labels=tuple(labels), classes=order)
        raise InputError(
            f"model '{model_dir}' gives the classes {list(targets)}: give them by --classes in the "
            f"order of the numbers of '{prefix}{labels[0]}' (received {list(order)})"
        )
    raise InputError(
        f"model '{model_dir}' gives {list(targets)}, the examples have the labels {labels}: each "
        "output needs a label with its name"
    )


def _card_targets(model_dir: str) -> tuple[str, ...]:
    try:
        return ClassifierCard.read(model_dir).targets
    except OSError:
        return ()


def _named(found: set[str], asked: Sequence[str]) -> tuple[str, ...]:
    prefix = features.subgroup("")
    present = tuple(sorted(n.removeprefix(prefix) for n in found if n.startswith(prefix)))
    if missing := [name for name in asked if name not in present]:
        raise InputError(f"--subgroup: the examples lack {missing}, they have {list(present)}")
    return tuple(asked) or present
