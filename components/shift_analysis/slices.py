"""Subgroup discovery: the slices of the metadata on which a model ranks worse than on the rest.

Every value of every column, and every pair of values of two columns, is compared with the rest of
its domain. So many comparisons find something by chance, so the p-values are Holm-corrected over
all of them, and slices of few patients are skipped.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from components.statistics.bootstrap import holm
from components.statistics.delong import Components
from components.statistics.judged_rows import JudgedRows
from schemas import features
from schemas.documents.shift import WorstSlice, WorstSlices

if TYPE_CHECKING:
    import pandas as pd

MIN_PATIENTS = 20
MAX_SHOWN = 25
# With fewer patients of either class, DeLong's standard error is unreliable.
MIN_PATIENTS_OF_A_CLASS = 5


def worst_slices(
    table: pd.DataFrame, targets: Sequence[str], columns: Sequence[str]
) -> WorstSlices:
    """Finds the slices on which a model performs worst.

    Args:
        table: Predictions of the test data of both domains.
        targets: Names of the targets.
        columns: Metadata columns, e.g. `site` and `subgroup/sex`.

    Returns:
        The worst of them, by p-value and then by AUC.
    """
    found, too_small = [], 0
    for domain in features.DOMAINS:
        part = table[table[features.DOMAIN] == domain]
        if part.empty:
            continue
        records = JudgedRows.from_table(part, targets)
        known = (part[[features.label_weight(target) for target in targets]] > 0).any(axis=1)
        part = part[known]
        for where, inside in _slices(part, columns):
            compared = _compared(domain, where, records, inside)
            too_small += compared is None
            if compared is not None:
                found.append(compared)
    adjusted = holm([one.p_value for one in found])
    found = [
        one.model_copy(update={"p_value": p_value})
        for one, p_value in zip(found, adjusted, strict=True)
    ]
    found.sort(key=lambda one: (one.p_value, one.auc))
    return WorstSlices(slices=tuple(found[:MAX_SHOWN]), looked_at=len(found), too_small=too_small)


def _slices(
    part: pd.DataFrame, columns: Sequence[str]
) -> Iterator[tuple[dict[str, str], np.ndarray]]:
    """Yields single values, then pairs that are not the same records as one of their values."""
    single = {}
    for column in columns:
        values = part[column].to_numpy(str)
        for value in np.unique(values):
            inside = values == value
            if not inside.all():
                single[column, str(value)] = inside
                yield {column: str(value)}, inside
    for (one, inside), (other, also) in itertools.combinations(single.items(), 2):
        if one[0] == other[0]:
            continue
        both = inside & also
        if both.any() and (both != inside).any() and (both != also).any():
            yield dict([one, other]), both


def _compared(
    domain: str, where: dict[str, str], records: JudgedRows, inside: np.ndarray
) -> WorstSlice | None:
    """Compares slice and rest with the same numbering of patients, so that errors pair."""
    own = dataclasses.replace(records, weight=records.weight * inside[:, None])
    rest = dataclasses.replace(records, weight=records.weight * ~inside[:, None])
    if not _enough(own) or not _enough(rest):
        return None
    components, others = Components.of(own), Components.of(rest)
    difference = components.minus(others)
    error = difference.standard_error
    if not np.isfinite(difference.value):
        return None
    known = (own.weight > 0).any(axis=1)
    patients = len(np.unique(own.patient[known]))
    if error > 0:
        p_value = max(float(ndtr(difference.value / error)), float(np.finfo(float).tiny))
    else:
        # All patients say the same: as with draws, none of them against it is not 0.
        p_value = 1 / (patients + 1) if difference.value < 0 else 1.0
    return WorstSlice(
        domain=domain,
        where=where,
        patients=patients,
        examples=int(known.sum()),
        auc=float(components.value),
        rest=float(others.value),
        p_value=p_value,
    )


def _enough(records: JudgedRows) -> bool:
    for index, _ in enumerate(records.targets):
        known = records.weight[:, index] > 0
        positive = known & (records.label[:, index] == 1)
        counts = [len(np.unique(records.patient[rows])) for rows in (positive, known & ~positive)]
        patients = len(np.unique(records.patient[known]))
        if patients < MIN_PATIENTS or min(counts) < MIN_PATIENTS_OF_A_CLASS:
            return False
    return True
