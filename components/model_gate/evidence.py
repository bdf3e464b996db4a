"""What is known about a model, computed from tables of predictions; the rules judge it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from components.model_gate import delong
from components.model_gate.intervals import Interval
from components.model_gate.records import Records
from components.model_gate.settings import GateSettings
from components.model_gate.statistics import (
    Bootstrap,
    bootstrap,
    gap,
    holm,
    p_below,
    paired_difference,
)
from trainer_modules import features
from trainer_modules.errors import InputError
from trainer_modules.settings import TaskSettings

if TYPE_CHECKING:
    import pandas as pd

JUDGED = "judged"
NOT_ENOUGH_DATA = "not_enough_data"
# Seeds of the domains differ: the gap needs independent draws.
_SEEDS = {domain: seed for seed, domain in enumerate(features.DOMAINS)}


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
        p_value: Of being worse by more than the margin, Holm-corrected over the groups; NaN when
            the interval is undefined.
    """

    domain: str
    column: str
    value: str
    auc: Interval
    p_value: float


@dataclasses.dataclass(frozen=True)
class Baseline:
    """The model to which the candidate is compared.

    Attributes:
        version: Its version, None when nothing was pushed before.
        problem: Why it could not be compared; empty when it could.
        differences: Candidate minus baseline AUC by domain.
        groups: The same by group, where the settings ask for it.
    """

    version: str | None = None
    problem: str = ""
    differences: Mapping[str, Interval] = dataclasses.field(default_factory=dict)
    groups: Sequence[GroupDifference] = ()


@dataclasses.dataclass(frozen=True)
class Serving:
    """Outcome of the load-and-call check."""

    ok: bool
    message: str
    latency_ms: float | None = None
    size_bytes: int | None = None
    max_difference: float | None = None


@dataclasses.dataclass(frozen=True)
class Evidence:
    """Everything that the rules look at, and `delong`, a check of the intervals by domain."""

    metrics: Mapping[str, Mapping[str, Interval]]
    groups: Sequence[Group]
    gap: Interval | None
    baseline: Baseline
    serving: Serving | None
    evaluator_blessed: bool | None
    records: int
    not_probabilities: int
    delong: Mapping[str, Interval] = dataclasses.field(default_factory=dict)


def collect(
    table: pd.DataFrame,
    task: TaskSettings,
    subgroups: Sequence[str],
    settings: GateSettings,
    *,
    baseline_table: pd.DataFrame | None = None,
    baseline: Baseline | None = None,
    serving: Serving | None = None,
    evaluator_blessed: bool | None = None,
) -> Evidence:
    """Computes intervals, groups, gap and the comparison with the baseline.

    Args:
        table: Predictions of the test data of both domains, columns as the Predictor writes them.
        task: What is predicted.
        subgroups: Names of the subgroup columns.
        settings: Number of resamples, confidence, sizes.
        baseline_table: The baseline's predictions for the same images; None without a baseline.
        baseline: Its version, or why it can't be compared.
        serving: Outcome of the serving check.
        evaluator_blessed: TFMA's verdict; None when it gave none.

    Raises:
        InputError: The table lacks a column.
    """
    _check_columns(table, task, subgroups)
    boots = _bootstraps(table, task, settings)
    baseline = baseline or Baseline()
    if baseline_table is not None:
        baseline = _compared(baseline, baseline_table, table, boots, task, subgroups, settings)
    both = [boots.get(domain) for domain in features.DOMAINS]
    return Evidence(
        metrics={domain: _intervals(boot, settings) for domain, boot in boots.items()},
        groups=_groups(table, task, subgroups, settings),
        gap=gap(*both, "auc", settings.confidence, settings.interval) if all(both) else None,
        baseline=baseline,
        serving=serving,
        evaluator_blessed=evaluator_blessed,
        records=len(table),
        not_probabilities=_not_probabilities(table, task),
        delong={
            domain: delong.interval(boot.records, settings.confidence)
            for domain, boot in boots.items()
        },
    )


def _intervals(boot: Bootstrap, settings: GateSettings) -> dict[str, Interval]:
    return {
        name: boot.interval(name, settings.confidence, settings.interval) for name in boot.values
    }


def _bootstraps(
    table: pd.DataFrame, task: TaskSettings, settings: GateSettings
) -> dict[str, Bootstrap]:
    boots = {}
    for domain in features.DOMAINS:
        records = _records(table[table[features.DOMAIN] == domain], task)
        if records.examples:
            boots[domain] = bootstrap(records, settings.resamples, _SEEDS[domain])
    return boots


def _records(table: pd.DataFrame, task: TaskSettings) -> Records:
    return Records.from_table(table, task.targets, exclusive=task.kind == "multiclass")


def _groups(
    table: pd.DataFrame, task: TaskSettings, subgroups: Sequence[str], settings: GateSettings
) -> list[Group]:
    groups = []
    for domain, column, value, rows in _group_rows(table, subgroups):
        records = _records(rows, task)
        if not records.examples:
            continue
        metrics = _intervals(bootstrap(records, settings.resamples, seed=0), settings)
        auc = metrics["auc"]
        finite = np.isfinite(records.score[records.weight > 0]).all()
        # NaN predictions are the model's fault, not a want of data: judged, they fail.
        enough = records.patients >= settings.subgroups.min_patients and (
            np.isfinite(auc.value) or not finite
        )
        status = JUDGED if enough else NOT_ENOUGH_DATA
        groups.append(Group(domain, column, value, auc, status, metrics))
    return groups


def _group_rows(
    table: pd.DataFrame, subgroups: Sequence[str]
) -> Iterator[tuple[str, str, str, pd.DataFrame]]:
    """Domain, column, value and rows of each site and subgroup."""
    columns = [features.SITE, *(features.subgroup(name) for name in subgroups)]
    for domain in features.DOMAINS:
        part = table[table[features.DOMAIN] == domain]
        for column in columns:
            for value, rows in part.groupby(column, sort=True):
                yield domain, column, str(value), rows


def _compared(
    baseline: Baseline,
    baseline_table: pd.DataFrame,
    table: pd.DataFrame,
    boots: Mapping[str, Bootstrap],
    task: TaskSettings,
    subgroups: Sequence[str],
    settings: GateSettings,
) -> Baseline:
    predictions = [
        column(target)
        for target in task.targets
        for column in (features.prediction, features.decision)
    ]
    scores = baseline_table.drop_duplicates(features.IMAGE_ID).set_index(features.IMAGE_ID)
    images = table[features.IMAGE_ID]
    if missing := int((~images.isin(scores.index)).sum()):
        return dataclasses.replace(
            baseline, problem=f"its predictions lack {missing} of {len(images)} images"
        )
    swapped = table.copy()
    swapped[predictions] = scores.loc[images, predictions].to_numpy()
    old = _bootstraps(swapped, task, settings)
    differences = {
        domain: paired_difference(boot, old[domain], "auc", settings.confidence, settings.interval)
        for domain, boot in boots.items()
    }
    groups = _group_differences(table, swapped, task, subgroups, settings)
    return dataclasses.replace(baseline, differences=differences, groups=groups)


def _group_differences(
    table: pd.DataFrame,
    swapped: pd.DataFrame,
    task: TaskSettings,
    subgroups: Sequence[str],
    settings: GateSettings,
) -> list[GroupDifference]:
    """Differences of the groups of enough patients; none when no margin is set."""
    margin = settings.subgroups.max_regression
    if margin == 1:
        return []
    found = []
    pairs = zip(_group_rows(table, subgroups), _group_rows(swapped, subgroups), strict=True)
    for (domain, column, value, rows), (*_, old_rows) in pairs:
        records = _records(rows, task)
        if records.patients < settings.subgroups.min_patients:
            continue
        new = bootstrap(records, settings.resamples, seed=0)
        old = bootstrap(_records(old_rows, task), settings.resamples, seed=0)
        auc = paired_difference(new, old, "auc", settings.confidence, settings.interval)
        p_value = (
            p_below(new, old, "auc", -margin, settings.interval) if auc.judged else float("nan")
        )
        found.append(GroupDifference(domain, column, value, auc, p_value))
    # Groups that can't be judged are no part of the family, or they would spoil the order.
    judged = [one for one in found if one.auc.judged]
    adjusted = iter(holm([one.p_value for one in judged]))
    return [
        dataclasses.replace(one, p_value=next(adjusted)) if one.auc.judged else one for one in found
    ]


def _not_probabilities(table: pd.DataFrame, task: TaskSettings) -> int:
    scores = table[[features.prediction(target) for target in task.targets]].to_numpy(float)
    return int((~((scores >= 0) & (scores <= 1)).all(axis=1)).sum())


def _check_columns(table: pd.DataFrame, task: TaskSettings, subgroups: Sequence[str]) -> None:
    wanted = [features.IMAGE_ID, features.PATIENT_ID, features.SITE, features.DOMAIN]
    wanted += [features.subgroup(name) for name in subgroups]
    for target in task.targets:
        wanted += [
            features.label(target),
            features.label_weight(target),
            features.prediction(target),
            features.decision(target),
        ]
    if missing := [name for name in wanted if name not in table.columns]:
        raise InputError(
            f"the predictions table lacks the columns {missing}, it has {list(table.columns)}"
        )
