"""The AUC of one target on all resamples of patients at once, and each patient's contribution.

The scores are sorted once; every resample is a weighting of that order.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from components.statistics.judged_rows import JudgedRows

_EXACT_RECORDS = 100_000


@dataclasses.dataclass(frozen=True, eq=False)
class Pairs:
    """Weights of the pairs of a positive and a negative record, each of shape [patients].

    Attributes:
        positives: Weight of a patient's positive records.
        negatives: Weight of a patient's negative records.
        won_by: Weight of the pairs that a patient's positive records win; a tie counts a half.
        won_over: Weight of the pairs that are won against a patient's negative records.
        won_within: Weight of the pairs won by a patient's records against its own.
    """

    positives: np.ndarray
    negatives: np.ndarray
    won_by: np.ndarray
    won_over: np.ndarray
    won_within: np.ndarray


class TargetAuc:
    """Mann-Whitney AUC of one target; ties count half.

    Attributes:
        defined: False if a score is NaN: it has no place in the order, so the AUC has no value.
        positive: Rows of the positive records.
        negative: Rows of the negative records, by score.
    """

    def __init__(self, records: JudgedRows, index: int):
        """Sorts the known records of the target with this index."""
        weight, score = records.weight[:, index], records.score[:, index]
        known = weight > 0
        self.defined = bool(np.isfinite(score[known]).all())
        is_positive = known & (records.label[:, index] == 1)
        negative = np.flatnonzero(known & ~is_positive)
        self.negative = negative[np.argsort(score[negative], kind="stable")]
        self.positive = np.flatnonzero(is_positive)
        self._records = records
        self._score = score
        self._negative_patient = records.patient[self.negative]
        self._positive_patient = records.patient[self.positive]
        self._negative_weight = weight[self.negative]
        self._positive_weight = weight[self.positive]
        self._unweighted = bool((weight[known] == 1).all())
        # Whole numbers this small are exact in single precision, which takes a third of the time.
        whole = self._unweighted and records.examples <= _EXACT_RECORDS
        self._precision = np.float32 if whole else np.float64
        self._below = np.searchsorted(score[self.negative], score[self.positive], side="left")
        self._up_to = np.searchsorted(score[self.negative], score[self.positive], side="right")

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        """The AUC on each resample, shape [resamples], from counts [patients, resamples]."""
        resamples = counts.shape[1]
        if not self.defined:
            return np.full(resamples, np.nan)
        counts = counts.astype(self._precision, copy=False)
        # Resamples are the last axis, so that every step runs over contiguous memory.
        drawn = self._weighed(counts, self._negative_patient, self._negative_weight)
        beaten = np.zeros((len(self.negative) + 1, resamples), counts.dtype)
        np.cumsum(drawn, axis=0, out=beaten[1:])
        positive = self._weighed(counts, self._positive_patient, self._positive_weight)
        total = positive.sum(axis=0, dtype=np.float64) * beaten[-1]
        positive *= np.take(beaten, self._below, 0) + np.take(beaten, self._up_to, 0)
        return divide(positive.sum(axis=0, dtype=np.float64) / 2, total)

    def _weighed(self, counts: np.ndarray, patient: np.ndarray, weight: np.ndarray) -> np.ndarray:
        drawn = np.take(counts, patient, 0)
        if not self._unweighted:
            drawn *= weight.astype(counts.dtype)[:, None]
        return drawn

    def placements(self) -> tuple[np.ndarray, np.ndarray]:
        """Fraction of the other class that each record is ordered correctly with; ties count half.

        Returns:
            One value for each of `positive` and each of `negative`: DeLong's components.
        """
        lower = np.concatenate([[0.0], np.cumsum(self._negative_weight)])
        of_positive = (lower[self._below] + lower[self._up_to]) / 2
        order = np.argsort(self._score[self.positive], kind="stable")
        upper = np.concatenate([[0.0], np.cumsum(self._positive_weight[order])])
        ranked, against = self._score[self.positive][order], self._score[self.negative]
        left = np.searchsorted(ranked, against, side="left")
        right = np.searchsorted(ranked, against, side="right")
        of_negative = upper[-1] - (upper[left] + upper[right]) / 2
        return divide(of_positive, lower[-1]), divide(of_negative, upper[-1])

    def pairs(self) -> Pairs:
        """Pairs of a positive and a negative record, counted by patient."""
        positives = self._by_patient(self._positive_patient, self._positive_weight)
        negatives = self._by_patient(self._negative_patient, self._negative_weight)
        of_positive, of_negative = self.placements()
        return Pairs(
            positives=positives,
            negatives=negatives,
            won_by=self._by_patient(
                self._positive_patient, self._positive_weight * of_positive * negatives.sum()
            ),
            won_over=self._by_patient(
                self._negative_patient, self._negative_weight * of_negative * positives.sum()
            ),
            won_within=self._won_within(),
        )

    def _won_within(self) -> np.ndarray:
        """Weight of the pairs that each patient's positives win against its own negatives."""
        rank = np.unique(self._score, return_inverse=True)[1]
        width = len(rank) + 1
        # One number sorts by patient and then by score.
        key = self._negative_patient * width + rank[self.negative]
        order = np.argsort(key, kind="stable")
        lower = np.concatenate([[0.0], np.cumsum(self._negative_weight[order])])
        start = self._positive_patient * width
        own = start + rank[self.positive]
        ordered = key[order]
        first = lower[np.searchsorted(ordered, start)]
        below = lower[np.searchsorted(ordered, own)]
        up_to = lower[np.searchsorted(ordered, own, side="right")]
        won = self._positive_weight * ((below + up_to) / 2 - first)
        return self._by_patient(self._positive_patient, won)

    def _by_patient(self, patient: np.ndarray, values: np.ndarray) -> np.ndarray:
        return np.bincount(patient, values, self._records.patients)


def divide(numerator: np.ndarray, denominator: np.ndarray | float) -> np.ndarray:
    """The ratio; NaN if the denominator is not positive."""
    out = np.full(np.shape(numerator), np.nan)
    return np.divide(numerator, denominator, out=out, where=np.asarray(denominator) > 0)
