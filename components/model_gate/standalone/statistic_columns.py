"""Columns `statistic/NAME`: numbers that describe an image, for monitoring. No rule judges them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from components.model_gate.standalone.text_columns import numbers_of
from schemas import features
from schemas.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

_PREFIX = features.statistic("")


def is_statistic(column: str) -> bool:
    """Whether a column holds a statistic."""
    return column.startswith(_PREFIX)


def statistics(
    raw: pd.DataFrame, bad: Callable[[str, pd.Series], InputError]
) -> dict[str, np.ndarray]:
    """Numbers by column; NaN where a cell is empty.

    Args:
        raw: Columns of text.
        bad: The error about a column's rows that are not numbers.

    Raises:
        InputError: A cell is not a finite number.
    """
    found = {}
    for name in filter(is_statistic, raw.columns):
        given = ~raw[name].str.lower().isin(["", "nan"])
        found[name] = numbers_of(raw[name])
        if (wrong := given & ~np.isfinite(found[name])).any():
            raise bad(name, wrong)
    return found
