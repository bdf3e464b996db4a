"""Performance without labels: what it would be if scores still mean what they meant.

Each image counts as a positive with the chance that its score had of a positive label in the
blessed table, and as a negative with the rest (confidence-based estimation). The interval has the
error of the new patients, by leaving out each in turn, and that of the meaning of scores.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from components.statistics import jackknife, recalibration
from components.statistics.clustered_auc import ClusteredAuc
from components.statistics.judged_rows import JudgedRows
from components.statistics.rates import Rate
from schemas import features
from schemas.documents.monitoring import Estimated
from schemas.documents.reference import CalibrationMap, DomainReference

if TYPE_CHECKING:
    import pandas as pd

CONFIDENCE = 0.95
ASSUMES = (
    "a score means what it meant in the blessed table (calibration holds): a change of what is "
    "called positive, or of how the disease looks, cannot be seen without labels"
)
DOUBTFUL = "; drift was found, so this is doubtful"
_LEAST_PATIENTS = 10
_EDGE = 1e-9
# Standard errors by which a bin of the blessed table may be off the map of all of it.
_FAR = 3.5

# Value and values without each patient in turn, from chances of a positive label.
_Metric = Callable[[np.ndarray], tuple[float, np.ndarray]]


def estimated(
    table: pd.DataFrame,
    reference: DomainReference,
    known: Mapping[str, float | None],
    *,
    decided: bool,
    drifted: bool,
) -> Iterator[Estimated]:
    """Estimates of each finding whose scores have a known meaning.

    Args:
        table: New predictions.
        reference: Of the blessed domain.
        known: Values of the verdict by metric, with `/NAME` where there are several findings.
        decided: Whether there are decisions.
        drifted: Whether drift was found.
    """
    for target, one in reference.targets.items():
        scores = table[features.prediction(target)].to_numpy(np.float64)
        if one.map is None or not np.isfinite(scores).all():
            continue
        metrics = _Metrics(table, target)
        if metrics.patients < _LEAST_PATIENTS:
            continue
        own = f"/{target}" if len(reference.targets) > 1 else ""
        log_odds = recalibration.log_odds(scores)
        for name, metric in metrics.of_all(decided):
            value, lower, upper = _interval(metric, log_odds, one.map, metrics.patients)
            before = one.positive_rate if name == "positive_rate" else known.get(name + own)
            yield Estimated(
                target=target,
                metric=name,
                value=value,
                lower=lower,
                upper=upper,
                reference=before,
                assumes=ASSUMES + (DOUBTFUL if drifted else ""),
                doubtful=drifted,
            )


def misfits(reference: DomainReference) -> Iterator[str]:
    """Warnings where the blessed labels themselves contradict what a score is taken to mean."""
    for target, one in reference.targets.items():
        if one.map is None:
            continue
        for part in one.calibration:
            log_odds = recalibration.log_odds(np.array([part.score]))
            expected = float(special.expit(one.map.intercept + one.map.slope * log_odds)[0])
            error = math.sqrt(expected * (1 - expected) / part.patients)
            if abs(part.positive_rate - expected) > _FAR * error:
                yield (
                    f"estimates of {target} are doubtful: of blessed patients with a score of "
                    f"about {part.score:.2f}, {part.positive_rate:.0%} were positive, where "
                    f"{expected:.0%} fit the rest"
                )
                break


class _Metrics:
    """Metrics of one finding as functions of the chances of a positive label."""

    def __init__(self, table: pd.DataFrame, target: str):
        import pandas as pd

        self._score = table[features.prediction(target)].to_numpy(np.float64)
        self._called = table[features.decision(target)].to_numpy(np.float64)
        self._patient, names = pd.factorize(table[features.PATIENT_ID])
        self.patients = len(names)

    def of_all(self, decided: bool) -> Iterator[tuple[str, _Metric]]:
        """Each by name; those of decisions only where there are some."""
        yield "positive_rate", lambda chance: self._rate(chance, np.ones_like(chance))
        yield "auc", self._auc
        if decided:
            called = self._called
            yield "sensitivity", lambda chance: self._rate(called, chance)
            yield "specificity", lambda chance: self._rate(1 - called, 1 - chance)
            yield "ppv", lambda chance: self._rate(chance, called)
            yield "npv", lambda chance: self._rate(1 - chance, 1 - called)

    def _rate(self, hits: np.ndarray, weight: np.ndarray) -> tuple[float, np.ndarray]:
        found = Rate.of(hits, weight, self._patient, self.patients)
        return found.value, found.left_out

    def _auc(self, chance: np.ndarray) -> tuple[float, np.ndarray]:
        """Over pairs of two patients' images, each image as a positive and as a negative."""
        twice = np.concatenate([self._score, self._score])[:, None]
        label = np.repeat([1.0, 0.0], len(chance))[:, None]
        records = JudgedRows(
            targets=("",),
            exclusive=False,
            patient=np.concatenate([self._patient, self._patient]),
            patients=self.patients,
            label=label,
            weight=np.concatenate([chance, 1 - chance])[:, None],
            score=twice,
            decision=np.zeros_like(label),
        )
        # The correlation within patients is of no use here, and takes long.
        found = ClusteredAuc.of(records, (0.0,))
        return found.across, found.left_out


def _interval(
    metric: _Metric, log_odds: np.ndarray, meaning: CalibrationMap, patients: int
) -> tuple[float, float, float]:
    """The estimate and its bounds, on the log odds; NaN where it is undefined."""

    def at(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        return metric(special.expit(parameters[0] + parameters[1] * log_odds))

    center = np.array([meaning.intercept, meaning.slope])
    value, left_out = at(center)
    if not math.isfinite(value) or not np.isfinite(left_out).all():
        return math.nan, math.nan, math.nan
    # A rate of exactly 0 or 1, such as one without a decision of a kind, has no error to show.
    smallest = min(0.5 / patients, 1e-3)
    own = jackknife.LogOdds.of(value, left_out, smallest)
    squares = own.error**2
    variances, directions = np.linalg.eigh(np.array(meaning.covariance))
    for variance, direction in zip(np.maximum(variances, 0), directions.T, strict=True):
        step = math.sqrt(variance) * direction
        ends = [at(center + sign * step)[0] for sign in (1, -1)]
        high, low = special.logit(np.clip(ends, _EDGE, 1 - _EDGE))
        squares += (float(high - low) / 2) ** 2
    half = jackknife.t_quantile(min(patients - 1, meaning.degrees), CONFIDENCE)
    lower, upper = jackknife.LogOdds(own.center, math.sqrt(squares)).bounds(half)
    return value, min(lower, value), max(upper, value)
