"""What TFMA keeps of a slice: the metrics of each target, from sums and a histogram of its scores.

Memory does not grow with the data. The histogram's bins are 0.002 wide on the logit scale, so they
are narrow where probabilities are near 0 or 1. AUC and average precision treat the scores of one
bin as equal and agree with the exact values to better than 1e-3. Everything else is exact.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np
from scipy.special import logit

from components.statistics.judged_rows import JudgedRows
from components.statistics.target_auc import divide
from components.statistics.weighted_metrics import SUMS_WIDTH, ratios, target_sums
from trainer_modules.decisions.calibration_metrics import ECE_BINS

BINS_PER_LOGIT = 500
_LIMIT = 20  # beyond this logit scores share a bin
_BINS = 2 * _LIMIT * BINS_PER_LOGIT + 1
_ROWS_BEFORE_FOLD = 2048

# A row: for each target its label, weight, score and decision.
LABEL, WEIGHT, SCORE, DECISION = range(4)


@dataclasses.dataclass(eq=False)
class ScoreTable:
    """Pending rows, and the sums of the others.

    Attributes:
        sums: Sums of `target_sums`, shape [targets, width].
        cells: Sorted numbers of the occupied bins; one number encodes target, label and score.
        weights: Weight in each of them.
        examples: Number of summed rows.
        waiting: Pending rows of shape [targets, 4].
    """

    sums: np.ndarray
    cells: np.ndarray
    weights: np.ndarray
    examples: int = 0
    waiting: list[np.ndarray] = dataclasses.field(default_factory=list)

    @classmethod
    def empty(cls, targets: int) -> ScoreTable:
        """An empty table."""
        return cls(np.zeros((targets, SUMS_WIDTH)), np.zeros(0, np.int64), np.zeros(0))

    def add(self, rows: Iterable[np.ndarray]) -> None:
        """Adds rows, and sums them once there are many."""
        self.waiting.extend(rows)
        if len(self.waiting) >= _ROWS_BEFORE_FOLD:
            self.fold()

    def fold(self) -> None:
        """Sums the pending rows."""
        if not self.waiting:
            return
        rows = np.stack(self.waiting).astype(np.float64)
        self.waiting = []
        self.examples += len(rows)
        self.sums += _sums(rows)
        self._gather(_cells(rows), rows[:, :, WEIGHT].ravel())

    def merge(self, other: ScoreTable) -> None:
        """Adds another table of the same targets."""
        other.fold()
        self.fold()
        self.examples += other.examples
        self.sums += other.sums
        self._gather(other.cells, other.weights)

    def metrics(self) -> dict[str, np.ndarray]:
        """Every metric by name, one value per target; NaN if undefined."""
        self.fold()
        found = [self._of_target(target) for target in range(len(self.sums))]
        return {name: np.array([one[name] for one in found]) for name in found[0]}

    def _gather(self, cells: np.ndarray, weights: np.ndarray) -> None:
        counted = weights > 0
        cells = np.concatenate([self.cells, cells[counted]])
        self.cells, place = np.unique(cells, return_inverse=True)
        weights = np.concatenate([self.weights, weights[counted]])
        self.weights = np.bincount(place, weights, len(self.cells)).astype(np.float64)

    def _of_target(self, target: int) -> dict[str, float]:
        own = (self.cells // (2 * _BINS)) == target
        inside = self.cells[own] % (2 * _BINS)
        positive, bins = inside >= _BINS, inside % _BINS
        occupied, place = np.unique(bins, return_inverse=True)
        positives, negatives = (
            np.bincount(place, self.weights[own] * which, len(occupied)).astype(np.float64)
            for which in (positive, ~positive)
        )
        sums = self.sums[target]
        weight, labels = sums[0], sums[1]
        predicted = labels + sums[-ECE_BINS:].sum()
        return {
            "auc": _auc(positives, negatives),
            "pr_auc": _average_precision(positives, negatives),
            **{name: float(values[0]) for name, values in ratios(sums[:, None]).items()},
            "calibration": _ratio(predicted, labels),
            "mean_label": _ratio(labels, weight),
            "mean_prediction": _ratio(predicted, weight),
            "weighted_example_count": float(weight),
            "example_count": float(self.examples),
        }


def _sums(rows: np.ndarray) -> np.ndarray:
    """Sums over the rows of each target, as if all belonged to one patient."""
    records = JudgedRows(
        targets=tuple(map(str, range(rows.shape[1]))),
        exclusive=False,
        patient=np.zeros(len(rows), np.int64),
        patients=1,
        label=rows[:, :, LABEL],
        weight=rows[:, :, WEIGHT],
        score=rows[:, :, SCORE],
        decision=rows[:, :, DECISION],
    )
    return np.concatenate([target_sums(records, index) for index in range(rows.shape[1])])


def _cells(rows: np.ndarray) -> np.ndarray:
    scores = np.clip(rows[:, :, SCORE], 0, 1)
    bins = np.rint(np.clip(logit(scores), -_LIMIT, _LIMIT) * BINS_PER_LOGIT).astype(np.int64)
    bins += _LIMIT * BINS_PER_LOGIT
    positive = rows[:, :, LABEL] == 1
    target = np.arange(rows.shape[1])
    return ((2 * target + positive) * _BINS + bins).ravel()


def _auc(positives: np.ndarray, negatives: np.ndarray) -> float:
    """Mann-Whitney AUC, ties count half, from weights by ascending score."""
    beaten = np.cumsum(negatives) - negatives / 2
    return _ratio((positives * beaten).sum(), positives.sum() * negatives.sum())


def _average_precision(positives: np.ndarray, negatives: np.ndarray) -> float:
    """Precision averaged over the steps of recall, without interpolation (as scikit-learn's)."""
    found, called = np.cumsum(positives[::-1]), np.cumsum((positives + negatives)[::-1])
    return _ratio((positives[::-1] * divide(found, called)).sum(), positives.sum())


def _ratio(numerator: float, denominator: float) -> float:
    return float(divide(np.asarray(numerator, np.float64), np.asarray(denominator)))
