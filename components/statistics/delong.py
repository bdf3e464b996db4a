"""The AUC's standard error without resampling, as a check of the bootstrap.

DeLong, DeLong and Clarke-Pearson (1988), with patients as clusters (Obuchowski 1997): the images of
a patient are summed before squaring. With one image per patient, it equals DeLong's.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from scipy.special import ndtri

from components.statistics.intervals import Interval
from components.statistics.judged_rows import JudgedRows
from components.statistics.target_auc import TargetAuc, divide


@dataclasses.dataclass(frozen=True, eq=False)
class Components:
    """An AUC, or a mean or difference of several, and each patient's contribution to its error.

    Attributes:
        value: The AUC; NaN if undefined.
        positive: Sum over a patient's positive records, relative to all positives, [patients].
        negative: The same for the negative records.
        scaled_positive: Scaled for the degrees of freedom of its variance.
        scaled_negative: The same for the negative records.
    """

    value: float
    positive: np.ndarray
    negative: np.ndarray
    scaled_positive: np.ndarray
    scaled_negative: np.ndarray

    @classmethod
    def of(cls, records: JudgedRows) -> Components:
        """The mean AUC over the targets."""
        found = [_of_target(records, index) for index, _ in enumerate(records.targets)]
        return cls(*(np.mean(parts, axis=0) for parts in zip(*found, strict=True)))

    def minus(self, other: Components) -> Components:
        """The difference of two AUCs of the same patients."""
        return Components(
            *(
                getattr(self, field.name) - getattr(other, field.name)
                for field in dataclasses.fields(self)
            )
        )

    @property
    def standard_error(self) -> float:
        """The standard error; NaN if a class is missing or has only one patient."""
        patients = len(self.positive)
        if patients < 2:
            return float("nan")
        together = (self.positive * self.negative).sum() * patients / (patients - 1)
        own = (self.scaled_positive**2).sum() + (self.scaled_negative**2).sum()
        return float(np.sqrt(own + 2 * together))


def interval(records: JudgedRows, confidence: float) -> Interval:
    """The mean AUC and its normal interval, clipped to 0 and 1."""
    components = Components.of(records)
    half = float(ndtri((1 + confidence) / 2)) * components.standard_error
    lower, upper = np.clip([components.value - half, components.value + half], 0, 1).tolist()
    return Interval(float(components.value), lower, upper, records.patients, records.examples)


def _of_target(records: JudgedRows, index: int) -> tuple[float | np.ndarray, ...]:
    auc = TargetAuc(records, index)
    both = auc.placements()
    weight = records.weight[auc.positive, index]
    value = float(divide((weight * both[0]).sum(), weight.sum())) if auc.defined else math.nan
    sums, scaled = [], []
    for rows, placements in zip((auc.positive, auc.negative), both, strict=True):
        weight = records.weight[rows, index]
        patient = records.patient[rows]
        clusters = int(np.count_nonzero(np.bincount(patient)))
        away = np.bincount(patient, weight * (placements - value), records.patients)
        away = divide(away, weight.sum())
        sums.append(away)
        scaled.append(away * (np.sqrt(clusters / (clusters - 1)) if clusters > 1 else np.nan))
    return value, *sums, *scaled
