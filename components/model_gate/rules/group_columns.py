"""The groups of a column: those of many values or few patients together.

Columns of many values are hospitals by the dozen, or an identifier that is no grouping at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from components.model_gate.rules.outcomes import MIN_NAMED_PATIENTS
from components.statistics.judged_rows import numbered
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
    import pandas as pd

    found = table.copy(deep=False)
    patient, _ = numbered(table[features.PATIENT_ID])
    domain, _ = numbered(table[features.DOMAIN])
    for column in (features.SITE, *(features.subgroup(name) for name in subgroups)):
        missing = table[column].isna().to_numpy()
        number, values = numbered(table[column])
        # Values that print alike are one.
        alike, names = pd.factorize(np.array([printable(one) for one in values], object), sort=True)
        number = np.where(missing, -1, np.append(alike, -1).astype(np.int32)[number])
        number = _pooled(number, len(names), patient, domain, known)
        if (number == len(names)).any():
            place, names = pd.factorize(np.append(names, FEW), sort=True)
            number = np.append(place, -1)[number]
        found[column] = pd.Categorical.from_codes(number, pd.Index(names, dtype=object))
    return found


def _pooled(
    number: np.ndarray, names: int, patient: np.ndarray, domain: np.ndarray, known: np.ndarray
) -> np.ndarray:
    """The number of each row's name; `names` where it is pooled, -1 where it has none."""
    rows = known & (number >= 0)
    patients = int(patient.max(initial=0)) + 1
    place = domain[rows].astype(np.int64) * names + number[rows]
    # Each patient of each name in each domain once.
    place, who = np.divmod(np.unique(place * patients + patient[rows]), patients)
    domains = int(domain.max(initial=0)) + 1
    sizes = np.bincount(place, minlength=domains * names).reshape(domains, names)
    small = np.asarray(((sizes > 0) & (sizes < MIN_NAMED_PATIENTS)).any(axis=0))
    found = number.copy()
    for one in range(domains):
        present = np.flatnonzero(sizes[one])
        by_size = present[np.argsort(sizes[one, present], kind="stable")]
        hidden = np.zeros(names + 1, bool)
        hidden[by_size] = small[by_size]
        named = [name for name in by_size if not small[name]]
        if not len(present):
            continue
        name_of, patient_of = place[place // names == one] % names, who[place // names == one]
        while hidden.any() and named:
            counted = patient_of[hidden[name_of]]
            if len(np.unique(counted)) >= MIN_NAMED_PATIENTS:
                break
            hidden[named.pop(0)] = True
        found[(domain == one) & hidden[number]] = names if named else -1
    return found
