"""SYNTHETIC predictions with calibrated scores, as tables that hospitals would write."""

from __future__ import annotations

import numpy as np
import pandas as pd

SHIFT = 2.0
PREVALENCE = 0.35


def predictions(
    patients: int,
    seed: int,
    *,
    log_odds: float = 0.0,
    brighter: float = 0.0,
    flipped: float = 0.0,
    domains: tuple[str, ...] = ("in_distribution",),
    images: int = 2,
) -> pd.DataFrame:
    """Patients of some images each; drift adds to the log odds or to the brightness.

    Args:
        patients: Of each domain.
        seed: Of everything.
        log_odds: Added to the scores.
        brighter: Added to the statistic, whose standard deviation is 1.
        flipped: Share of patients whose label is drawn anew: concept drift.
        domains: Which.
        images: Of a patient.
    """
    random = np.random.default_rng(seed)
    number = patients * len(domains)
    label = random.random(number) < PREVALENCE
    patient = np.repeat(np.arange(number), images)
    noise = 0.8 * random.normal(size=number)[patient] + 0.6 * random.normal(size=len(patient))
    own = SHIFT * (SHIFT * label[patient] + noise) - SHIFT**2 / 2
    own += np.log(PREVALENCE / (1 - PREVALENCE)) + log_odds
    told = np.where(random.random(number) < flipped, random.random(number) < PREVALENCE, label)
    return pd.DataFrame(
        {
            "patient_id": [f"secret-{seed}-{one}" for one in patient],
            "domain": np.repeat(domains, patients * images),
            "label": told[patient].astype(int),
            "score": 1 / (1 + np.exp(-own)),
            "site": np.array(["north", "south"])[patient % 2],
            "statistic/mean": brighter
            + 0.9 * random.normal(size=number)[patient]
            + np.sqrt(1 - 0.9**2) * random.normal(size=len(patient)),
        }
    )
