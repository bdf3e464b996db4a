"""The AUC of one target on all resamples of patients at once, and each patient's contribution.

The scores are sorted once (`ScoreOrder`); every resample is a weighting of that order.
"""

from __future__ import annotations

import dataclasses
import functools

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
        negative: Rows of the negative records.
    """

    def __init__(self, records: JudgedRows, index: int):
        """Finds the known records of the target with this index."""
        weight = records.weight[:, index]
        known = weight > 0
        self.defined = bool(np.isfinite(records.score[known, index]).all())
        is_positive = known & (records.label[:, index] == 1)
        self.negative = np.flatnonzero(known & ~is_positive)
        self.positive = np.flatnonzero(is_positive)
        self._records = records
        self._index = index
        self._weight = weight
        self._unweighted = bool((weight[known] == 1).all())
        # Whole numbers this small are exact in single precision, which takes a third of the time.
        whole = self._unweighted and records.examples <= _EXACT_RECORDS
        self._precision = np.float32 if whole else np.float64

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        """The AUC on each resample, shape [resamples], from counts [patients, resamples]."""
        resamples = counts.shape[1]
        if not self.defined:
            return np.full(resamples, np.nan)
        negative, below, up_to = self._beaten
        counts = counts.astype(self._precision, copy=False)
        # Resamples are the last axis, so that every step runs over contiguous memory.
        drawn = self._weighed(counts, negative)
        beaten = np.zeros((len(negative) + 1, resamples), counts.dtype)
        np.cumsum(drawn, axis=0, out=beaten[1:])
        positive = self._weighed(counts, self.positive)
        total = positive.sum(axis=0, dtype=np.float64) * beaten[-1]
        positive *= np.take(beaten, below, 0) + np.take(beaten, up_to, 0)
        return divide(positive.sum(axis=0, dtype=np.float64) / 2, total)

    @functools.cached_property
    def _beaten(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows of the negatives by score, and how many are below and up to each positive."""
        rank = self._records.order(self._index).rank
        negative = self.negative[np.argsort(rank[self.negative], kind="stable")]
        against, ranked = rank[self.positive], rank[negative]
        below = np.searchsorted(ranked, against, side="left")
        return negative, below, np.searchsorted(ranked, against, side="right")

    def _weighed(self, counts: np.ndarray, rows: np.ndarray) -> np.ndarray:
        drawn = np.take(counts, self._records.patient[rows], 0)
        if not self._unweighted:
            drawn *= self._weight[rows].astype(counts.dtype)[:, None]
        return drawn

    def placements(self) -> tuple[np.ndarray, np.ndarray]:
        """Fraction of the other class that each record is ordered correctly with; ties count half.

        Returns:
            One value for each of `positive` and each of `negative`: DeLong's components.
        """
        order = self._records.order(self._index)
        lower = order.sums(self.negative, self._weight[self.negative])
        middle = np.cumsum(lower) - lower / 2
        of_positive = divide(middle[order.rank[self.positive]], lower.sum())
        upper = order.sums(self.positive, self._weight[self.positive])
        middle = upper.sum() - np.cumsum(upper) + upper / 2
        return of_positive, divide(middle[order.rank[self.negative]], upper.sum())

    def pairs(self) -> Pairs:
        """Pairs of a positive and a negative record, counted by patient."""
        positives = self._by_patient(self.positive, self._weight[self.positive])
        negatives = self._by_patient(self.negative, self._weight[self.negative])
        of_positive, of_negative = self.placements()
        of_positive *= self._weight[self.positive] * negatives.sum()
        of_negative *= self._weight[self.negative] * positives.sum()
        return Pairs(
            positives=positives,
            negatives=negatives,
            won_by=self._by_patient(self.positive, of_positive),
            won_over=self._by_patient(self.negative, of_negative),
            won_within=self._won_within((positives > 0) & (negatives > 0)),
        )

    def _won_within(self, both: np.ndarray) -> np.ndarray:
        """Weight of the pairs that each patient's positives win against its own negatives.

        Args:
            both: Patients with records of both classes; the others win nothing.
        """
        records, order = self._records, self._records.order(self._index)
        if not both.any():
            return np.zeros(records.patients)
        rows = order.by_patient[both[records.patient[order.by_patient]]]
        is_negative = np.zeros(records.examples, bool)
        is_negative[self.negative] = True
        is_negative = is_negative[rows]
        is_positive = ~is_negative & (self._weight[rows] > 0)
        patient, rank = records.patient[rows], order.rank[rows]
        before = np.concatenate([[0.0], np.cumsum(np.where(is_negative, self._weight[rows], 0.0))])
        changes = patient[1:] != patient[:-1]
        first, _ = _runs(changes)
        below, up_to = _runs(changes | (rank[1:] != rank[:-1]))
        won = (before[below] + before[up_to]) / 2 - before[first]
        chosen = rows[is_positive]
        return self._by_patient(chosen, self._weight[chosen] * won[is_positive])

    def _by_patient(self, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
        return np.bincount(self._records.patient[rows], values, self._records.patients)


def _runs(changes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Begin and end of the run that each element lies in, from where the next one differs."""
    begins = np.concatenate([[0], np.flatnonzero(changes) + 1])
    ends = np.append(begins[1:], len(changes) + 1)
    lengths = ends - begins
    return np.repeat(begins, lengths), np.repeat(ends, lengths)


def divide(numerator: np.ndarray, denominator: np.ndarray | float) -> np.ndarray:
    """The ratio; NaN if the denominator is not positive."""
    out = np.full(np.shape(numerator), np.nan)
    return np.divide(numerator, denominator, out=out, where=np.asarray(denominator) > 0)
