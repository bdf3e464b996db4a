"""The records of one domain or group as arrays, with numbered patients."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from schemas import features
from trainer_modules.settings import TaskSettings

if TYPE_CHECKING:
    import pandas as pd


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
        cls,
        table: pd.DataFrame,
        targets: Sequence[str],
        exclusive: bool = False,
        unit: str = features.IMAGE_ID,
    ) -> JudgedRows:
        """Extracts the records with a known label from a predictions table.

        Args:
            table: Predictions as the Predictor writes them.
            targets: Names of the targets.
            exclusive: True for the classes of a multiclass task.
            unit: Column of what counts once: the records of a study share its weight.
        """
        import pandas as pd

        def matrix(column: Callable[[str], str]) -> np.ndarray:
            return table[[column(target) for target in targets]].to_numpy(np.float64)

        weight = matrix(features.label_weight)
        known = (weight > 0).any(axis=1)
        # Sorted, so that the same patients get the same numbers in any order of the records.
        patient, names = pd.factorize(table[features.PATIENT_ID].astype(str)[known], sort=True)
        weight = weight[known]
        if unit != features.IMAGE_ID:
            owners = table[list(dict.fromkeys((features.PATIENT_ID, unit)))]
            weight = _shared(weight, owners[known])
        return cls(
            targets=tuple(targets),
            exclusive=exclusive,
            patient=patient,
            patients=len(names),
            label=matrix(features.label)[known],
            weight=weight,
            score=matrix(features.prediction)[known],
            decision=matrix(features.decision)[known],
        )

    @classmethod
    def of_task(
        cls, table: pd.DataFrame, task: TaskSettings, unit: str = features.IMAGE_ID
    ) -> JudgedRows:
        """Extracts the records of a task's targets from a predictions table."""
        return cls.from_table(table, task.targets, task.kind == "multiclass", unit)

    @property
    def examples(self) -> int:
        """Number of records."""
        return len(self.patient)

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
        return dataclasses.replace(self, weight=weight)

    def part(self, chosen: np.ndarray) -> JudgedRows:
        """Some of the records, with their patients numbered anew."""
        kept, patient = np.unique(self.patient[chosen], return_inverse=True)
        return dataclasses.replace(
            self,
            patient=patient,
            patients=len(kept),
            label=self.label[chosen],
            weight=self.weight[chosen],
            score=self.score[chosen],
            decision=self.decision[chosen],
        )


def _shared(weight: np.ndarray, owners: pd.DataFrame) -> np.ndarray:
    """Each target's weights, those of one patient's unit divided by their sum."""
    unit = owners.groupby(list(owners.columns), sort=False).ngroup().to_numpy()
    shared = np.zeros_like(weight)
    for index in range(weight.shape[1]):
        sums = np.bincount(unit, weight[:, index])[unit]
        np.divide(weight[:, index], sums, out=shared[:, index], where=weight[:, index] > 0)
    return shared
