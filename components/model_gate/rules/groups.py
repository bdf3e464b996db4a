"""Sites and subgroups within each domain: their metrics, and their comparison with the baseline."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from components.model_gate.rules.settings import GateSettings
from components.statistics.bootstrap import Bootstrap, bootstrap, holm, p_below, paired_difference
from components.statistics.intervals import Interval
from components.statistics.judged_rows import JudgedRows
from schemas import features
from trainer_modules.settings import TaskSettings

if TYPE_CHECKING:
    import pandas as pd

JUDGED = "judged"
NOT_ENOUGH_DATA = "not_enough_data"
# A column with more values is not a grouping but an identifier or a measurement.
MAX_GROUPS = 50
# Smaller groups are pooled, so that no output names one that could be a single patient.
MIN_NAMED_PATIENTS = 5
FEW = f"(fewer than {MIN_NAMED_PATIENTS} patients)"


@dataclasses.dataclass(frozen=True)
class Group:
    """A value of `site` or of a subgroup column, within one domain.

    Attributes:
        domain: The domain.
        column: `site` or a subgroup column.
        value: Its value.
        auc: The AUC.
        status: `judged` or `not_enough_data`.
        metrics: Every metric by name.
    """

    domain: str
    column: str
    value: str
    auc: Interval
    status: str
    metrics: Mapping[str, Interval] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class GroupDifference:
    """Candidate minus baseline within a group.

    Attributes:
        domain: The domain.
        column: `site` or a subgroup column.
        value: Its value.
        auc: Difference of the AUCs, with its paired interval.
        p_value: Of being worse by more than the margin, Holm-corrected over the groups; NaN if the
            interval is undefined.
    """

    domain: str
    column: str
    value: str
    auc: Interval
    p_value: float


class Groups(NamedTuple):
    """All groups, and the differences of those with enough patients."""

    groups: list[Group]
    differences: list[GroupDifference]


def judged(
    table: pd.DataFrame,
    swapped: pd.DataFrame | None,
    task: TaskSettings,
    subgroups: Sequence[str],
    settings: GateSettings,
) -> Groups:
    """Judges each group, one in memory at a time.

    Args:
        table: Predictions of the test data of both domains.
        swapped: The same rows with the baseline's scores; None without a baseline.
        task: What is predicted.
        subgroups: Names of the subgroup columns.
        settings: Number of resamples, confidence, sizes; no differences without a margin.
    """
    groups, differences = [], []
    margin = settings.subgroups.max_regression
    for domain, column, value, rows in _rows(table, subgroups):
        records = JudgedRows.of_task(rows, task)
        if not records.examples:
            continue
        boot = bootstrap(records, settings.resamples, seed=0)
        groups.append(_group(domain, column, value, boot, settings))
        if swapped is None or margin == 1 or records.patients < settings.subgroups.min_patients:
            continue
        old = bootstrap(
            JudgedRows.of_task(swapped.loc[rows.index], task), settings.resamples, seed=0
        )
        auc = paired_difference(boot, old, "auc", settings.confidence, settings.interval)
        p_value = float("nan")
        if auc.judged:
            p_value = p_below(boot, old, "auc", -margin, settings.interval)
        differences.append(GroupDifference(domain, column, value, auc, p_value))
    return Groups(groups, _corrected(differences))


def intervals(boot: Bootstrap, settings: GateSettings) -> dict[str, Interval]:
    """Every metric with its interval."""
    return {
        name: boot.interval(name, settings.confidence, settings.interval) for name in boot.values
    }


def _group(domain: str, column: str, value: str, boot: Bootstrap, settings: GateSettings) -> Group:
    metrics, records = intervals(boot, settings), boot.records
    finite = np.isfinite(records.score[records.weight > 0]).all()
    # NaN predictions are the model's fault, not a lack of data: they are judged, and fail.
    enough = records.patients >= settings.subgroups.min_patients and (
        np.isfinite(metrics["auc"].value) or not finite
    )
    status = JUDGED if enough else NOT_ENOUGH_DATA
    return Group(domain, column, value, metrics["auc"], status, metrics)


def _rows(
    table: pd.DataFrame, subgroups: Sequence[str]
) -> Iterator[tuple[str, str, str, pd.DataFrame]]:
    """Domain, column, value and rows of each site and subgroup."""
    columns = [features.SITE, *(features.subgroup(name) for name in subgroups)]
    for domain in features.DOMAINS:
        part = table[table[features.DOMAIN] == domain]
        for column in columns:
            for value, rows in part.groupby(column, sort=True):
                yield domain, column, str(value), rows


def _corrected(differences: Sequence[GroupDifference]) -> list[GroupDifference]:
    """Holm's correction over the groups that could be judged; the others have no place in it."""
    adjusted = iter(holm([one.p_value for one in differences if one.auc.judged]))
    return [
        dataclasses.replace(one, p_value=next(adjusted)) if one.auc.judged else one
        for one in differences
    ]


def without_small_groups(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Pools groups of very few patients, so that no output identifies one."""
    patients = table.groupby(column)[features.PATIENT_ID].nunique()
    small = patients.index[patients < MIN_NAMED_PATIENTS]
    return table.assign(**{column: table[column].where(~table[column].isin(small), FEW)})
