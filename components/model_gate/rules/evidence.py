"""The evidence on a model, computed from tables of predictions, for the rules to judge."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from components.model_gate.rules import groups
from components.model_gate.rules.groups import Group, GroupDifference
from components.model_gate.rules.settings import GateSettings
from components.statistics import delong
from components.statistics.bootstrap import Bootstrap, bootstrap, gap, paired_difference
from components.statistics.intervals import Interval
from components.statistics.judged_rows import JudgedRows
from schemas import features
from schemas.documents.gate import Serving
from schemas.errors import InputError
from trainer_modules.settings import TaskSettings

if TYPE_CHECKING:
    import pandas as pd

# Seeds of the domains differ: the gap needs independent draws.
_SEEDS = {domain: seed for seed, domain in enumerate(features.DOMAINS)}


@dataclasses.dataclass(frozen=True)
class Baseline:
    """The model with which the candidate is compared.

    Attributes:
        version: Its version; None if nothing was pushed before.
        problem: Why it could not be compared; empty if it could.
        differences: Candidate minus baseline AUC by domain.
        groups: The same by group, if the settings request it.
    """

    version: str | None = None
    problem: str = ""
    differences: Mapping[str, Interval] = dataclasses.field(default_factory=dict)
    groups: Sequence[GroupDifference] = ()


@dataclasses.dataclass(frozen=True)
class Evidence:
    """Everything the rules use, and `delong`, a check of the intervals by domain."""

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
        evaluator_blessed: TFMA's verdict; None if there is none.

    Raises:
        InputError: The table lacks a column.
    """
    _check_columns(table, task, subgroups)
    table = table.reset_index(drop=True)  # rows are later selected by number
    boots = _bootstraps(table, task, settings)
    baseline = baseline or Baseline()
    swapped = None if baseline_table is None else _swapped(table, baseline_table, task)
    if isinstance(swapped, str):
        baseline, swapped = dataclasses.replace(baseline, problem=swapped), None
    found = groups.judged(table, swapped, task, subgroups, settings)
    if swapped is not None:
        differences = _differences(boots, swapped, task, settings)
        baseline = dataclasses.replace(baseline, differences=differences, groups=found.differences)
    inside, shifted = (boots.get(domain) for domain in features.DOMAINS)
    return Evidence(
        metrics={domain: groups.intervals(boot, settings) for domain, boot in boots.items()},
        groups=found.groups,
        gap=gap(inside, shifted, "auc", settings.confidence, settings.interval)
        if inside and shifted
        else None,
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


def _bootstraps(
    table: pd.DataFrame, task: TaskSettings, settings: GateSettings
) -> dict[features.Domain, Bootstrap]:
    boots = {}
    for domain in features.DOMAINS:
        records = JudgedRows.of_task(table[table[features.DOMAIN] == domain], task)
        if records.examples:
            boots[domain] = bootstrap(records, settings.resamples, _SEEDS[domain])
    return boots


def _swapped(
    table: pd.DataFrame, baseline_table: pd.DataFrame, task: TaskSettings
) -> pd.DataFrame | str:
    """Returns the table with the baseline's scores, or why there is none."""
    predictions = [
        column(target)
        for target in task.targets
        for column in (features.prediction, features.decision)
    ]
    scores = baseline_table.drop_duplicates(features.IMAGE_ID).set_index(features.IMAGE_ID)
    images = table[features.IMAGE_ID]
    if missing := int((~images.isin(scores.index)).sum()):
        return f"its predictions lack {missing} of {len(images)} images"
    swapped = table.copy()
    swapped[predictions] = scores.loc[images, predictions].to_numpy()
    return swapped


def _differences(
    boots: Mapping[features.Domain, Bootstrap],
    swapped: pd.DataFrame,
    task: TaskSettings,
    settings: GateSettings,
) -> dict[str, Interval]:
    """Candidate minus baseline by domain."""
    old = _bootstraps(swapped, task, settings)
    return {
        domain: paired_difference(boot, old[domain], "auc", settings.confidence, settings.interval)
        for domain, boot in boots.items()
    }


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
