"""Tables of a multiclass model: `label` holds a class's name, and each class has a `score/NAME`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from components.model_gate.standalone.finding_columns import DECISION, LABEL
from schemas.errors import InputError
from schemas.printable import printable
from trainer_modules.decisions import one_class

if TYPE_CHECKING:
    import pandas as pd

# Rounded probabilities of many classes add up to nearly 1; those of one class against the rest
# don't.
SUM_WITHIN = 0.02
HIGHEST = "the class of the highest score"
_UNKNOWN = ("", "nan")
_MOST_SHOWN = 12
# A whole number in a column that also has empty cells, as pandas writes it.
_WHOLE = re.compile(r"(\d+)\.0*", re.ASCII)

# An error about cells of a column: its name, which of them, and what is accepted.
BadCell = Callable[[str, "pd.Series", str], InputError]
Values = dict[str, np.ndarray]


def labels(raw: pd.DataFrame, classes: Sequence[str], bad: BadCell, every: bool) -> Values:
    """0 or 1 by class, NaN where the label is unknown.

    Args:
        raw: Columns of text.
        classes: Names.
        bad: Makes an error.
        every: Whether each class needs images.

    Raises:
        InputError: A label is not the name of a class, or a class has no image.
    """
    place = _places(raw[LABEL], classes, bad)
    if every and (absent := [name for n, name in enumerate(classes) if not (place == n).any()]):
        shown = _listed([f"'{name}'" for name in absent])
        raise InputError(
            f"predictions: no row has the label {shown}; a model is judged on images of each class "
            "(or add a class to another one, its scores too)"
        )
    return _by_class(place, classes)


def decisions(
    raw: pd.DataFrame, scores: Mapping[str, np.ndarray], bad: BadCell
) -> tuple[Values, str, list[str]]:
    """Decisions by class, how they were made, and a note if they are not what scores say.

    Raises:
        InputError: The decision on an image with scores is not the name of a class.
    """
    classes = list(scores)
    table = np.stack(list(scores.values()), axis=1)
    highest = one_class.decide(table)
    if DECISION not in raw:
        return _undecided_where_nan(highest, table, classes), HIGHEST, []
    scored = np.isfinite(table).all(axis=1)
    place = _places(raw[DECISION].astype(object).where(scored, ""), classes, bad)
    if (none := scored & (place < 0)).any():
        import pandas as pd

        accepted = f"the class of each image with scores is accepted: {_listed(classes)}"
        raise bad(DECISION, pd.Series(none, raw.index), accepted)
    other = int((scored & (highest.argmax(axis=1) != place)).sum())
    note = (
        f"column '{DECISION}' of {other} of {len(raw)} rows is not {HIGHEST}; it is what is judged"
    )
    return _by_class(place, classes), "decisions of the table", [note] if other else []


def highest_of(scores: Mapping[str, np.ndarray]) -> Values:
    """Decisions by class for the class of the highest score."""
    table = np.stack(list(scores.values()), axis=1)
    return _undecided_where_nan(one_class.decide(table), table, list(scores))


def check_sums(scores: Mapping[str, np.ndarray], rows: pd.Index, column: str) -> None:
    """Refuses scores of an image that do not add up to 1.

    Args:
        scores: By class.
        rows: Numbers of the rows, for the message.
        column: What the columns are called.

    Raises:
        InputError: They don't.
    """
    total = np.sum(list(scores.values()), axis=0)
    if (wrong := np.abs(total - 1) > SUM_WITHIN).any():
        first = int(wrong.argmax())
        raise InputError(
            f"predictions, row {rows[first]} ({int(wrong.sum())} such rows): the columns "
            f"'{column}/NAME' add up to {total[first]:.3g}; 1 within {SUM_WITHIN} is accepted, for "
            "classes of which each image has one. Of findings that are each present or absent, "
            f"give '{LABEL}/NAME' beside each"
        )


def alike(labels: Mapping[str, np.ndarray], scores: Mapping[str, np.ndarray]) -> list[str]:
    """A note if findings look like classes, which thresholds don't decide between."""
    label, score = (np.stack(list(one.values()), axis=1) for one in (labels, scores))
    known, scored = np.isfinite(label).all(axis=1), np.isfinite(score).all(axis=1)
    if label.shape[1] < 2 or not known.any() or not scored.any():
        return []
    one_each = (label[known].sum(axis=1) == 1).all()
    if not one_each or (np.abs(score[scored].sum(axis=1) - 1) > SUM_WITHIN).any():
        return []
    return [
        "each image has one of the findings, and its scores add up to 1: if they are classes, give "
        f"one column '{LABEL}' with a class's name, and {HIGHEST} is called"
    ]


def _places(texts: pd.Series, classes: Sequence[str], bad: BadCell) -> np.ndarray:
    """Number of each row's class; -1 where it is unknown."""
    import pandas as pd

    codes, values = pd.factorize(texts)
    number = {name: place for place, name in enumerate(classes)}
    found = np.array([_place(value, number) for value in values], np.int64)
    place = found[codes]
    if (wrong := place < -1).any():
        raise bad(
            str(texts.name),
            pd.Series(wrong, texts.index),
            f"accepted: {_listed(classes)} (each has a column 'score/NAME'), or empty where it is "
            "unknown",
        )
    return place


def _place(value: str, number: Mapping[str, int]) -> int:
    """A class's number; -1 of an unknown label, -2 of anything else."""
    text = printable(value)
    if text in number:
        return number[text]
    if whole := _WHOLE.fullmatch(text):
        return number.get(whole[1], -2)
    return -1 if text.lower() in _UNKNOWN else -2


def _by_class(place: np.ndarray, classes: Sequence[str]) -> Values:
    return {
        name: np.where(place < 0, np.nan, (place == number).astype(np.float64))
        for number, name in enumerate(classes)
    }


def _undecided_where_nan(decided: np.ndarray, table: np.ndarray, classes: Sequence[str]) -> Values:
    shown = np.where(np.isfinite(table).all(axis=1)[:, None], decided, np.nan)
    return {name: shown[:, number] for number, name in enumerate(classes)}


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_SHOWN])
    more = len(names) - _MOST_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
