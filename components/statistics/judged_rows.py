"""The records of one domain or group as arrays, with numbered patients.

Records are sorted by score once (`ScoreOrder`), whatever is then computed from them: everything
that the AUC needs is a sum over records of lower, equal or higher rank. The order of a part follows
from that of the whole.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from schemas import features
from trainer_modules.settings import TaskSettings

if TYPE_CHECKING:
    import pandas as pd


# With fewer records than this share of the ranks, counting their own is faster than keeping them.
_SPARSE = 1 / 8


@dataclasses.dataclass(frozen=True, eq=False)
class ScoreOrder:
    """The order of some records by score.

    Attributes:
        rank: Of each record, from 0; equal scores have equal ranks, NaN has the last.
        ranks: How many there are at most.
        by_patient: The records by patient, and those of a patient by rank.
    """

    rank: np.ndarray
    ranks: int
    by_patient: np.ndarray

    @classmethod
    def of(cls, score: np.ndarray, patient: np.ndarray) -> ScoreOrder:
        """Sorts the records by score, [N], and by patient, [N]."""
        distinct, rank = np.unique(score, return_inverse=True)
        # One number sorts by patient and then by score.
        key = patient.astype(np.int64) * len(distinct) + rank
        return cls(rank.astype(np.int32), len(distinct), np.argsort(key).astype(np.int32))

    def part(self, chosen: np.ndarray) -> ScoreOrder:
        """The order of some of the records: chosen [N]."""
        rank, ranks = self.rank[chosen], self.ranks
        if len(rank) < _SPARSE * ranks:
            distinct, rank = np.unique(rank, return_inverse=True)
            rank, ranks = rank.astype(np.int32), len(distinct)
        place = np.cumsum(chosen, dtype=np.int32) - 1
        kept = self.by_patient[chosen[self.by_patient]]
        return ScoreOrder(rank, ranks, place[kept])

    def sums(self, rows: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Weight of some records by rank, [ranks]."""
        return np.bincount(self.rank[rows], weight, self.ranks)


@dataclasses.dataclass(frozen=True, eq=False)
class JudgedRows:
    """Records of one domain whose label is known for at least one target.

    Attributes:
        targets: Names of the targets, T of them.
        exclusive: True for the classes of a multiclass task.
        patient: Number of each record's patient, 0 to patients - 1, shape [N].
        patients: Number of patients.
        label: 0 or 1, shape [N, T].
        weight: 0 where the label is unknown, shape [N, T].
        score: Predicted probabilities, shape [N, T].
        decision: Decisions at the operating point, 0 or 1, shape [N, T].
        orders: Those asked for so far (`order`), by target: records are sorted once, under any
            weights, and parts of them not at all.
    """

    targets: tuple[str, ...]
    exclusive: bool
    patient: np.ndarray
    patients: int
    label: np.ndarray
    weight: np.ndarray
    score: np.ndarray
    decision: np.ndarray
    orders: dict[int, ScoreOrder] = dataclasses.field(default_factory=dict, init=False, repr=False)

    @classmethod
    def from_table(
        cls,
        table: pd.DataFrame,
        targets: Sequence[str],
        exclusive: bool = False,
        unit: str = features.IMAGE_ID,
        rows: np.ndarray | None = None,
    ) -> JudgedRows:
        """Extracts the records with a known label from a predictions table.

        Args:
            table: Predictions as the Predictor writes them.
            targets: Names of the targets.
            exclusive: True for the classes of a multiclass task.
            unit: Column of what counts once: the records of a study share its weight.
            rows: Which to take, [rows of the table]; None: all.
        """
        known = np.zeros(len(table), bool)
        for target in targets:
            known |= table[features.label_weight(target)].to_numpy() > 0
        if rows is not None:
            known &= rows

        def matrix(column: Callable[[str], str]) -> np.ndarray:
            columns = [table[column(target)].to_numpy()[known] for target in targets]
            return np.stack(columns, axis=1, dtype=np.float64, casting="unsafe")

        weight = matrix(features.label_weight)
        # Sorted, so that the same patients get the same numbers in any order of the records.
        patient, names = numbered(table[features.PATIENT_ID], known)
        if unit != features.IMAGE_ID:
            owners = table[list(dict.fromkeys((features.PATIENT_ID, unit)))]
            weight = _shared(weight, owners[known])
        return cls(
            targets=tuple(targets),
            exclusive=exclusive,
            patient=patient,
            patients=len(names),
            label=matrix(features.label),
            weight=weight,
            score=matrix(features.prediction),
            decision=matrix(features.decision),
        )

    @classmethod
    def of_task(
        cls,
        table: pd.DataFrame,
        task: TaskSettings,
        unit: str = features.IMAGE_ID,
        rows: np.ndarray | None = None,
    ) -> JudgedRows:
        """Extracts the records of a task's targets from a predictions table, or of some rows."""
        return cls.from_table(table, task.targets, task.kind == "multiclass", unit, rows)

    @property
    def examples(self) -> int:
        """Number of records."""
        return len(self.patient)

    def order(self, index: int) -> ScoreOrder:
        """The order of the records by one target's score."""
        if index not in self.orders:
            self.orders[index] = ScoreOrder.of(self.score[:, index], self.patient)
        return self.orders[index]

    def size_of(self, target: str) -> tuple[int, int]:
        """Numbers of patients and records with a known label of one target."""
        known = self.weight[:, self.targets.index(target)] > 0
        return len(np.unique(self.patient[known])), int(known.sum())

    def by_patient(self) -> JudgedRows:
        """The same records with equal weights for patients: each patient's weights add up to 1."""
        weight = np.empty_like(self.weight)
        for index, _ in enumerate(self.targets):
            of_patient = np.bincount(self.patient, self.weight[:, index], self.patients)
            known = self.weight[:, index] > 0
            weight[:, index] = np.where(known, self.weight[:, index], 0.0)
            weight[known, index] /= of_patient[self.patient[known]]
        found = dataclasses.replace(self, weight=weight)
        found.orders.update({index: self.order(index) for index, _ in enumerate(self.targets)})
        return found

    def part(self, chosen: np.ndarray) -> JudgedRows:
        """Some of the records, with their patients numbered anew."""
        kept = np.bincount(self.patient[chosen], minlength=self.patients) > 0
        found = dataclasses.replace(
            self,
            patient=(np.cumsum(kept, dtype=np.int32) - 1)[self.patient[chosen]],
            patients=int(kept.sum()),
            label=self.label[chosen],
            weight=self.weight[chosen],
            score=self.score[chosen],
            decision=self.decision[chosen],
        )
        found.orders.update({index: one.part(chosen) for index, one in self.orders.items()})
        return found


def numbered(column: pd.Series, rows: np.ndarray | None = None) -> tuple[np.ndarray, pd.Index]:
    """The number of each row's value among the sorted texts of those that occur, and these texts.

    Args:
        column: Any values; those missing in a categorical column have number -1, others are one
            more value.
        rows: Which to number, [rows]; None: all.
    """
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype):
        codes, values = column.cat.codes.to_numpy(), column.cat.categories
    else:
        codes, values = pd.factorize(column, use_na_sentinel=False)
    codes = codes if rows is None else codes[rows]
    occurs = np.bincount(codes[codes >= 0], minlength=len(values)) > 0
    texts = values[occurs]
    if not isinstance(texts.dtype, pd.StringDtype):
        texts = texts.astype(str)
    if isinstance(column.dtype, pd.CategoricalDtype) and column.cat.ordered:
        of_value = np.arange(len(texts))
    else:
        of_value, texts = pd.factorize(texts, sort=True)
    places = np.full(len(values) + 1, -1, np.int32)
    places[:-1][occurs] = of_value
    return places[codes], texts


def coded(column: pd.Series) -> pd.Series:
    """A column as sorted categories, which need not be found and sorted again."""
    import pandas as pd

    codes, texts = numbered(column)
    found = pd.Categorical.from_codes(codes, texts, ordered=True)
    return pd.Series(found, column.index, copy=False)


def _shared(weight: np.ndarray, owners: pd.DataFrame) -> np.ndarray:
    """Each target's weights, those of one patient's unit divided by their sum."""
    unit = owners.groupby(list(owners.columns), sort=False).ngroup().to_numpy()
    shared = np.zeros_like(weight)
    for index in range(weight.shape[1]):
        sums = np.bincount(unit, weight[:, index])[unit]
        np.divide(weight[:, index], sums, out=shared[:, index], where=weight[:, index] > 0)
    return shared
