"""What is odd about a table of predictions, and makes intervals or figures tell something else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from schemas import features

if TYPE_CHECKING:
    import pandas as pd

IMAGE = "image_id"


def notes(raw: pd.DataFrame, judged: np.ndarray) -> Iterator[str]:
    """A sentence for each; none of them quotes an id.

    Args:
        raw: Columns of text.
        judged: Rows that are judged, rather than choose the threshold.
    """
    if IMAGE in raw:
        named = raw.loc[raw[IMAGE] != "", IMAGE]
        if repeated := int(named.duplicated().sum()):
            yield f"{repeated} rows repeat the {IMAGE} of an earlier one; each counts as an image"
    rows = raw[judged]
    domains = rows.groupby(features.PATIENT_ID, sort=False)[features.DOMAIN].nunique()
    if both := int((domains > 1).sum()):
        yield (
            f"{both} patients have images in both domains, which are judged as if they had no "
            "patient in common"
        )
    if _row_numbers(raw[features.PATIENT_ID]):
        yield (
            "patient_id counts the rows: if patients have several images, every interval is too "
            "narrow"
        )


def _row_numbers(patients: pd.Series) -> bool:
    """Whether the ids are 0, 1, 2, ... or 1, 2, 3, ..., in any order, each once."""
    if len(patients) < 2 or patients.duplicated().any() or not patients.str.isdecimal().all():
        return False
    numbers = np.sort(patients.astype(object).map(int).to_numpy(dtype=object))
    return bool(numbers[0] in (0, 1) and numbers[-1] - numbers[0] == len(numbers) - 1)
