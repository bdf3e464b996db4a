"""What is odd about a table of predictions, and makes intervals or figures tell something else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from components.model_gate.standalone.text_columns import numbers_of
from components.statistics.judged_rows import numbered
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
    patients = raw[features.PATIENT_ID]
    number, names = numbered(patients)
    in_domains = np.zeros(len(names), np.int8)
    for domain in features.DOMAINS:
        in_domains[np.unique(number[judged & (raw[features.DOMAIN] == domain).to_numpy()])] += 1
    if both := int((in_domains > 1).sum()):
        yield (
            f"{both} patients have images in both domains, which are judged as if they had no "
            "patient in common"
        )
    if len(names) == len(patients) and _row_numbers(patients):
        yield (
            "patient_id counts the rows: if patients have several images, every interval is too "
            "narrow"
        )


def _row_numbers(patients: pd.Series) -> bool:
    """Whether ids that occur once are 0, 1, 2, ... or 1, 2, 3, ..., in any order."""
    if len(patients) < 2 or not patients.str.isdecimal().all():
        return False
    # Ids of more digits than a float's lose the last ones; they are no numbers of rows.
    numbers = np.sort(numbers_of(patients))
    return bool(numbers[0] in (0, 1) and (np.diff(numbers) == 1).all())
