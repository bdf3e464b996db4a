"""Synthetic predictions tables."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="session")
def make_table() -> Callable[..., pd.DataFrame]:
    """Builds predictions of one domain: patients with several images and an effect of their own."""

    def make(
        domain: str,
        targets: tuple[str, ...] = ("edema",),
        patients: int = 60,
        images: int = 2,
        strength: float = 2.0,
        known: float = 1.0,
        seed: int = 0,
    ) -> pd.DataFrame:
        random = np.random.default_rng(seed)
        size = patients * images
        number = np.repeat(np.arange(patients), images)
        table = pd.DataFrame(
            {
                "image/id": [f"{domain}-{index}" for index in range(size)],
                "patient_id": [f"{domain}-{patient}" for patient in number],
                "site": np.where(number % 2 == 0, "a", "b"),
                "domain": domain,
                "subgroup/sex": np.where(number % 4 < 2, "F", "M"),
            }
        )
        for target in targets:
            label = (number % 3 == 0).astype(float)
            effect = random.normal(size=patients)[number] * 0.5
            score = strength * (label - 0.5) + effect + random.normal(size=size) * 0.5
            table[f"label/{target}"] = label
            table[f"label/{target}/weight"] = (random.random(size) < known).astype(float)
            table[f"prediction/{target}"] = 1 / (1 + np.exp(-score))
            table[f"decision/{target}"] = (score >= 0).astype(float)
        return table

    return make
