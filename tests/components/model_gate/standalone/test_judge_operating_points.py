"""Operating points of a table of predictions: chosen on its validation rows, or not judged."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import special
from sklearn import metrics as sk

from components.model_gate.__main__ import main

POINT = """
resamples: 200
prevalences: [0.02]
operating_points:
  - name: screen
    at_sensitivity: 0.9
    in_distribution: {min_sensitivity: 0.8, min_specificity: 0.6, min_npv: 0.98}
    shifted: {min_sensitivity: 0.8, min_specificity: 0.6}
"""


@pytest.fixture(scope="module")
def predictions() -> pd.DataFrame:
    """Calibrated probabilities of 250 patients of two images in each part."""
    random = np.random.default_rng(5)
    parts = []
    for domain, split in (
        ("in_distribution", "validation"),
        ("in_distribution", "test"),
        ("shifted", "shifted"),
    ):
        number = np.repeat(np.arange(250), 2)
        label = (random.random(250) < 0.4).astype(int)[number]
        noise = 0.6 * random.normal(size=250)[number] + 0.8 * random.normal(size=500)
        shift = 2.2  # an AUC of 0.94
        odds = shift * (shift * label + noise) - shift**2 / 2 + np.log(0.4 / 0.6)
        parts.append(
            pd.DataFrame(
                {
                    "patient_id": [f"{split}-{one}" for one in number],
                    "domain": domain,
                    "label": label,
                    "score": special.expit(odds),
                    "split": split,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def run(tmp_path, capsys):
    def judge(table: pd.DataFrame, policy: str = POINT, *arguments: str):
        table.to_csv(tmp_path / "predictions.csv", index=False)
        (tmp_path / "policy.yaml").write_text(policy)
        files = ["--predictions", str(tmp_path / "predictions.csv")]
        status = main([*files, "--policy", str(tmp_path / "policy.yaml"), *arguments])
        shown = capsys.readouterr()
        return status, json.loads(shown.out) if shown.out else None, shown.err

    return judge


def test_chosen_on_validation_rows_whatever_decides_otherwise(run, predictions):
    status, verdict, lines = run(predictions)
    assert status == 0, lines
    (point,) = verdict["operating_points"]
    threshold = point["thresholds"][0]["threshold"]
    rows = predictions[predictions["split"] == "validation"]
    assert sk.recall_score(rows["label"], rows["score"] >= threshold) >= 0.9
    assert point["thresholds"][0]["patients"] == rows[rows["label"] == 1]["patient_id"].nunique()
    rows = predictions[predictions["split"] == "shifted"]
    found = verdict["metrics"]["shifted"]["specificity@screen"]["value"]
    assert found == pytest.approx(sk.recall_score(1 - rows["label"], rows["score"] < threshold))
    # Another threshold for the decisions, or decisions of the table, leave it as it is.
    again = run(predictions, POINT, "--threshold", "0.9")[1]
    decided = run(predictions.assign(decision=1))[1]
    for other in (again, decided):
        assert other["operating_points"][0]["thresholds"][0]["threshold"] == threshold
    assert decided["metrics"]["shifted"]["specificity"]["value"] == 0
    curves = [(one["domain"], one["given"]) for one in verdict["decision_curves"]]
    assert curves == [
        (domain, given) for domain in ("in_distribution", "shifted") for given in (False, True)
    ]


def test_a_model_that_calls_everyone_ill_elsewhere_is_refused_for_that(run, predictions):
    shifted = predictions["domain"] == "shifted"
    odds = special.logit(predictions["score"]) + 2.5 * shifted
    # What calibration says of it is not what is tested.
    off = (
        "shifted: {calibration_slope: null, calibration_intercept: null, max_calibration_error: 1}"
    )
    status, verdict, lines = run(predictions.assign(score=special.expit(odds)), POINT + off)
    assert status == 4
    failed = {(one["slice"], one["metric"]) for one in verdict["rules"] if one["status"] == "fail"}
    assert failed == {
        ("shifted", "specificity@screen"),
        ("shifted", "specificity_by_patient@screen"),
    }
    assert "shifted specificity at operating point screen: upper bound" in lines


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table[table["split"] != "validation"].drop(columns="split"),
        lambda table: table[table["split"] != "validation"],
        lambda table: table[table["split"] != "validation"].assign(decision=1),
    ],
)
def test_without_validation_rows_it_is_refused_and_says_what_is_needed(run, predictions, change):
    status, verdict, lines = run(change(predictions), POINT, "--threshold", "0.3")
    assert status == 4
    assert verdict["reasons"][0].startswith(
        "operating point 'screen': there are no in-distribution validation rows to choose its "
        "threshold on; needed: rows of split validation, domain in_distribution"
    )
    assert "not_enough_data operating point: operating point 'screen'" in lines
    assert not any("@" in name for name in verdict["metrics"]["shifted"])


def test_junit_shows_it_as_a_failure(run, predictions, tmp_path, capsys):
    run(predictions[predictions["split"] != "validation"])
    files = ["--predictions", str(tmp_path / "predictions.csv")]
    main([*files, "--policy", str(tmp_path / "policy.yaml"), "--format", "junit"])
    assert 'name="operating point"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("prevalences: [2]", "prevalences [2.0] are not all between 0 and 1"),
        ("prevalences: [yes]", "write true or false"),
        ("operating_points: [{name: a}]", "exactly one of at_sensitivity and at_specificity"),
        (
            "operating_points: [{name: a, at_sensitivity: 0.9, at_specificity: 0.9}]",
            "exactly one of at_sensitivity and at_specificity",
        ),
        ("operating_points: [{name: a/b, at_sensitivity: 0.9}]", "name 'a/b' is not 1 to 40"),
        ("operating_points: [{name: a, at_sensitivity: 90}]", "received 90"),
        (
            "operating_points: [{name: a, at_sensitivity: 0.9}, {name: a, at_specificity: 0.9}]",
            "give every name once",
        ),
        (
            "operating_points: [{name: a, at_sensitivity: 0.9, shifted: {min_npv: 0.9}}]",
            "min_ppv and min_npv need prevalences",
        ),
        (
            "slices: [{domain: shifted, metric: ppv@b, at_least: 0.1}]",
            "operating_points has no 'b'",
        ),
        (
            "slices: [{domain: shifted, metric: ppv_at_0.3, at_least: 0.1}]",
            "prevalences has no 0.3, it has none",
        ),
        ("slices: [{domain: shifted, metric: auc@b, at_least: 0.1}]", "metric 'auc@b' is not one"),
        ("decision_curve: {low: 0.5, high: 0.1}", "low 0.5 is not less than high 0.1"),
    ],
)
def test_wrong_policies_are_bad_input(run, predictions, policy, expected):
    status, verdict, lines = run(predictions, policy)
    assert (status, verdict) == (2, None)
    assert expected in lines
