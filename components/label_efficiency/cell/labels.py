"""Which patients' labels a cell may use, and on which patients it is evaluated."""

from __future__ import annotations

import dataclasses

import numpy as np

from trainer_modules.input import label_fraction, records
from trainer_modules.settings import TaskSettings

Part = tuple[records.Records, records.Index]


@dataclasses.dataclass(frozen=True)
class Drawn:
    """Labeled examples of a cell; `shortage` tells why there are too few, if so."""

    source: records.Records
    index: records.Index
    shortage: str = ""


def draw(pool: Part, fraction: float, seed: int, task: TaskSettings) -> Drawn:
    """Draws a fraction of the pool's patients; a seed's larger fractions contain the smaller."""
    source, index = pool
    labeled = (index.patients, index.labels, index.weights)
    patients = label_fraction.choose_patients(*labeled, fraction, seed)
    return Drawn(*records.limit(source, index, patients), shortage(index, fraction, task))


def shortage(index: records.Index, fraction: float, task: TaskSettings) -> str:
    """Names a class of which this fraction is less than one patient; empty if there is none.

    `choose_patients` would still take one patient, so the fraction would be wrong.
    """
    known = np.broadcast_to(index.weights > 0, index.labels.shape)
    for target, name in enumerate(task.targets):
        for positive, word in ((True, "with"), (False, "without")):
            rows = known[:, target] & ((index.labels[:, target] > 0.5) == positive)
            patients = len(np.unique(index.patients[rows]))
            if round(fraction * patients) == 0:
                return (
                    f"{100 * fraction:g} % of {patients} patients {word} '{name}' is not one "
                    "patient"
                )
    return ""


def divide_shifted(shifted: Part, evaluation_share: float, seed: int) -> tuple[Part, Part]:
    """Divides the shifted patients into an adaptation part and a held-out evaluation part.

    By patient and stratified, like a fraction of labels; the same for every cell of a study, so
    that adapted and unadapted models are evaluated on the same patients.
    """
    source, index = shifted
    labeled = (index.patients, index.labels, index.weights)
    held_out = label_fraction.choose_patients(*labeled, evaluation_share, seed)
    others = frozenset(index.patients.tolist()) - held_out
    return records.limit(source, index, others), records.limit(source, index, held_out)
