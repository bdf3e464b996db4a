"""Every metric of a set of records with its interval, patients as clusters."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping

import numpy as np

from components.statistics import jackknife, rates, recalibration
from components.statistics.clustered_auc import ClusteredAuc, patients_by_class
from components.statistics.intervals import Interval
from components.statistics.judged_rows import JudgedRows
from components.statistics.rates import Rate

BY_PATIENT = "_by_patient"


@dataclasses.dataclass(frozen=True)
class Precision:
    """How intervals are computed.

    Attributes:
        confidence: Of every interval.
        draws: Drawn deviations for the interval of the calibration error.
    """

    confidence: float = 0.95
    draws: int = 2000


def intervals(
    records: JudgedRows, precision: Precision, auc: ClusteredAuc | None = None
) -> dict[str, Interval]:
    """Every metric by name: the mean over targets, and `name/target` where there are several.

    `auc`, `sensitivity`, `specificity` and `balanced_accuracy` come a second time as
    `NAME_by_patient`, with equal weights for patients instead of records. Calibration is by patient
    only.

    Args:
        records: JudgedRows of a domain or group.
        precision: Confidence and draws.
        auc: The AUC of these records where it is at hand already.
    """
    equal = records.by_patient()
    found = _of(records, equal, precision, auc)
    if len(records.targets) > 1:
        for index, target in enumerate(records.targets):
            single, alike = of_one_target(records, index), of_one_target(equal, index)
            of_target = _of(single, alike, precision, None)
            found.update({f"{name}/{target}": one for name, one in of_target.items()})
    if records.exclusive:
        found["accuracy"] = _accuracy(records, precision.confidence)
    return found


def aucs(
    records: JudgedRows, confidence: float, auc: ClusteredAuc | None = None
) -> dict[str, Interval]:
    """The AUC by record and by patient, of the records of one or more targets."""
    auc = auc or ClusteredAuc.of(records)
    equal = ClusteredAuc.of(records.by_patient(), auc.correlations)
    return {"auc": auc.interval(confidence), f"auc{BY_PATIENT}": equal.interval(confidence)}


def decided(records: JudgedRows, confidence: float) -> dict[str, Interval]:
    """What depends on decisions alone: the rates by name, and by `name/target`."""
    found = _decided(records, confidence)
    if len(records.targets) > 1:
        for index, target in enumerate(records.targets):
            alone = _decided(of_one_target(records, index), confidence)
            found.update({f"{name}/{target}": one for name, one in alone.items()})
    return found


def _decided(records: JudgedRows, confidence: float) -> dict[str, Interval]:
    found = {
        name: _rate_interval(records, _rate(records, select), _KIND[name], confidence)
        for name, select in _RATES.items()
    }
    for name in ("sensitivity", "specificity"):
        rate = _rate(records, _RATES[name], by_patient=True)
        found[name + BY_PATIENT] = _rate_interval(records, rate, _KIND[name], confidence)
    return found


def _of(
    records: JudgedRows, equal: JudgedRows, precision: Precision, auc: ClusteredAuc | None
) -> dict[str, Interval]:
    confidence = precision.confidence
    found = aucs(records, confidence, auc)
    found.update(_decided(records, confidence))
    found["balanced_accuracy"] = _balanced_accuracy(records, confidence)
    by_patient = _balanced_accuracy(records, confidence, by_patient=True)
    found[f"balanced_accuracy{BY_PATIENT}"] = by_patient
    found["brier"] = _brier(records, confidence)
    found.update(_calibration(equal, precision))
    return found


def of_one_target(records: JudgedRows, index: int) -> JudgedRows:
    """The records of one target, as if there were no other; patients without one count for 0."""
    known = records.weight[:, index] > 0
    numbers, patient = np.unique(records.patient[known], return_inverse=True)
    columns = {
        name: getattr(records, name)[known, index : index + 1]
        for name in ("label", "weight", "score", "decision")
    }
    return dataclasses.replace(
        records,
        targets=records.targets[index : index + 1],
        exclusive=False,
        patient=patient,
        patients=len(numbers),
        **columns,
    )


# A rate's hits and the records that count, from labels and decisions.
_Select = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
_RATES: Mapping[str, _Select] = {
    "sensitivity": lambda label, decision: (decision == 1, label == 1),
    "specificity": lambda label, decision: (decision == 0, label == 0),
    "ppv": lambda label, decision: (label == 1, decision == 1),
    "npv": lambda label, decision: (label == 0, decision == 0),
}
_KIND = {
    "sensitivity": "positive",
    "specificity": "negative",
    "ppv": "called positive",
    "npv": "called negative",
}


def _rate(records: JudgedRows, select: _Select, by_patient: bool = False) -> Rate:
    """The mean rate over targets."""
    found = []
    for index, _ in enumerate(records.targets):
        hits, counts = select(records.label[:, index], records.decision[:, index])
        weight = np.where(counts, records.weight[:, index], 0.0)
        if by_patient:
            weight = _equal(weight, records)
        found.append(Rate.of(hits.astype(np.float64), weight, records.patient, records.patients))
    return rates.mean(found)


def _equal(weight: np.ndarray, records: JudgedRows) -> np.ndarray:
    """Each patient once: the rate becomes the mean of the patients' own rates."""
    sizes = np.bincount(records.patient, weight, records.patients)[records.patient]
    return np.divide(weight, sizes, out=np.zeros_like(weight), where=weight > 0)


def _rate_interval(records: JudgedRows, rate: Rate, kind: str, confidence: float) -> Interval:
    lower, upper = rate.bounds(confidence)
    return Interval(
        rate.value,
        lower,
        upper,
        records.patients,
        records.examples,
        by_class={kind: rate.patients},
        effective=rate.effective,
    )


def _balanced_accuracy(
    records: JudgedRows, confidence: float, by_patient: bool = False
) -> Interval:
    """Mean of sensitivity and specificity; of the classes' sensitivities where they exclude."""
    parts = [_rate(records, _RATES["sensitivity"], by_patient)]
    if not records.exclusive:
        parts.append(_rate(records, _RATES["specificity"], by_patient))
    found = _rate_interval(records, rates.mean(parts), "", confidence)
    return dataclasses.replace(found, by_class=patients_by_class(records))


def _accuracy(records: JudgedRows, confidence: float) -> Interval:
    """Fraction of records for which their class, and no other, is called."""
    hits = (records.decision == records.label).all(axis=1).astype(np.float64)
    rate = Rate.of(hits, records.weight.max(axis=1), records.patient, records.patients)
    return _rate_interval(records, rate, "labelled", confidence)


def _brier(records: JudgedRows, confidence: float) -> Interval:
    """Mean squared error: the jackknife on the log odds, as it lies between 0 and 1."""
    parts = []
    for index, _ in enumerate(records.targets):
        weight = records.weight[:, index]
        counts = weight > 0
        squared = np.where(counts, (records.score[:, index] - records.label[:, index]) ** 2, 0.0)
        parts.append(Rate.of(squared, weight, records.patient, records.patients))
    rate = rates.mean(parts)
    freedom = recalibration.degrees(records)
    found = _rate_interval(records, rate, "", confidence)
    found = dataclasses.replace(found, by_class=patients_by_class(records), effective=freedom + 1)
    if not (freedom > 0 and np.isfinite(rate.left_out).all()):
        return dataclasses.replace(found, lower=math.nan, upper=math.nan)
    log_odds = jackknife.LogOdds.of(rate.value, rate.left_out, 0.5 / max(1, records.examples))
    lower, upper = log_odds.bounds(jackknife.t_quantile(freedom, confidence))
    return jackknife.holding(dataclasses.replace(found, lower=lower, upper=upper), rate.value)


def _calibration(equal: JudgedRows, precision: Precision) -> dict[str, Interval]:
    freedom = recalibration.degrees(equal)
    slope, intercept = recalibration.slope_and_intercept(equal)
    error = recalibration.error_bounds(equal, freedom, precision.confidence, precision.draws)
    figures = {
        "calibration_slope": (slope.value, *slope.bounds(freedom, precision.confidence)),
        "calibration_intercept": (
            intercept.value,
            *intercept.bounds(freedom, precision.confidence),
        ),
        "calibration_error": error,
    }
    by_class = patients_by_class(equal)
    return {
        name: Interval(
            value,
            lower,
            upper,
            equal.patients,
            equal.examples,
            by_class=by_class,
            effective=freedom + 1,
        )
        for name, (value, lower, upper) in figures.items()
    }
