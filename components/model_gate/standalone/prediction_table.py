"""Converts any table of predictions to the table that the gate judges.

Messages name columns, rows and counts. They quote a cell only if it can't be a patient id.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from components.model_gate.rules.groups import MAX_GROUPS, without_small_groups
from schemas import features
from schemas.errors import InputError
from trainer_modules.decisions import operating_point
from trainer_modules.settings import OperatingPointSettings, TaskSettings
from trainer_modules.settings import files as settings_files

if TYPE_CHECKING:
    import pandas as pd

LABEL, SCORE, SPLIT, BASELINE = "label", "score", "split", "baseline_score"
REQUIRED = (features.PATIENT_ID, features.DOMAIN, LABEL, SCORE)
OPTIONAL = (features.SITE, SPLIT, BASELINE, features.STUDY_ID, features.SLIDE_ID)
TASK = TaskSettings(kind="binary", labels=(LABEL,))
DEFAULT_THRESHOLD = 0.5

_SPLITS = (features.VALIDATION, features.TEST, features.SHIFTED)
_UNKNOWN = "unknown"
_SHOWN = 30


@dataclasses.dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions in the form that the gate judges.

    Attributes:
        table: Columns as the Predictor writes them.
        baseline: The same images with the baseline's scores, or None.
        subgroups: Names of the subgroup columns.
        ignored: Columns that are not used as subgroups.
        threshold: Scores from here on are positive decisions.
        chosen: How the threshold was chosen.
        unscored: Validation rows without a score: no rule sees them, but they count.
    """

    table: pd.DataFrame
    baseline: pd.DataFrame | None
    subgroups: tuple[str, ...]
    ignored: tuple[str, ...]
    threshold: float
    chosen: str
    unscored: int


def prepare(
    raw: pd.DataFrame, threshold: float | None = None, subgroups: Sequence[str] = ()
) -> Predictions:
    """Checks columns and values, chooses the threshold, names the groups.

    Args:
        raw: Columns of text; an empty string is an unknown value.
        threshold: Decision threshold; None: chosen on validation rows, or 0.5 without them.
        subgroups: Columns to judge by; none: every other column that can be a grouping.

    Raises:
        InputError: A column is missing or a value is not accepted.
    """
    _check_columns(raw, subgroups)
    patients = raw[features.PATIENT_ID]
    if (empty := patients == "").any():
        raise _bad_cell(raw, features.PATIENT_ID, empty, "is empty", "the patient of each row")
    _check_one_of(raw, features.DOMAIN, features.DOMAINS)
    labels = _labels(raw)
    scores = _scores(raw, SCORE)
    validation = _validation_rows(raw)
    if threshold is None:
        threshold, chosen = _threshold(labels[validation], scores[validation])
    else:
        chosen = "given"
    table = _judged_columns(raw, labels, scores, threshold)
    named, ignored = _subgroups(raw, subgroups)
    for name in named:
        table[features.subgroup(name)] = raw[name].replace("", _UNKNOWN)
    table = table[~validation]
    for column in (features.SITE, *(features.subgroup(name) for name in named)):
        table = without_small_groups(table, column)
    baseline = None
    if BASELINE in raw:
        others = _judged_columns(raw, labels, _scores(raw, BASELINE), threshold)
        baseline = others[~validation]
    unscored = int(np.isnan(scores[validation]).sum())
    return Predictions(table, baseline, named, ignored, threshold, chosen, unscored)


def _check_columns(raw: pd.DataFrame, subgroups: Sequence[str]) -> None:
    columns = list(raw.columns)
    for name in (*REQUIRED, *subgroups):
        if name not in columns:
            # Without a header, the names are the first patient's values: do not show them.
            headed = any(needed in columns for needed in REQUIRED)
            near = settings_files.nearest(name, columns) if headed else " (is there a header?)"
            near = near.replace("valid name", "name in the file")
            raise InputError(
                f"predictions: column '{name}' is missing among {len(columns)} columns{near}; "
                f"needed: {', '.join(REQUIRED)}; optional: {', '.join(OPTIONAL)}, subgroups"
            )
    for name in subgroups:
        if name in (*REQUIRED, *OPTIONAL):
            raise InputError(
                f"predictions: column '{name}' has another meaning and can't be a subgroup"
            )


def _check_one_of(raw: pd.DataFrame, column: str, accepted: Sequence[str]) -> None:
    if (unknown := ~raw[column].isin(accepted)).any():
        raise _bad_cell(raw, column, unknown, "", f"accepted: {', '.join(accepted)}")


def _labels(raw: pd.DataFrame) -> np.ndarray:
    """0 or 1, NaN where the label is unknown."""
    import pandas as pd

    text = raw[LABEL].str.lower().replace({"true": "1", "false": "0"})
    known = ~text.isin(["", "nan"])
    values = pd.to_numeric(text.where(known), errors="coerce")
    if (wrong := known & ~values.isin([0, 1])).any():
        raise _bad_cell(raw, LABEL, wrong, "", "accepted: 0, 1, or empty where it is unknown")
    present = values.dropna().unique()
    if len(present) < 2:
        found = f"only {present[0]:g}" if len(present) else "none"
        raise InputError(
            f"predictions: column '{LABEL}' needs examples of both classes, it has {found}"
        )
    return values.to_numpy(np.float64)


def _scores(raw: pd.DataFrame, column: str) -> np.ndarray:
    """Probabilities; NaN stays, because a model that returns it is judged and refused."""
    import pandas as pd

    nothing = raw[column].str.lower().isin(["", "nan"])
    values = pd.to_numeric(raw[column].where(~nothing), errors="coerce")
    if (wrong := ~nothing & values.isna()).any():
        raise _bad_cell(raw, column, wrong, "", "a probability from 0 to 1 is accepted")
    if (outside := (values < 0) | (values > 1)).any():
        raise _bad_cell(
            raw, column, outside, "", "a probability from 0 to 1 is accepted (no logits)"
        )
    return values.to_numpy(np.float64)


def _validation_rows(raw: pd.DataFrame) -> np.ndarray:
    if SPLIT not in raw:
        return np.zeros(len(raw), bool)
    _check_one_of(raw, SPLIT, _SPLITS)
    validation = (raw[SPLIT] == features.VALIDATION).to_numpy()
    if validation.all():
        raise InputError("predictions: every row is of split 'validation'; none is left to judge")
    patients = raw[features.PATIENT_ID]
    if shared := len(set(patients[validation]) & set(patients[~validation])):
        raise InputError(
            f"predictions: {shared} patients have rows in 'validation', where the threshold is "
            "chosen, and among those that are judged; a patient must be in only one of them"
        )
    return validation


def _threshold(labels: np.ndarray, scores: np.ndarray) -> tuple[float, str]:
    if not len(labels):
        return DEFAULT_THRESHOLD, "default"
    usable = np.isfinite(labels) & np.isfinite(scores)
    settings = OperatingPointSettings()
    point = operating_point.choose(labels[usable], scores[usable], settings)
    if point is None:
        raise InputError(
            "predictions: the validation rows need labels of both classes for a threshold to be "
            "chosen; give --threshold instead"
        )
    return point.threshold, f"on {int(usable.sum())} validation rows ({settings.rule})"


def _judged_columns(
    raw: pd.DataFrame, labels: np.ndarray, scores: np.ndarray, threshold: float
) -> pd.DataFrame:
    import pandas as pd

    known = np.isfinite(labels)
    site = raw[features.SITE].replace("", _UNKNOWN) if features.SITE in raw else _UNKNOWN
    units = {name: raw[name] for name in (features.STUDY_ID, features.SLIDE_ID) if name in raw}
    return pd.DataFrame(
        {
            features.IMAGE_ID: [str(number) for number in range(len(raw))],
            features.PATIENT_ID: raw[features.PATIENT_ID],
            features.SITE: site,
            features.DOMAIN: raw[features.DOMAIN],
            features.label(LABEL): np.where(known, labels, 0.0),
            features.label_weight(LABEL): known.astype(np.float64),
            features.prediction(LABEL): scores,
            features.decision(LABEL): np.where(np.isnan(scores), np.nan, scores >= threshold),
            **units,
        },
        index=raw.index,
    )


def _subgroups(raw: pd.DataFrame, asked: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    others = [name for name in raw.columns if name not in (*REQUIRED, *OPTIONAL)]
    taken = tuple(asked) or tuple(name for name in others if raw[name].nunique() <= MAX_GROUPS)
    for name in taken:
        if (values := raw[name].nunique()) > MAX_GROUPS:
            raise InputError(
                f"predictions: subgroup column '{name}' has {values} values, at most "
                f"{MAX_GROUPS} are accepted (put values into ranges first)"
            )
    return taken, tuple(name for name in others if name not in taken)


def _bad_cell(
    raw: pd.DataFrame, column: str, wrong: pd.Series, what: str, accepted: str
) -> InputError:
    row = wrong.idxmax()
    value = raw.at[row, column]
    # If columns are in the wrong order, the cell may be confidential.
    hidden = value in set(raw[features.PATIENT_ID])
    shown = "a patient's id" if hidden else f"'{value[:_SHOWN]}'"
    return InputError(
        f"predictions, row {row} ({int(wrong.sum())} such rows): column '{column}' "
        f"{what or 'received ' + shown}; {accepted}"
    )
