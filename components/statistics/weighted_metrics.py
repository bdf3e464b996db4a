"""Metrics of one set of records under many patient resamples at once.

A resample is how often each patient was drawn. Every metric except the AUC (see `target_auc`) is a
ratio of sums over patients, and so a matrix product with these counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from components.statistics.judged_rows import JudgedRows
from components.statistics.target_auc import TargetAuc, divide
from trainer_modules.decisions import one_class
from trainer_modules.decisions.calibration_metrics import ECE_BINS, ece_bin

Draws = dict[str, np.ndarray]


class PatientMetrics:
    """Metrics as a function of how often each patient was drawn."""

    def __init__(self, records: JudgedRows):
        """Sorts and sums everything that does not depend on the draw."""
        self._targets = records.targets
        self._aucs = [TargetAuc(records, index) for index, _ in enumerate(records.targets)]
        columns = [target_sums(records, index) for index, _ in enumerate(records.targets)]
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
            `brier` and `ece` as means over the targets, the same as `name/target` if there are
            several targets, and `accuracy` for exclusive targets. NaN if a metric is undefined.
        """
        return self._named(self._sums.T @ counts, [auc(counts) for auc in self._aucs])

    def _named(self, sums: np.ndarray, aucs: Sequence[np.ndarray]) -> Draws:
        width = SUMS_WIDTH
        by_target = []
        for index, auc in enumerate(aucs):
            metrics = ratios(sums[index * width : (index + 1) * width])
            by_target.append({"auc": auc, **metrics})
        draws = {
            name: np.mean([metrics[name] for metrics in by_target], axis=0) for name in by_target[0]
        }
        if len(self._targets) > 1:
            for target, metrics in zip(self._targets, by_target, strict=True):
                draws.update({f"{name}/{target}": values for name, values in metrics.items()})
        if self._exclusive:
            draws["accuracy"] = divide(sums[-2], sums[-1])
        return draws


SUMS_WIDTH = 7 + ECE_BINS


def target_sums(records: JudgedRows, index: int) -> np.ndarray:
    """Sums over each patient's records, from which the ratios of one target follow: [P, width]."""
    weight, label = records.weight[:, index], records.label[:, index]
    known = weight > 0
    # Values of unknown labels must not reach the sums: 0 times NaN is NaN.
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
    bins = records.patient * ECE_BINS + ece_bin(score)
    off = np.bincount(bins, weight * (score - label), records.patients * ECE_BINS)
    return np.concatenate(
        [np.stack(summed, axis=1), off.reshape(records.patients, ECE_BINS)], axis=1
    )


def ratios(sums: np.ndarray) -> Draws:
    """Metrics of one target from its sums, shape [width, resamples].

    The expected calibration error is the mean over records of |mean score - mean label| in the
    record's bin.
    """
    weight, positive, true_positive, negative, true_negative, called, squared = sums[:7]
    return {
        "sensitivity": divide(true_positive, positive),
        "specificity": divide(true_negative, negative),
        "ppv": divide(true_positive, called),
        "brier": divide(squared, weight),
        "ece": divide(np.abs(sums[7:]).sum(axis=0), weight),
    }


def _accuracy_sums(records: JudgedRows) -> np.ndarray:
    """Records and correct records of each patient for exclusive targets, [P, 2].

    A record is correct if its class has the highest probability, and never if a probability is NaN.
    """
    weight = records.weight.max(axis=1)
    correct = weight * (one_class.decide(records.score) * records.label).sum(axis=1)
    return np.stack(
        [np.bincount(records.patient, column, records.patients) for column in (correct, weight)],
        axis=1,
    )
