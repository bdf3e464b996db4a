"""The evidence on a model, computed from tables of predictions, for the rules to judge."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from components.model_gate.classes import confusion
from components.model_gate.policy.settings import GateSettings
from components.model_gate.reference import build
from components.model_gate.rules import group_columns, groups, missing_labels, operating_points
from components.model_gate.rules.groups import DomainAucs, Group, GroupDifference
from components.model_gate.rules.operating_points import Chosen
from components.statistics import clustered_auc, clustered_metrics, delong, jackknife
from components.statistics.clustered_auc import ClusteredAuc
from components.statistics.clustered_metrics import Precision
from components.statistics.intervals import Interval
from components.statistics.judged_rows import JudgedRows, coded, numbered
from components.statistics.thresholds import net_benefit
from components.statistics.thresholds.net_benefit import Curve
from schemas import features
from schemas.documents.gate import Serving
from schemas.documents.reference import Reference
from schemas.errors import InputError
from trainer_modules.settings import TaskSettings

if TYPE_CHECKING:
    import pandas as pd

# The column of what counts once, by its name in the settings. Patients count once anyway: each
# domain is also judged by patient.
_UNITS = {
    "image": features.IMAGE_ID,
    "patient": features.PATIENT_ID,
    "study": features.STUDY_ID,
    "slide": features.SLIDE_ID,
}


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
    """Everything the rules use, and `delong`, a check of the intervals by domain.

    `unlabelled` counts images without a label by domain and target; `notes` are warnings about the
    table; `confusion` and `undecided`, images without one class, are of multiclass models;
    table; `points` are the policy's operating points; `curves` are decision curves by domain;
    `reference` is what later tables are compared with.
    """

    metrics: Mapping[str, Mapping[str, Interval]]
    groups: Sequence[Group]
    gap: Interval | None
    baseline: Baseline
    serving: Serving | None
    evaluator_blessed: bool | None
    records: int
    not_probabilities: int
    delong: Mapping[str, Interval] = dataclasses.field(default_factory=dict)
    unlabelled: missing_labels.Counts = dataclasses.field(default_factory=dict)
    confusion: confusion.Matrices = dataclasses.field(default_factory=dict)
    undecided: int | None = None
    notes: Sequence[str] = ()
    reference: Reference = dataclasses.field(default_factory=dict)
    points: Sequence[Chosen] = ()
    curves: Mapping[str, Sequence[Curve]] = dataclasses.field(default_factory=dict)


def collect(
    table: pd.DataFrame,
    task: TaskSettings,
    subgroups: Sequence[str],
    settings: GateSettings,
    *,
    validation: pd.DataFrame | None = None,
    baseline_table: pd.DataFrame | None = None,
    baseline: Baseline | None = None,
    serving: Serving | None = None,
    evaluator_blessed: bool | None = None,
    thresholds: Mapping[str, float] | None = None,
) -> Evidence:
    """Computes intervals, groups, gap and the comparison with the baseline.

    Args:
        table: Predictions of the test data of both domains, columns as the Predictor writes them.
        task: What is predicted.
        subgroups: Names of the subgroup columns.
        settings: Confidence, sizes, unit.
        validation: Predictions of patients that are not judged, on which operating points are
            chosen; None without such.
        baseline_table: The baseline's predictions for the same images; None without a baseline.
        baseline: Its version, or why it can't be compared.
        serving: Outcome of the serving check.
        evaluator_blessed: TFMA's verdict; None if there is none.
        thresholds: Of the decisions by target; None where they are not known.

    Raises:
        InputError: The table lacks a column.
    """
    _check_columns(table, task, subgroups, _UNITS[settings.unit])
    table = table.copy(deep=False)
    table[features.PATIENT_ID] = coded(table[features.PATIENT_ID])
    table = group_columns.private(table, subgroups, _known(table, task))
    baseline = baseline or Baseline()
    swapped = None if baseline_table is None else _swapped(table, baseline_table, task)
    if isinstance(swapped, str):
        baseline, swapped = dataclasses.replace(baseline, problem=swapped), None
    points = operating_points.choose(validation, task, settings)
    domains = {
        domain: one
        for domain in features.DOMAINS
        if (one := _domain(table, swapped, domain, task, subgroups, settings, points)) is not None
    }
    found = groups.judged(domains, settings, points)
    if swapped is not None:
        differences = _differences(domains, settings.confidence)
        baseline = dataclasses.replace(baseline, differences=differences, groups=found.differences)
    metrics: dict[str, Mapping[str, Interval]] = {
        domain: one.metrics for domain, one in domains.items()
    }
    predicted = [one for one in (table, validation) if one is not None]
    both = [metrics[domain]["auc"] for domain in features.DOMAINS if domain in metrics]
    return Evidence(
        metrics=metrics,
        groups=found.groups,
        gap=jackknife.gap(*both) if len(both) == len(features.DOMAINS) else None,
        baseline=baseline,
        serving=serving,
        evaluator_blessed=evaluator_blessed,
        records=sum(len(one) for one in predicted),
        not_probabilities=sum(_not_probabilities(one, task) for one in predicted),
        delong={
            domain: delong.interval(one.auc.records, settings.confidence)
            for domain, one in domains.items()
        },
        unlabelled=missing_labels.counted(table, task),
        confusion=confusion.matrices(table, task),
        undecided=confusion.undecided(table, task),
        points=points,
        curves={domain: _curves(one.auc.records, settings) for domain, one in domains.items()},
        reference=build.of_table(
            table,
            task,
            thresholds or {},
            {domain: one.auc.records for domain, one in domains.items()},
        ),
    )


def _curves(records: JudgedRows, settings: GateSettings) -> list[Curve]:
    """Decision curves; a class among several is not decided at a threshold, and has none."""
    if records.exclusive:
        return []
    thresholds = settings.decision_curve.thresholds
    found = net_benefit.curves(records, thresholds, settings.prevalences, settings.confidence)
    return list(found)


def _domain(
    table: pd.DataFrame,
    swapped: pd.DataFrame | None,
    domain: str,
    task: TaskSettings,
    subgroups: Sequence[str],
    settings: GateSettings,
    points: Sequence[Chosen],
) -> DomainAucs | None:
    """The figures of the records with a known label, and their groups; None without any."""
    chosen = (table[features.DOMAIN] == domain).to_numpy() & _known(table, task)
    if not chosen.any():
        return None
    unit = _UNITS[settings.unit]
    auc = ClusteredAuc.of(JudgedRows.of_task(table, task, unit, chosen))
    other = None
    if swapped is not None:
        other = ClusteredAuc.of(JudgedRows.of_task(swapped, task, unit, chosen))
    columns = (features.SITE, *(features.subgroup(name) for name in subgroups))
    precision = Precision(settings.confidence, settings.resamples)
    metrics = clustered_metrics.intervals(auc.records, precision, auc)
    metrics |= operating_points.measured(auc.records, metrics, points, settings)
    in_groups = {column: numbered(table[column], chosen) for column in columns}
    return DomainAucs(in_groups, auc, other, metrics)


def _known(table: pd.DataFrame, task: TaskSettings) -> np.ndarray:
    """Rows with a label of at least one target."""
    known = np.zeros(len(table), bool)
    for target in task.targets:
        known |= table[features.label_weight(target)].to_numpy() > 0
    return known


def _swapped(
    table: pd.DataFrame, baseline_table: pd.DataFrame, task: TaskSettings
) -> pd.DataFrame | str:
    """Returns the table with the baseline's scores, or why there is none."""
    predictions = [
        column(target)
        for target in task.targets
        for column in (features.prediction, features.decision)
    ]
    images = table[features.IMAGE_ID]
    scores = baseline_table
    if not np.array_equal(images, scores[features.IMAGE_ID]):
        scores = scores.drop_duplicates(features.IMAGE_ID).set_index(features.IMAGE_ID)
        if missing := int((~images.isin(scores.index)).sum()):
            return f"its predictions lack {missing} of {len(images)} images"
        scores = scores.loc[images]
    swapped = table.copy(deep=False)
    for name in predictions:
        swapped[name] = scores[name].to_numpy()
    return swapped


def _differences(
    domains: Mapping[features.Domain, DomainAucs], confidence: float
) -> dict[str, Interval]:
    """Candidate minus baseline by domain."""
    return {
        domain: clustered_auc.difference(one.auc, one.other, confidence)
        for domain, one in domains.items()
        if one.other is not None
    }


def _not_probabilities(table: pd.DataFrame, task: TaskSettings) -> int:
    fine = np.ones(len(table), bool)
    for target in task.targets:
        score = table[features.prediction(target)].to_numpy(np.float64)
        fine &= (score >= 0) & (score <= 1)
    return int((~fine).sum())


def _check_columns(
    table: pd.DataFrame, task: TaskSettings, subgroups: Sequence[str], unit: str
) -> None:
    if unit not in table.columns:
        raise InputError(
            f"setting 'gate.unit': the predictions have no column '{unit}'; choose image or "
            "patient, or give the column"
        )
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
