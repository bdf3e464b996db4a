"""What a pilot table of predictions says about patients and model."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd
from scipy import special

from components.model_gate.rules.outcomes import MIN_NAMED_PATIENTS
from components.model_gate.standalone import prediction_file, prediction_table
from components.model_gate.standalone.prediction_table import Predictions
from components.statistics import clustered_metrics
from components.statistics.clustered_auc import ClusteredAuc
from components.statistics.clustered_metrics import Precision
from components.statistics.intervals import Interval
from components.statistics.judged_rows import JudgedRows
from schemas import features
from schemas.errors import InputError
from schemas.printable import printable

# Fewer of a class tell an AUC from almost none.
_FEW = 10
# No calibration is taken from a pilot, so that its draws need not be many.
_PRECISION = Precision(draws=200)


@dataclasses.dataclass(frozen=True)
class Pilot:
    """Estimates of one domain; None where the pilot can't tell.

    `notes` says of a metric how sure it is; `few` that a class has hardly any patients.
    """

    patients: int
    auc: float | None
    sensitivity: float | None
    specificity: float | None
    prevalence: float | None
    positive_images: float | None
    correlation: float | None
    images: tuple[int, ...]
    groups: Mapping[str, Mapping[str, float]]
    baseline_auc: float | None
    shared: float | None
    notes: Mapping[str, str]
    few: bool


def read(path: str, columns: Collection[str], finding: str) -> dict[str, Pilot]:
    """Estimates by domain with labels of both classes.

    Args:
        path: A table of predictions, as the gate judges it.
        columns: Columns whose groups a policy names.
        finding: Of several findings, the one to plan for; empty: there is only one.

    Raises:
        InputError: The table is not acceptable, or has several findings and none was chosen.
    """
    raw = prediction_file.read_predictions(path)
    subgroups = [name for name in sorted(columns) if name != features.SITE]
    predictions = prediction_table.prepare(raw, None, subgroups, (), 1)
    names = predictions.task.targets
    if finding and finding not in names:
        raise InputError(f"--finding '{printable(finding)}'; the pilot has {', '.join(names)}")
    if not finding and len(names) > 1:
        raise InputError(
            f"the pilot has the findings {', '.join(names)}; choose one to plan for by --finding"
        )
    target = finding or names[0]
    found: dict[str, Pilot] = {
        domain: one
        for domain in features.DOMAINS
        if (one := _domain(predictions, domain, target, columns)) is not None
    }
    if not found:
        raise InputError("the pilot has no domain with labels of both classes: nothing to estimate")
    return found


def _domain(
    predictions: Predictions, domain: str, target: str, columns: Collection[str]
) -> Pilot | None:
    table = predictions.table
    known = table[features.label_weight(target)] > 0
    chosen = (table[features.DOMAIN] == domain) & known
    part = table[chosen]
    if part[features.label(target)].nunique() < 2:
        return None
    rows = JudgedRows.from_table(part, (target,))
    metrics = clustered_metrics.intervals(rows, _PRECISION)
    images = np.bincount(rows.patient, minlength=rows.patients)
    positive = np.bincount(rows.patient, rows.label[:, 0], rows.patients)
    has = positive > 0
    auc = ClusteredAuc.of(rows)
    other, shared = None, None
    if predictions.baseline is not None:
        theirs = JudgedRows.from_table(predictions.baseline[chosen], (target,))
        other = _value(ClusteredAuc.of(theirs).interval(_PRECISION.confidence))
        shared = _shared(rows, theirs)
    return Pilot(
        patients=rows.patients,
        auc=_value(metrics["auc"]),
        sensitivity=_value(metrics["sensitivity"]),
        specificity=_value(metrics["specificity"]),
        prevalence=float(has.mean()) if 0 < has.mean() < 1 else None,
        positive_images=float((positive[has] / images[has]).mean()),
        correlation=auc.correlations[0] if (images > 1).any() else None,
        images=tuple(images.tolist()),
        groups={column: _shares(part, column) for column in columns},
        baseline_auc=other,
        shared=shared,
        notes={name: _note(one) for name, one in metrics.items() if one.judged},
        few=min(has.sum(), (~has).sum()) < _FEW,
    )


def _value(interval: Interval) -> float | None:
    return float(interval.value) if np.isfinite(interval.value) else None


def _note(interval: Interval) -> str:
    return f"{interval.patients} patients, interval {interval.lower:.3f} to {interval.upper:.3f}"


def _shared(rows: JudgedRows, theirs: JudgedRows) -> float:
    """Correlation of the two models' scores within the classes, of normal scores."""
    found, number = 0.0, 0
    for wanted in (0, 1):
        chosen = rows.label[:, 0] == wanted
        one, other = (_normal(records.score[chosen, 0]) for records in (rows, theirs))
        if min(one.std(), other.std()) > 0:
            found += float(np.corrcoef(one, other)[0, 1]) * int(chosen.sum())
            number += int(chosen.sum())
    return float(np.clip(found / number, 0, 1)) if number else 0.0


def _normal(score: np.ndarray) -> np.ndarray:
    rank = pd.Series(score).rank().to_numpy()
    return special.ndtri((rank - 0.5) / len(score))


def _shares(part: pd.DataFrame, column: str) -> dict[str, float]:
    """Share of the patients of each value with enough patients to be named."""
    name = column if column == features.SITE else features.subgroup(column)
    values = part.groupby(features.PATIENT_ID, observed=True)[name].first().astype(str)
    counts = values.value_counts()
    kept = counts[counts >= MIN_NAMED_PATIENTS]
    return {str(value): float(count) / len(values) for value, count in sorted(kept.items())}
