"""Performance by image figures: cut at the quintiles of one domain, judged in both."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from components.shift_analysis.image_statistics import performance_by_statistic


def data() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Shifted images are brighter, and the model fails on the bright ones."""
    random = np.random.default_rng(0)
    size = 1000
    domain = np.repeat(["in_distribution", "shifted"], size // 2)
    mean = random.normal(0.4, 0.1, size) + 0.15 * (domain == "shifted")
    label = (random.random(size) < 0.5).astype(float)
    signal = np.where(mean > 0.55, 0, 3 * label)
    table = pd.DataFrame(
        {
            "image/id": np.arange(size).astype(str),
            "patient_id": np.arange(size).astype(str),
            "domain": domain,
            "label/t": label,
            "label/t/weight": 1.0,
            "prediction/t": 1 / (1 + np.exp(-signal - random.normal(size=size))),
            "decision/t": 0.0,
        }
    )
    images = pd.DataFrame(
        {"image_id": np.arange(size).astype(str), "mean": mean, "std": 0.2, "height": 64}
    )
    return table, images.sample(frac=1, random_state=0)


def test_parts_shares_and_auc():
    table, images = data()
    (entry,) = performance_by_statistic(table, images, ["t"], 0.95)  # others do not vary
    mean = images.set_index("image_id").loc[table["image/id"], "mean"].to_numpy()
    inside = (table["domain"] == "in_distribution").to_numpy()
    assert entry.figure == "mean"
    expected = stats.ks_2samp(mean[inside], mean[~inside]).statistic
    assert entry.drift == pytest.approx(expected)
    assert len(entry.parts) == 5
    for part in entry.parts:
        assert part.in_distribution.share == pytest.approx(0.2, abs=0.005)
    edges = np.quantile(mean[inside], [0.2, 0.4, 0.6, 0.8])
    last = entry.parts[-1]
    assert last.start == pytest.approx(edges[-1])
    assert last.end is None
    rows = (mean >= edges[-1]) & ~inside
    auc = roc_auc_score(table["label/t"][rows], table["prediction/t"][rows])
    assert last.shifted.auc == pytest.approx(auc)
    assert last.shifted.patients == rows.sum()
    assert last.shifted.share == pytest.approx(rows.sum() / 500)
    assert last.shifted.upper < entry.parts[2].shifted.lower


def test_parts_of_few_patients_are_not_judged():
    table, images = data()
    table = table[(table["domain"] == "in_distribution") | (table.index > 985)]
    (entry,) = performance_by_statistic(table, images, ["t"], 0.95)
    assert {part.shifted.status for part in entry.parts} == {"not_enough_data"}
    assert {part.in_distribution.status for part in entry.parts} == {"judged"}


def test_one_domain_has_no_drift():
    table, images = data()
    (entry,) = performance_by_statistic(table[:500], images, ["t"], 0.95)
    assert entry.drift is None
    assert entry.parts[0].shifted.model_dump() == {
        "share": None,
        "patients": 0,
        "auc": None,
        "lower": None,
        "upper": None,
        "status": "not_enough_data",
    }
