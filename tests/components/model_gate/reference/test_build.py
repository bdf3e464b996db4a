"""The reference of a verdict: counted by hand, against scikit-learn, and without few patients."""

import numpy as np
import pandas as pd
import pytest
from scipy import special
from sklearn.linear_model import LogisticRegression

from components.model_gate.reference.build import of_table
from schemas.documents.reference import Histogram
from trainer_modules.settings import TaskSettings

TASK = TaskSettings(kind="binary", labels=("edema",))


def table(patients: int = 60, images: int = 2, seed: int = 0, known: float = 1.0) -> pd.DataFrame:
    """Predictions of one domain, as the Predictor writes them."""
    random = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), images)
    label = (random.random(len(patient)) < 0.4).astype(float)
    log_odds = 1.5 * label - 1 + random.normal(size=len(patient))
    return pd.DataFrame(
        {
            "image/id": np.arange(len(patient)).astype(str),
            "patient_id": [f"secret{one}" for one in patient],
            "domain": "in_distribution",
            "site": "a",
            "label/edema": label,
            "label/edema/weight": (random.random(len(patient)) < known).astype(float),
            "prediction/edema": special.expit(log_odds),
            "decision/edema": (log_odds > 0).astype(float),
            "statistic/mean": random.normal(size=len(patient)),
        }
    )


def test_histograms_count_each_patient_once():
    one = of_table(table(), TASK, {"edema": 0.3})["in_distribution"]
    assert (one.patients, one.images) == (60, 120)
    assert one.targets["edema"].threshold == 0.3
    for histogram in (one.targets["edema"].scores, one.statistics["mean"]):
        assert sum(histogram.patients) == pytest.approx(60, abs=1e-3)
        assert min(histogram.patients) >= 5


def test_rows_without_a_label_or_value_are_left_out_of_what_needs_it():
    made = table(known=0.5)
    made.loc[:19, "statistic/mean"] = np.nan
    one = of_table(made, TASK, {})["in_distribution"]
    assert sum(one.targets["edema"].scores.patients) == pytest.approx(60, abs=1e-3)
    assert sum(one.statistics["mean"].patients) == pytest.approx(50, abs=1e-3)
    known = made[made["label/edema/weight"] > 0]
    rate = known.groupby("patient_id")["label/edema"].mean().mean()
    assert one.targets["edema"].positive_rate == pytest.approx(rate)
    told = sum(one.patients for one in one.targets["edema"].calibration)
    assert told == pytest.approx(known["patient_id"].nunique(), abs=1e-3)


def fitted(rows: pd.DataFrame) -> np.ndarray:
    weight = 1 / rows.groupby("patient_id")["patient_id"].transform("size")
    inputs = special.logit(rows[["prediction/edema"]].to_numpy())
    model = LogisticRegression(C=np.inf, tol=1e-9, max_iter=1000)
    model.fit(inputs, rows["label/edema"], sample_weight=weight)
    return np.array([model.intercept_[0], model.coef_[0, 0]])


def test_the_map_is_a_logistic_regression_and_its_covariance_the_jackknife():
    made = table(images=3)
    found = of_table(made, TASK, {})["in_distribution"].targets["edema"].map
    expected = fitted(made)
    assert [found.intercept, found.slope] == pytest.approx(expected, abs=1e-4)
    without = np.stack(
        [fitted(made[made["patient_id"] != one]) for one in made["patient_id"].unique()]
    )
    covariance = np.cov(without.T, bias=True) * (len(without) - 1)
    # One step of Newton's method for each patient instead of a fit.
    assert np.array(found.covariance) == pytest.approx(covariance, rel=0.1, abs=2e-3)
    assert 10 < found.degrees < 60


def test_calibration_bins_hold_five_patients_of_each_class():
    made = table(patients=200, images=1)
    bins = of_table(made, TASK, {})["in_distribution"].targets["edema"].calibration
    assert len(bins) > 2
    for one in bins:
        assert one.patients * one.positive_rate >= 5 - 1e-6
        assert one.patients * (1 - one.positive_rate) >= 5 - 1e-6
    positives = sum(one.patients * one.positive_rate for one in bins)
    assert positives == pytest.approx(made["label/edema"].sum(), abs=1e-3)


def test_nothing_is_told_of_labels_of_a_few_patients():
    made = table()
    made["label/edema"] = 0.0
    made.loc[[0, 10, 20, 30], "label/edema"] = 1.0
    target = of_table(made, TASK, {})["in_distribution"].targets["edema"]
    assert (target.positive_rate, target.calibration, target.map) == (None, (), None)


def test_four_patients_are_no_reference():
    assert of_table(table(patients=4), TASK, {}) == {}


def test_no_id_and_no_extreme_value_is_kept():
    made = table()
    text = of_table(made, TASK, {})["in_distribution"].model_dump_json()
    assert "secret" not in text
    for column in ("prediction/edema", "statistic/mean"):
        for value in (made[column].min(), made[column].max()):
            assert f"{value:.4g}" not in text


@pytest.mark.parametrize(
    "broken",
    [
        {"edges": [1, 0], "patients": [5, 5, 5]},
        {"edges": [0], "patients": [5]},
        {"edges": [0], "patients": [5, -1]},
        {"edges": [], "patients": [0]},
        {"edges": [float("nan")], "patients": [5, 5]},
    ],
)
def test_what_is_no_histogram_is_refused(broken):
    with pytest.raises(ValueError, match=r"bins|edges"):
        Histogram.model_validate(broken)
