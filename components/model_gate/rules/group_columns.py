"""The groups of a column: those of many values or few patients together.

Columns of many values are hospitals by the dozen, or an identifier that is no grouping at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from components.model_gate.rules.outcomes import MIN_NAMED_PATIENTS
from schemas import features
from schemas.printable import printable

if TYPE_CHECKING:
    import pandas as pd

# Of a column with more values, only those with enough patients are judged.
MAX_GROUPS = 50
OTHERS = "(other values)"
FEW = "(small groups)"


def judgeable(
    names: pd.Series, patient: pd.Series, domain: pd.Series, least: int
) -> pd.Series | None:
    """The column as it is if it has few values, else with those of few patients together.

    Args:
        names: The column.
        patient: Patient of each row.
        domain: Domain of each row.
        least: Patients that a group needs in one of the domains.

    Returns:
        None if the column has many values, and none of them has enough patients.
    """
    if names.nunique() <= MAX_GROUPS:
        return names
    sizes = patient.groupby([domain, names]).nunique()
    large = sizes[sizes >= least].index.get_level_values(1).unique()
    return names.where(names.isin(large), OTHERS) if len(large) else None


def private(table: pd.DataFrame, subgroups: Sequence[str], known: np.ndarray) -> pd.DataFrame:
    """Pools groups of very few patients, so that no output tells of a few patients of a group.

    A value keeps its name where each domain that has it has enough patients of it. What is pooled
    in a domain has enough patients, too: the smallest group with a name joins it until it has, else
    the difference to the whole domain would tell. Where that leaves one group, the column says
    nothing, and has no group in that domain.

    Args:
        table: Predictions.
        subgroups: Names of the subgroup columns.
        known: Rows with a label: the patients of the others are not counted anywhere.
    """
    columns = [features.SITE, *(features.subgroup(name) for name in subgroups)]
    patient = table[features.PATIENT_ID].where(known)
    pooled = {}
    for column in columns:
        names = table[column].astype(str)
        names = names.map({one: printable(one) for one in names.unique()})
        names = names.where(table[column].notna())
        pooled[column] = _pooled(names, patient, table[features.DOMAIN])
    return table.assign(**pooled)


def _pooled(names: pd.Series, patient: pd.Series, domain: pd.Series) -> pd.Series:
    """The names of one column, those of few patients replaced; rows without a label have none."""
    sizes = patient.groupby([domain, names]).nunique().unstack(fill_value=0)
    small = set(sizes.columns[((sizes > 0) & (sizes < MIN_NAMED_PATIENTS)).any()])
    found = names.copy()
    for one in sizes.index:
        here = domain == one
        by_size = sizes.loc[one][sizes.loc[one] > 0].sort_values(kind="stable")
        hidden = [name for name in by_size.index if name in small]
        named = [name for name in by_size.index if name not in small]
        while hidden and _patients(names, patient, here, hidden) < MIN_NAMED_PATIENTS and named:
            hidden.append(named.pop(0))
        chosen = here & names.isin(hidden)
        found[chosen] = FEW if named else None
    return found


def _patients(names: pd.Series, patient: pd.Series, here: pd.Series, hidden: list[str]) -> int:
    return int(patient[here & names.isin(hidden)].nunique())
