"""Metrics of one set of records under many patient resamples at once.

A resample says how often each patient was drawn. Everything but the AUC is a ratio of sums over
patients, hence a matrix product with those counts; the AUC sorts its scores once and sums along
that order for all resamples together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from trainer_modules import features

if TYPE_CHECKING:
    import pandas as pd

ECE_BINS = 15

Draws = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True, eq=False)
class Records:
    """Records of one domain whose label is known for at least one target.

    Attributes:
        targets: Names of the targets, T of them.
        exclusive: True for the classes of a multiclass task.
        patient: Number of each record's patient, 0 to patients - 1, shape [N].
        patients: How many patients there are.
        label: 0 or 1, shape [N, T].
        weight: 0 where the label is unknown, shape [N, T].
        score: Predicted probabilities, shape [N, T].
        decision: Decisions at the operating point, 0 or 1, shape [N, T].
    """

    targets: tuple[str, ...]
    exclusive: bool
    patient: np.ndarray
    patients: int
    label: np.ndarray
    weight: np.ndarray
    score: np.ndarray
    decision: np.ndarray

    @classmethod
    def from_table(
        cls, table: pd.DataFrame, targets: Sequence[str], exclusive: bool = False
    ) -> Records:
        """Takes the records with a known label out of a predictions table."""

        def matrix(column) -> np.ndarray:
            return table[[column(target) for target in targets]].to_numpy(np.float64)

        weight = matrix(features.label_weight)
        known = (weight > 0).any(axis=1)
        # Sorted, so that the same patients get the same numbers whatever the order of records.
        names, patient = np.unique(
            table[features.PATIENT_ID].to_numpy(str)[known], return_inverse=True
        )
        return cls(
            targets=tuple(targets),
            exclusive=exclusive,
            patient=patient,
            patients=len(names),
            label=matrix(features.label)[known],
            weight=weight[known],
            score=matrix(features.prediction)[known],
            decision=matrix(features.decision)[known],
        )

    @property
    def examples(self) -> int:
        """How many records there are."""
        return len(self.patient)

    def size_of(self, target: str) -> tuple[int, int]:
        """Patients and records with a known label of one target."""
        known = self.weight[:, self.targets.index(target)] > 0
        return len(np.unique(self.patient[known])), int(known.sum())


class PatientMetrics:
    """Metrics as a function of how often each patient was drawn."""

    def __init__(self, records: Records):
        """Sorts and sums what does not depend on the draw."""
        self._targets = records.targets
        self._aucs = [_TargetAuc(records, index) for index, _ in enumerate(records.targets)]
        columns = [_sums(records, index) for index, _ in enumerate(records.targets)]
        self._exclusive = records.exclusive
        if records.exclusive:
            columns.append(_accuracy_sums(records))
        self._sums = np.concatenate(columns, axis=1)

    def __call__(self, counts: np.ndarray) -> Draws:
        """Every metric for each resample.

        Args:
            counts: How often each patient was drawn, shape [patients, resamples].

        Returns:
            Arrays of shape [resamples] by name: `auc`, `sensitivity`, `specificity`, `ppv`,
            `brier` and `ece` as means over the targets, the same as `name/target` when there are
            several targets, and `accuracy` for exclusive targets. NaN where a metric is undefined.
        """
        sums = self._sums.T @ counts
        width = _SUMS_WIDTH
        by_target = []
        for index, auc in enumerate(self._aucs):
            metrics = _ratios(sums[index * width : (index + 1) * width])
            by_target.append({"auc": auc(counts), **metrics})
        draws = {
            name: np.mean([metrics[name] for metrics in by_target], axis=0) for name in by_target[0]
        }
        if len(self._targets) > 1:
            for target, metrics in zip(self._targets, by_target, strict=True):
                draws.update({f"{name}/{target}": values for name, values in metrics.items()})
        if self._exclusive:
            draws["accuracy"] = _divide(sums[-2], sums[-1])
        return draws


class _TargetAuc:
    """Mann-Whitney AUC of one target: ties count a half."""

    def __init__(self, records: Records, index: int):
        weight, score = records.weight[:, index], records.score[:, index]
        known = weight > 0
        # A NaN score has no place in the order: the AUC of such a target is NaN.
        self._defined = bool(np.isfinite(score[known]).all())
        positive = known & (records.label[:, index] == 1)
        negative = np.flatnonzero(known & ~positive)
        negative = negative[np.argsort(score[negative], kind="stable")]
        positive = np.flatnonzero(positive)
        self._negative_patient = records.patient[negative]
        self._positive_patient = records.patient[positive]
        self._negative_weight = weight[negative][:, None]
        self._positive_weight = weight[positive][:, None]
        self._below = np.searchsorted(score[negative], score[positive], side="left")
        self._up_to = np.searchsorted(score[negative], score[positive], side="right")

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        resamples = counts.shape[1]
        if not self._defined:
            return np.full(resamples, np.nan)
        # Resamples lie along the last axis, so that every step runs over contiguous memory.
        beaten = np.zeros((len(self._negative_patient) + 1, resamples))
        np.cumsum(counts[self._negative_patient] * self._negative_weight, axis=0, out=beaten[1:])
        positive = counts[self._positive_patient] * self._positive_weight
        won = np.einsum("pr,pr->r", positive, beaten[self._below])
        won += np.einsum("pr,pr->r", positive, beaten[self._up_to])
        return _divide(won / 2, positive.sum(axis=0) * beaten[-1])


_SUMS_WIDTH = 7 + ECE_BINS


def _sums(records: Records, index: int) -> np.ndarray:
    """Sums over each patient's records that the ratios of one target are made of: [P, width]."""
    weight, label = records.weight[:, index], records.label[:, index]
    known = weight > 0
    # Values of unknown labels must not spoil the sums: 0 times NaN is NaN.
    score = np.where(known, records.score[:, index], 0.0)
    decision = np.where(known, records.decision[:, index], 0.0)
    columns = [
        weight,
        weight * label,
        weight * label * decision,
        weight * (1 - label),
        weight * (1 - label) * (1 - decision),
        weight * decision,
        weight * (score - label) ** 2,
    ]
    summed = [np.bincount(records.patient, column, records.patients) for column in columns]
    bins = np.clip(np.nan_to_num(score) * ECE_BINS, 0, ECE_BINS - 1).astype(np.int64)
    off = np.bincount(
        records.patient * ECE_BINS + bins, weight * (score - label), records.patients * ECE_BINS
    )
    return np.concatenate(
        [np.stack(summed, axis=1), off.reshape(records.patients, ECE_BINS)], axis=1
    )


def _ratios(sums: np.ndarray) -> Draws:
    """Metrics of one target from its sums, shape [width, resamples].

    The expected calibration error has 15 bins of equal width over [0, 1]: the mean over records
    of |mean score - mean label| of the record's bin.
    """
    weight, positive, true_positive, negative, true_negative, called, squared = sums[:7]
    return {
        "sensitivity": _divide(true_positive, positive),
        "specificity": _divide(true_negative, negative),
        "ppv": _divide(true_positive, called),
        "brier": _divide(squared, weight),
        "ece": _divide(np.abs(sums[7:]).sum(axis=0), weight),
    }


def _accuracy_sums(records: Records) -> np.ndarray:
    """Records and correct records of each patient for exclusive targets, [P, 2].

    A record is correct when its highest probability is that of its class; one with a NaN
    probability never is.
    """
    weight = records.weight.max(axis=1)
    broken = ~np.isfinite(records.score).all(axis=1)
    best = np.where(broken, -1, np.argmax(np.nan_to_num(records.score), axis=1))
    correct = weight * (best == records.label.argmax(axis=1))
    return np.stack(
        [np.bincount(records.patient, column, records.patients) for column in (correct, weight)],
        axis=1,
    )


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    out = np.full(np.shape(numerator), np.nan)
    return np.divide(numerator, denominator, out=out, where=denominator > 0)
