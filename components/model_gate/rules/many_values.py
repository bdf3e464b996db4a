"""Columns of many values: hospitals by the dozen, or an identifier that is no grouping at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# Of a column with more values, only those with enough patients are judged.
MAX_GROUPS = 50
OTHERS = "(other values)"


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
