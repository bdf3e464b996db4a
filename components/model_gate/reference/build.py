"""The reference of a verdict, from the table that was judged: sums over patients, no ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from components.statistics import histograms, jackknife, recalibration
from components.statistics.histograms import LEAST_PATIENTS
from components.statistics.judged_rows import JudgedRows, numbered
from schemas import features
from schemas.documents.reference import (
    CalibrationBin,
    CalibrationMap,
    DomainReference,
    Histogram,
    Reference,
    TargetReference,
)
from trainer_modules.settings import TaskSettings

if TYPE_CHECKING:
    import pandas as pd

_STATISTIC = features.statistic("")


def of_table(
    table: pd.DataFrame,
    task: TaskSettings,
    thresholds: Mapping[str, float],
    records: Mapping[features.Domain, JudgedRows] | None = None,
) -> Reference:
    """What later tables are compared with; nothing of a domain of fewer than five patients.

    Args:
        table: The judged predictions, columns as the Predictor writes them.
        task: What is predicted.
        thresholds: Of the decisions by target, where they are known.
        records: The labeled rows by domain, where they are at hand already.
    """
    found: Reference = {}
    columns = [features.PATIENT_ID, *map(features.prediction, task.targets)]
    columns += [name for name in table if name.startswith(_STATISTIC)]
    for domain in features.DOMAINS:
        rows = table.loc[table[features.DOMAIN] == domain, columns]
        if rows[features.PATIENT_ID].nunique() >= LEAST_PATIENTS:
            known = (records or {}).get(domain) or JudgedRows.of_task(
                table, task, rows=(table[features.DOMAIN] == domain).to_numpy()
            )
            found[domain] = _domain(rows, known.by_patient(), thresholds)
    return found


def _domain(
    rows: pd.DataFrame, equal: JudgedRows, thresholds: Mapping[str, float]
) -> DomainReference:
    names = [name for name in rows if name.startswith(_STATISTIC)]
    targets = {}
    for index, target in enumerate(equal.targets):
        scores = histogram(rows, features.prediction(target))
        if scores is not None:
            targets[target] = _target(scores, equal, index, thresholds.get(target))
    statistics = {name.removeprefix(_STATISTIC): histogram(rows, name) for name in names}
    return DomainReference(
        exclusive=equal.exclusive,
        patients=int(rows[features.PATIENT_ID].nunique()),
        images=len(rows),
        targets=targets,
        statistics={name: one for name, one in statistics.items() if one is not None},
    )


def histogram(rows: pd.DataFrame, column: str) -> Histogram | None:
    """Patients by value; None of fewer than five with one."""
    values, patient = values_of(rows, column)
    if not len(values) or patient.max() + 1 < LEAST_PATIENTS:
        return None
    weight = histograms.equal_weights(patient)
    edges = histograms.edges(values, weight)
    held = histograms.counts(values, weight, edges)
    return Histogram(edges=tuple(edges), patients=tuple(float(f"{one:.6g}") for one in held))


def values_of(rows: pd.DataFrame, column: str) -> tuple[np.ndarray, np.ndarray]:
    """The finite values of a column, and the number of each one's patient."""
    values = rows[column].to_numpy(np.float64)
    finite = np.isfinite(values)
    return values[finite], numbered(rows[features.PATIENT_ID], finite)[0]


def _target(
    scores: Histogram, equal: JudgedRows, index: int, threshold: float | None
) -> TargetReference:
    positive, negative = _by_class(equal, index)
    told = min(positive, negative) >= LEAST_PATIENTS
    weight = equal.weight[:, index]
    rate = float((weight * equal.label[:, index]).sum() / weight.sum()) if told else None
    return TargetReference(
        scores=scores,
        threshold=threshold,
        positive_rate=rate,
        calibration=_calibration(equal, index) if told else (),
        map=_map(equal, index) if told else None,
    )


def _by_class(equal: JudgedRows, index: int) -> tuple[int, int]:
    """Patients with a positive, and with a negative image."""
    known, label = equal.weight[:, index] > 0, equal.label[:, index]
    found = [len(np.unique(equal.patient[known & (label == wanted)])) for wanted in (1, 0)]
    return found[0], found[1]


def _map(equal: JudgedRows, index: int) -> CalibrationMap | None:
    found = recalibration.logistic_map(equal, index)
    if found is None:
        return None
    (intercept, slope), left_out = found
    moved = left_out - left_out.mean(axis=0)
    covariance = (len(moved) - 1) / len(moved) * moved.T @ moved
    cross = float(covariance[0, 1])
    label = equal.label[:, index]
    degrees = min(
        jackknife.effective_number(
            np.bincount(equal.patient, np.where(label == wanted, equal.weight[:, index], 0.0))
        )
        for wanted in (0, 1)
    )
    return CalibrationMap(
        intercept=float(intercept),
        slope=float(slope),
        covariance=((float(covariance[0, 0]), cross), (cross, float(covariance[1, 1]))),
        degrees=max(1.0, degrees - 1),
    )


def _calibration(equal: JudgedRows, index: int) -> tuple[CalibrationBin, ...]:
    """Bins by score that grow until five patients of each class are in them."""
    known = equal.weight[:, index] > 0
    order = np.flatnonzero(known)[np.argsort(equal.score[known, index], kind="stable")]
    score, label = equal.score[order, index], equal.label[order, index]
    weight = equal.weight[order, index]
    if not np.isfinite(score).all():
        return ()
    ends = _ends(score, label, weight)
    return tuple(
        CalibrationBin(
            score=float(np.average(score[part], weights=weight[part])),
            positive_rate=float(np.average(label[part], weights=weight[part])),
            patients=float(f"{weight[part].sum():.6g}"),
        )
        for part in (slice(start, end) for start, end in zip([0, *ends], ends, strict=False))
    )


def _ends(score: np.ndarray, label: np.ndarray, weight: np.ndarray) -> list[int]:
    """Where bins of ascending scores end; what is left at the end joins the last."""
    least = max(LEAST_PATIENTS, weight.sum() / histograms.MOST_BINS)
    held = [np.cumsum(weight * label), np.cumsum(weight * (1 - label)), np.cumsum(weight)]
    needed = np.array([LEAST_PATIENTS, LEAST_PATIENTS, least])
    ends: list[int] = []
    before = np.zeros(3)
    while True:
        wanted = before + needed - 1e-9
        place = max(int(np.searchsorted(*one)) for one in zip(held, wanted, strict=True))
        if place >= len(score):
            break
        ends.append(int(np.searchsorted(score, score[place], side="right")))
        before = np.array([one[ends[-1] - 1] for one in held])
    return [*ends[:-1], len(score)] if ends else []
