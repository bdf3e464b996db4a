"""Columns that `predict` writes beside scores: the file, why it has none, and decisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from components.model_gate.standalone.finding_columns import TargetColumns
from components.model_gate.standalone.text_columns import numbers_of
from schemas.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

LEFT_OUT = "left_out"
OWN = ("image", LEFT_OUT)


def without_left_out(raw: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The rows that the model was given, and a note about the others.

    Raises:
        InputError: There are none.
    """
    if LEFT_OUT not in raw or not (lost := raw[LEFT_OUT] != "").any():
        return raw, []
    if lost.all():
        raise InputError(f"predictions: column '{LEFT_OUT}' leaves out every row")
    return raw[~lost], [
        f"{int(lost.sum())} of {len(raw)} rows are not judged: column '{LEFT_OUT}' says that the "
        "model was not given their images"
    ]


def decisions(
    raw: pd.DataFrame, targets: Mapping[str, TargetColumns], scores: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray] | None:
    """The model's own decisions by target; None if the table has none.

    Raises:
        InputError: An image with a score has a decision other than 0 and 1.
    """
    if not all(columns.decision in raw for columns in targets.values()):
        return None
    found = {}
    for target, columns in targets.items():
        values = numbers_of(raw[columns.decision])
        wrong = ~np.isnan(scores[target]) & ~np.isin(values, (0, 1))
        if wrong.any():
            raise InputError(
                f"predictions: column '{columns.decision}' of {int(wrong.sum())} rows is neither 0 "
                "nor 1"
            )
        found[target] = values
    return found
