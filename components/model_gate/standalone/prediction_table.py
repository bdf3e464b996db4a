"""Converts any table of predictions to the table that the gate judges.

Messages name columns, rows and counts. They quote a cell only if it can't be a patient id.
"""

from __future__ import annotations

import dataclasses
import functools
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from components.model_gate.rules import group_columns
from components.model_gate.standalone import (
    class_columns,
    finding_columns,
    oddities,
    predict_columns,
    statistic_columns,
)
from components.model_gate.standalone.finding_columns import BASELINE, TargetColumns
from components.model_gate.standalone.text_columns import numbers_of
from components.statistics.judged_rows import numbered
from schemas import features
from schemas.errors import InputError
from schemas.printable import printable
from trainer_modules.decisions import operating_point
from trainer_modules.settings import OperatingPointSettings, TaskSettings
from trainer_modules.settings import files as settings_files

if TYPE_CHECKING:
    import pandas as pd

SPLIT = "split"
REQUIRED = (features.PATIENT_ID, features.DOMAIN)
OPTIONAL = (
    *(features.SITE, SPLIT, oddities.IMAGE, features.STUDY_ID, features.SLIDE_ID),
    *predict_columns.OWN,
)
DEFAULT_THRESHOLD = 0.5

_SPLITS = (features.VALIDATION, features.TEST, features.SHIFTED)
_UNKNOWN = "unknown"
# What programs write for a missing value: taken for a patient, they would make all such rows one.
_NOT_PATIENTS = ("", "nan", "none", "null", "na", "n/a", "<na>")
_SHOWN = 30


@dataclasses.dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions in the form that the gate judges.

    Attributes:
        table: Columns as the Predictor writes them, of the rows that are judged.
        validation: The same of the rows that choose thresholds; None without any.
        task: One finding, several, or classes.
        baseline: The same images with the baseline's scores, or None.
        subgroups: Names of the subgroup columns.
        ignored: Columns that are not used as subgroups.
        thresholds: By target: scores from here on are positive decisions.
        chosen: How the thresholds were chosen.
        notes: What is odd about the table.
    """

    table: pd.DataFrame
    validation: pd.DataFrame | None
    task: TaskSettings
    baseline: pd.DataFrame | None
    subgroups: tuple[str, ...]
    ignored: tuple[str, ...]
    thresholds: Mapping[str, float]
    chosen: str
    notes: tuple[str, ...]


def prepare(
    raw: pd.DataFrame,
    threshold: float | None = None,
    subgroups: Sequence[str] = (),
    excluded: Sequence[str] = (),
    least: int = 20,
    *,
    both_classes: bool = True,
) -> Predictions:
    """Checks columns and values, chooses the thresholds, names the groups.

    Args:
        raw: Columns of text; an empty string is an unknown value.
        threshold: Decision threshold; None: chosen on validation rows, or 0.5 without them.
        subgroups: Columns to judge by; none: every other column.
        excluded: Columns by which not to judge.
        least: Patients without which a value of a column of many values is not judged.
        both_classes: Whether each finding needs labels of both classes, or each class images.

    Raises:
        InputError: A column is missing or a value is not accepted.
    """
    targets = finding_columns.targets_of(raw.columns)
    _check_columns(raw, targets, subgroups, excluded)
    raw, lost = predict_columns.without_left_out(raw)
    patients = raw[features.PATIENT_ID]
    if (absent := patients.str.lower().isin(_NOT_PATIENTS)).any():
        what = "is empty" if (patients[absent] == "").all() else "is empty or says that it is"
        raise _bad_cell(raw, features.PATIENT_ID, absent, what, "the patient of each row")
    _check_one_of(raw, features.DOMAIN, features.DOMAINS)
    exclusive = finding_columns.are_classes(targets)
    if exclusive:
        _check_no_threshold(threshold)
        labels = class_columns.labels(raw, list(targets), _bad_name(raw), both_classes)
    else:
        labels = {
            target: _labels(raw, columns.label, both_classes) for target, columns in targets.items()
        }
    scores = {target: _scores(raw, columns.score) for target, columns in targets.items()}
    validation = _validation_rows(raw)
    thresholds: dict[str, float] = {}
    chosen = "decisions of the table"
    decisions: dict[str, np.ndarray] | None = None
    if exclusive:
        class_columns.check_sums(scores, raw.index, finding_columns.SCORE)
        decisions, chosen, odd = class_columns.decisions(raw, scores, _bad_name(raw))
        lost += odd
    else:
        lost += class_columns.alike(labels, scores)
    if not exclusive and threshold is None:
        decisions = predict_columns.decisions(raw, targets, scores)
    if not decisions:
        thresholds, chosen = _thresholds(raw, labels, scores, validation, threshold)
    table = _judged_columns(raw, labels, scores, thresholds, decisions)
    for name, numbers in statistic_columns.statistics(
        raw, functools.partial(_no_number, raw)
    ).items():
        table[name] = numbers
    named, ignored = _subgroups(raw, targets, subgroups, excluded)
    for name in named:
        table[features.subgroup(name)] = _group(raw, name, ~validation, least)
    baseline = None
    if all(columns.baseline in raw for columns in targets.values()):
        others = {target: _scores(raw, columns.baseline) for target, columns in targets.items()}
        if exclusive:
            class_columns.check_sums(others, raw.index, BASELINE)
        baseline = _judged_columns(
            raw,
            labels,
            others,
            thresholds or dict.fromkeys(targets, DEFAULT_THRESHOLD),
            class_columns.highest_of(others) if exclusive else None,
        )
    chosen_on = None
    if validation.any():
        table, chosen_on = table[~validation], table[validation]
        baseline = None if baseline is None else baseline[~validation]
    return Predictions(
        table=table,
        validation=chosen_on,
        task=_task(tuple(targets), exclusive),
        baseline=baseline,
        subgroups=named,
        ignored=ignored,
        thresholds=thresholds,
        chosen=chosen,
        notes=(*lost, *oddities.notes(raw, ~validation)),
    )


def _task(names: tuple[str, ...], exclusive: bool) -> TaskSettings:
    if exclusive:
        return TaskSettings(kind="multiclass", labels=(finding_columns.LABEL,), classes=names)
    return TaskSettings(kind="binary" if len(names) == 1 else "multilabel", labels=names)


def _check_no_threshold(threshold: float | None) -> None:
    if threshold is not None:
        raise InputError(
            f"--threshold {threshold:g} applies to findings: of classes, "
            f"{class_columns.HIGHEST} is called, or the column '{finding_columns.DECISION}' says "
            "which"
        )


def _bad_name(raw: pd.DataFrame) -> class_columns.BadCell:
    return lambda column, wrong, accepted: _bad_cell(raw, column, wrong, "", accepted)


def _check_columns(
    raw: pd.DataFrame,
    targets: Mapping[str, TargetColumns],
    subgroups: Sequence[str],
    excluded: Sequence[str],
) -> None:
    columns = list(raw.columns)
    needed = [*REQUIRED, *(name for one in targets.values() for name in (one.label, one.score))]
    for name in (*needed, *subgroups, *excluded):
        if name not in columns:
            # Without a header, the names are the first patient's values: do not show them.
            headed = any(one in columns for one in needed)
            near = settings_files.nearest(name, columns) if headed else " (is there a header?)"
            near = near.replace("valid name", "name in the file")
            raise InputError(
                f"predictions: column '{name}' is missing among {len(columns)} columns{near}; "
                f"needed: {', '.join(dict.fromkeys(needed))}; optional: "
                f"{', '.join((*OPTIONAL, BASELINE))}, subgroups"
            )
    for name in (*subgroups, *excluded):
        if name in (*needed, *OPTIONAL, *(one.baseline for one in targets.values())):
            raise InputError(
                f"predictions: column '{name}' has another meaning and can't be a subgroup"
            )


def _check_one_of(raw: pd.DataFrame, column: str, accepted: Sequence[str]) -> None:
    if (unknown := ~raw[column].isin(accepted)).any():
        raise _bad_cell(raw, column, unknown, "", f"accepted: {', '.join(accepted)}")


def _labels(raw: pd.DataFrame, column: str, both_classes: bool) -> np.ndarray:
    """0 or 1, NaN where the label is unknown."""
    import pandas as pd

    codes, texts = numbered(raw[column])
    text = pd.Series(texts, dtype=object).str.lower().replace({"true": "1", "false": "0"})
    known = ~text.isin(["", "nan"])
    numbers = pd.to_numeric(text.where(known), errors="coerce")
    if (wrong := (known & ~numbers.isin([0, 1])).to_numpy()[codes]).any():
        raise _bad_cell(raw, column, wrong, "", "accepted: 0, 1, or empty where it is unknown")
    values = numbers.to_numpy(np.float64)[codes]
    present = numbers.dropna().unique()
    if both_classes and len(present) < 2:
        found = f"only {present[0]:g}" if len(present) else "none"
        raise InputError(
            f"predictions: column '{column}' needs examples of both classes, it has {found}"
        )
    return values


def _scores(raw: pd.DataFrame, column: str) -> np.ndarray:
    """Probabilities; NaN stays, because a model that returns it is judged and refused."""
    values = numbers_of(raw[column])
    unread = np.isnan(values)
    if unread.any():
        unread[unread] = ~raw[column][unread].str.lower().isin(["", "nan"])
        if unread.any():
            raise _bad_cell(raw, column, unread, "", "a probability from 0 to 1 is accepted")
    if (outside := (values < 0) | (values > 1)).any():
        raise _bad_cell(
            raw, column, outside, "", "a probability from 0 to 1 is accepted (no logits)"
        )
    return values


def _validation_rows(raw: pd.DataFrame) -> np.ndarray:
    if SPLIT not in raw:
        return np.zeros(len(raw), bool)
    _check_one_of(raw, SPLIT, _SPLITS)
    validation = (raw[SPLIT] == features.VALIDATION).to_numpy()
    if validation.all():
        raise InputError("predictions: every row is of split 'validation'; none is left to judge")
    patients = raw[features.PATIENT_ID]
    if shared := len(set(patients[validation].unique()) & set(patients[~validation].unique())):
        raise InputError(
            f"predictions: {shared} patients have rows in 'validation', where the threshold is "
            "chosen, and among those that are judged; a patient must be in only one of them"
        )
    return validation


def _thresholds(
    raw: pd.DataFrame,
    labels: Mapping[str, np.ndarray],
    scores: Mapping[str, np.ndarray],
    validation: np.ndarray,
    given: float | None,
) -> tuple[dict[str, float], str]:
    """By target; validation rows of the shifted domain choose nothing: it is what must hold there.

    Raises:
        InputError: The validation rows do not have both classes in distribution.
    """
    if given is not None:
        return dict.fromkeys(labels, given), "given"
    if not validation.any():
        return dict.fromkeys(labels, DEFAULT_THRESHOLD), "default"
    rows = validation & (raw[features.DOMAIN] == features.IN_DISTRIBUTION).to_numpy()
    settings = OperatingPointSettings()
    found, used = {}, 0
    for target, label in labels.items():
        usable = rows & np.isfinite(label) & np.isfinite(scores[target])
        point = operating_point.choose(label[usable], scores[target][usable], settings)
        if point is None:
            raise InputError(
                "predictions: the in-distribution validation rows need labels of both classes for "
                "a threshold to be chosen; give --threshold instead"
            )
        found[target], used = point.threshold, max(used, int(usable.sum()))
    return found, f"on {used} in-distribution validation rows ({settings.rule})"


def _judged_columns(
    raw: pd.DataFrame,
    labels: Mapping[str, np.ndarray],
    scores: Mapping[str, np.ndarray],
    thresholds: Mapping[str, float],
    decisions: Mapping[str, np.ndarray] | None = None,
) -> pd.DataFrame:
    import pandas as pd

    columns = {
        features.IMAGE_ID: np.arange(len(raw), dtype=np.int32),
        features.PATIENT_ID: raw[features.PATIENT_ID],
        features.SITE: _named(raw[features.SITE]) if features.SITE in raw else _UNKNOWN,
        features.DOMAIN: raw[features.DOMAIN],
    }
    columns |= {name: raw[name] for name in (features.STUDY_ID, features.SLIDE_ID) if name in raw}
    for target, label in labels.items():
        known, score = np.isfinite(label), scores[target]
        decided = decisions[target] if decisions else score >= thresholds[target]
        columns |= {
            features.label(target): np.where(known, label, 0.0).astype(np.float32),
            features.label_weight(target): known.astype(np.float32),
            features.prediction(target): score,
            features.decision(target): np.where(np.isnan(score), np.nan, decided).astype(
                np.float32
            ),
        }
    return pd.DataFrame(columns, index=raw.index, copy=False)


def _named(values: pd.Series) -> pd.Series:
    """Groups, with a name for those that have none."""
    if not (values == "").any():
        return values
    import pandas as pd

    codes, names = numbered(values)
    names = names.astype(object)
    return pd.Series(names.where(names != "", _UNKNOWN).take(codes), values.index, dtype="category")


def _subgroups(
    raw: pd.DataFrame,
    targets: Mapping[str, TargetColumns],
    asked: Sequence[str],
    excluded: Sequence[str],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Columns by which the model is judged, and the others."""
    known = {*REQUIRED, *OPTIONAL, *(name for one in targets.values() for name in one)}
    others = [
        name
        for name in raw.columns
        if name not in known and not statistic_columns.is_statistic(name)
    ]
    taken = tuple(name for name in (asked or others) if name not in excluded)
    return taken, tuple(name for name in others if name not in taken)


def _group(raw: pd.DataFrame, name: str, judged: np.ndarray, least: int) -> pd.Series:
    """The column's groups; of many values, those with enough patients.

    Raises:
        InputError: It has many values, and none has enough patients.
    """
    import pandas as pd

    values = _named(raw[name])
    if values.nunique() <= group_columns.MAX_GROUPS:
        return values
    values = values.astype(object)
    patient = pd.Series(numbered(raw[features.PATIENT_ID])[0], raw.index)
    domain = raw[features.DOMAIN].astype(object)
    found = group_columns.judgeable(values[judged], patient[judged], domain[judged], least)
    if found is None:
        raise InputError(
            f"predictions: column '{name}' has {values.nunique()} values, none of {least} patients "
            f"or more in a domain, so that no group of it can be judged; put values into ranges, "
            f"or leave the column out by --exclude {shlex.quote(name)}"
        )
    return found.reindex(raw.index)


def _no_number(raw: pd.DataFrame, column: str, wrong: pd.Series) -> InputError:
    return _bad_cell(raw, column, wrong, "", "a finite number, or empty, is accepted")


def _bad_cell(
    raw: pd.DataFrame, column: str, wrong: np.ndarray | pd.Series, what: str, accepted: str
) -> InputError:
    row = raw.index[int(np.argmax(wrong))]
    value = str(raw.at[row, column])
    # If columns are in the wrong order, the cell may be confidential.
    hidden = bool((raw[features.PATIENT_ID] == value).any())
    shown = "a patient's id" if hidden else f"'{printable(value[:_SHOWN])}'"
    return InputError(
        f"predictions, row {row} ({int(wrong.sum())} such rows): column '{column}' "
        f"{what or 'received ' + shown}; {accepted}"
    )
