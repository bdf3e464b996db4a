"""Subgroup discovery finds a planted slice, and chance alone finds none."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from components.shift_analysis.slices import MIN_PATIENTS, worst_slices

COLUMNS = ["site", "subgroup/sex", "subgroup/view"]


def predictions(patients: int = 400, seed: int = 0) -> pd.DataFrame:
    """Two images a patient; metadata that say nothing about the score."""
    random = np.random.default_rng(seed)
    number = np.repeat(np.arange(patients), 2)
    label = (random.random(patients) < 0.4).astype(float)[number]
    effect = random.normal(size=patients)[number]
    score = 1 / (1 + np.exp(-(2 * label - 1 + 0.5 * effect + 0.5 * random.normal(size=len(label)))))
    return pd.DataFrame(
        {
            "image/id": np.arange(len(label)).astype(str),
            "patient_id": number.astype(str),
            "domain": "shifted",
            "site": np.array(["a", "b", "c"])[random.integers(3, size=patients)][number],
            "subgroup/sex": np.array(["F", "M"])[random.integers(2, size=patients)][number],
            "subgroup/view": np.array(["AP", "PA"])[random.integers(2, size=len(label))],
            "label/t": label,
            "label/t/weight": 1.0,
            "prediction/t": score,
            "decision/t": (score > 0.5).astype(float),
        }
    )


def test_a_planted_pair_is_found_first_with_its_figures():
    table = predictions()
    inside = (table["site"] == "b") & (table["subgroup/sex"] == "F")
    noise = np.random.default_rng(1).random(inside.sum())
    table.loc[inside, "prediction/t"] = noise
    found = worst_slices(table, ["t"], COLUMNS)
    worst = found.slices[0]
    assert worst.where == {"site": "b", "subgroup/sex": "F"}
    assert worst.p_value < 0.001
    part, rest = table[inside], table[~inside]
    assert worst.auc == pytest.approx(roc_auc_score(part["label/t"], part["prediction/t"]))
    assert worst.rest == pytest.approx(roc_auc_score(rest["label/t"], rest["prediction/t"]))
    assert (worst.patients, worst.examples) == (part["patient_id"].nunique(), len(part))
    # 7 values, 3 * 2 + 3 * 2 + 2 * 2 pairs.
    assert found.looked_at == 7 + 16


def test_chance_alone_is_seldom_called_a_finding():
    """Holm keeps the chance of any finding among all slices near 5 %."""
    least = [
        worst_slices(predictions(seed=seed), ["t"], COLUMNS).slices[0].p_value for seed in range(10)
    ]
    assert sum(one < 0.05 for one in least) <= 2


def test_small_slices_are_counted_and_not_judged():
    table = predictions()
    few = table["patient_id"].isin([str(n) for n in range(MIN_PATIENTS - 1)])
    table["site"] = np.where(few, "rare", "common")
    found = worst_slices(table, ["t"], ["site"])
    assert (found.slices, found.looked_at, found.too_small) == ((), 0, 2)


def test_nan_scores_and_a_single_class_are_not_judged():
    table = predictions()
    table.loc[table["site"] == "a", "prediction/t"] = np.nan
    table.loc[table["site"] == "b", "label/t"] = 0.0
    judged = {tuple(one.where.values()) for one in worst_slices(table, ["t"], ["site"]).slices}
    assert judged == set()


def test_no_p_value_is_0_where_all_patients_say_the_same():
    """All wrong in one slice and all right in the other: no spread, but no certainty either."""
    table = predictions()
    wrong = (table["subgroup/sex"] == "F").to_numpy()
    table["prediction/t"] = np.where(wrong, 1 - table["label/t"], table["label/t"])
    found = worst_slices(table, ["t"], ["subgroup/sex"])
    worst = found.slices[0]
    assert (worst.where, worst.auc, worst.rest) == ({"subgroup/sex": "F"}, 0.0, 1.0)
    # Holm: times the two slices.
    assert worst.p_value == pytest.approx(found.looked_at / (worst.patients + 1))
    assert 0 < worst.p_value < 0.05
