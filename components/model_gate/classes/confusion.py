"""Confusion matrices of multiclass models, and whether each image got one class.

They are of whole domains: cells of a subgroup could be those of a few patients.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from schemas import features
from schemas.documents.gate import Confusion
from trainer_modules.settings import TaskSettings

if TYPE_CHECKING:
    import pandas as pd

Matrices = Mapping[features.Domain, Confusion]


def matrices(table: pd.DataFrame, task: TaskSettings) -> dict[features.Domain, Confusion]:
    """By domain with labeled images; none but for classes that exclude each other."""
    if task.kind != "multiclass":
        return {}
    found = {}
    for domain in features.DOMAINS:
        part = table[table[features.DOMAIN] == domain]
        known = part[features.label_weight(task.targets[0])].to_numpy() > 0
        if known.any():
            label, decision = (
                part.loc[known, [column(one) for one in task.targets]].to_numpy(np.float64)
                for column in (features.label, features.decision)
            )
            found[domain] = _matrix(label, decision, task.targets)
    return found


def _matrix(label: np.ndarray, decision: np.ndarray, classes: tuple[str, ...]) -> Confusion:
    size = len(classes)
    actual, called = label.argmax(axis=1), decision.argmax(axis=1)
    one = (decision == 1).sum(axis=1) == 1
    cells = np.bincount(actual[one] * size + called[one], minlength=size**2)
    counts = cells.reshape(size, size)
    images = np.bincount(actual, minlength=size)
    rates = np.divide(
        counts, images[:, None], out=np.full(counts.shape, np.nan), where=images[:, None] > 0
    )
    return Confusion(
        classes=classes,
        counts=tuple(tuple(row) for row in counts.tolist()),
        rates=tuple(tuple(row) for row in rates.tolist()),
        undecided=tuple(np.bincount(actual[~one], minlength=size).tolist()),
    )


def undecided(table: pd.DataFrame, task: TaskSettings) -> int | None:
    """Images with probabilities on which the model calls no class, or several; None: no classes."""
    if task.kind != "multiclass":
        return None
    score, decision = (
        table[[column(one) for one in task.targets]].to_numpy(np.float64)
        for column in (features.prediction, features.decision)
    )
    given = np.isfinite(score).all(axis=1)
    return int((given & ((decision == 1).sum(axis=1) != 1)).sum())
