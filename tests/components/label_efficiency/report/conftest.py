"""Cells of a study made by hand: results, and records with a chosen quality."""

from __future__ import annotations

import numpy as np
import pytest

from components.statistics.judged_rows import JudgedRows
from schemas.documents.study import Candidate, Cell, CellResult, Tried

PATIENTS = 60


def records(quality: float, seed: int = 0) -> JudgedRows:
    """Two images a patient; scores are noise and `quality` times the label."""
    truth = np.repeat(np.arange(PATIENTS) % 2, 2).astype(float)
    noise = np.random.default_rng(seed).normal(size=len(truth))
    score = 1 / (1 + np.exp(-(quality * (truth - 0.5) + noise)))
    return JudgedRows(
        targets=("finding",),
        exclusive=False,
        patient=np.repeat(np.arange(PATIENTS), 2),
        patients=PATIENTS,
        label=truth[:, None],
        weight=np.ones((len(truth), 1)),
        score=score[:, None],
        decision=np.float64(score[:, None] > 0.5),
    )


def cell(arm, fraction, seed, quality, shifted_fraction=None):
    """A trained cell, judged on both domains; without a quality: one of not enough labels."""
    which = Cell(arm=arm, seed=seed, fraction=fraction, shifted_fraction=shifted_fraction)
    if quality is None:
        reason = "1 % of 20 patients with 'finding' is not one patient"
        return CellResult(
            cell=which, status="not_enough_labels", reason=reason, patients=0, images=0, seconds=0
        ), {}
    candidate = Candidate(learning_rate=1e-3, weight_decay=0)
    result = CellResult(
        cell=which,
        status="trained",
        reason="",
        seconds=1.0,
        patients=max(1, round(100 * fraction)),
        images=max(1, round(200 * fraction)),
        chosen=candidate,
        search=[Tried(candidate=candidate, validation_auc=0.8)],
        validation_auc=0.8,
    )
    return result, {"test": records(quality, seed), "shifted": records(quality / 2, seed + 100)}


@pytest.fixture(scope="session")
def cells():
    """Three arms: REMEDIS is good from 10 % on and has not enough labels at 1 %."""
    qualities = {
        "remedis": {0.01: None, 0.1: 4.0, 1.0: 4.5},
        "bit": {0.01: None, 0.1: 1.0, 1.0: 3.0},
        "random": {0.01: None, 0.1: 0.2, 1.0: 1.0},
    }
    made = [
        cell(arm, fraction, seed, quality)
        for arm, by_fraction in qualities.items()
        for fraction, quality in by_fraction.items()
        for seed in (0, 1)
    ]
    adapted = {"remedis": 5.0, "bit": 4.0, "random": 2.0}
    made += [cell(arm, 1.0, seed, q, 1.0) for arm, q in adapted.items() for seed in (0, 1)]
    return made
