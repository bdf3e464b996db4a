"""`python -m components.model_gate plan`, as it is typed."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from components.model_gate.__main__ import main
from components.model_gate.planning import search

# One domain, one floor: seconds. Calibration is not asked for.
SHORT = """
in_distribution:
  {min_auc: 0.6, calibration_slope: null, calibration_intercept: null, max_calibration_error: 1}
shifted: {required: false}
resamples: 200
"""
MODEL = ("--auc", "0.9", "--prevalence", "0.4")


@pytest.fixture
def plan(tmp_path, capsys):
    """Status, stdout and stderr."""

    def run(*options: str, policy: str = SHORT):
        path = tmp_path / "policy.yaml"
        path.write_text(policy)
        given = options if "--policy" in options else ("--policy", str(path), *options)
        status = main(["plan", *given])
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def pilot(tmp_path):
    """Writes a pilot table."""

    def write(number=60, positive=0.4, domains=("in_distribution",), **columns) -> str:
        random = np.random.default_rng(0)
        parts = []
        for domain in domains:
            patient = np.repeat(np.arange(number), 2)
            label = (patient < positive * number).astype(int)
            score = 1 / (1 + np.exp(1 - 2 * label - random.normal(size=2 * number)))
            parts.append(
                pd.DataFrame(
                    {
                        "patient_id": [f"{domain} {one:04d} p" for one in patient],
                        "domain": domain,
                        "label": label,
                        "score": score,
                        **{name: values(patient) for name, values in columns.items()},
                    }
                )
            )
        path = tmp_path / "pilot.csv"
        pd.concat(parts).to_csv(path, index=False)
        return str(path)

    return write


def test_a_plan_in_every_format(plan, tmp_path):
    output = tmp_path / "plan.json"
    status, text, progress = plan(*MODEL, "--output", str(output))
    assert status == 0
    assert "GUESS" in text
    assert re.search(r"in_distribution prevalence +0.4 +given", text)
    assert re.search(r"auc floor 0.6 +in_distribution", text)
    assert "its rules pass in" in progress
    document = json.loads(output.read_text())
    status, markdown, _ = plan(*MODEL, "--format", "markdown")
    status, printed, _ = plan(*MODEL, "--format", "json")
    assert json.loads(printed) == document  # the same seed
    size = document["suggested"]["in_distribution"]
    assert size["with_finding"] + size["without_finding"] == size["patients"] >= 30
    assert f"{size['patients']} patients, {size['with_finding']} with the finding" in text
    assert f"{size['patients']} patients" in markdown
    assert document["blessed"] >= 0.8
    assert document["outcome"] == "planned"


def test_a_model_below_the_floor_is_told_at_once(plan):
    status, text, progress = plan("--auc", "0.6", "--prevalence", "0.4")
    assert status == 4
    assert "in_distribution: AUC 0.6 is assumed, the floor is 0.6" in text
    assert progress == ""


@pytest.mark.parametrize(
    ("options", "policy", "line"),
    [
        (("--sensitivity", "0.8"), "in_distribution: {min_sensitivity: 0.85}", "sensitivity 0.8"),
        (("--specificity", "0.8"), "in_distribution: {min_specificity: 0.85}", "specificity 0.8"),
        (("--auc-shifted", "0.7"), "shifted: {min_auc: 0.6}", "AUC lost under shift 0.2"),
        (("--baseline-auc", "0.95"), "max_regression: 0.03", "AUC minus the baseline's -0.05"),
        ((), "in_distribution: {calibration_slope: [1.1, 2]}", "calibration slope 1"),
        ((), "in_distribution: {max_calibration_error: 0}", "calibration error 0"),
        (
            ("--sensitivity", "0.9", "--specificity", "0.9"),
            "slices: [{domain: in_distribution, metric: ppv, at_least: 0.9}]",
            "ppv 0.8571",
        ),
        (
            (),
            "operating_points: [{name: a, at_sensitivity: 0.9, in_distribution: "
            "{min_specificity: 0.75}}]",
            "operating point a: specificity 0.7",
        ),
    ],
)
def test_every_bound_that_is_not_met_has_a_line(plan, options, policy, line):
    status, text, _ = plan(*MODEL, *options, policy=policy)
    assert status == 4
    assert line in text
    assert "no number of patients" in text


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--auc", "0.9", "--prevalence", "0.0001"), "10 patients of each class are 100,000"),
        (("--auc", "0.6001", "--prevalence", "0.4"), "by formula, about"),
    ],
)
def test_what_takes_too_many_is_told_at_once(plan, options, line):
    status, text, progress = plan(*options)
    assert status == 5
    assert line in text
    assert progress == ""


@pytest.mark.parametrize(
    "options",
    [
        ("--auc", "nan", "--prevalence", "0.4"),
        ("--auc", "1.1", "--prevalence", "0.4"),
        ("--auc", "0.9", "--prevalence", "0"),
        ("--auc", "0.9", "--prevalence", "1"),
        (*MODEL, "--sensitivity", "0"),
        (*MODEL, "--images-per-patient", "0.5"),
        (*MODEL, "--images-per-patient", "inf"),
        (*MODEL, "--correlation", "-0.1"),
        (*MODEL, "--power", "1"),
        (*MODEL, "--seed", "-1"),
        (*MODEL, "--look", "0"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(plan, options, capsys):
    with pytest.raises(SystemExit) as ended:
        plan(*options)
    assert ended.value.code == 2
    assert "is accepted" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--auc", "0.9"), "--prevalence is needed"),
        (("--prevalence", "0.4"), "--auc is needed"),
        ((*MODEL, "--group", "sex"), "COLUMN=VALUE:SHARE"),
        ((*MODEL, "--group", "sex=F:0"), "COLUMN=VALUE:SHARE"),
        ((*MODEL, "--group", "sex=F:nan"), "COLUMN=VALUE:SHARE"),
        ((*MODEL, "--group", "sex=F:0.6", "--group", "sex=M:0.6"), "add up to 1.2"),
        ((*MODEL, "--group", "sex=F:0.4", "--group", "sex=F:0.6"), "given twice"),
        ((*MODEL, "--predictions", "absent.csv"), "can't be read"),
        ((*MODEL, "--policy", "absent.yaml"), "absent.yaml"),
    ],
)
def test_what_is_missing_or_contradicts_is_refused(plan, options, words):
    status, out, err = plan(*options)
    assert (status, out) == (2, "")
    assert words in err


def test_a_group_that_the_policy_names_must_be_assumed(plan):
    policy = SHORT + "subgroups: {required_groups: [sex]}\n"
    status, _, err = plan(*MODEL, policy=policy)
    assert status == 2
    assert "--group sex=VALUE:SHARE" in err
    status, _, err = plan(*MODEL, "--group", "sex=F:0.5", policy=policy.replace("sex", "'sex=X'"))
    assert status == 2


@pytest.mark.slow
def test_required_groups_take_more_patients(plan):
    policy = SHORT + "subgroups: {required_groups: [sex], min_auc: 0.6}\n"
    groups = ("--group", "sex=F:0.5", "--group", "sex=M:0.5")
    json_of = ("--format", "json")
    _, alone, _ = plan(*MODEL, *json_of)
    status, grouped, _ = plan(*MODEL, *groups, *json_of, policy=policy)
    assert status == 0
    sizes = [
        json.loads(one)["suggested"]["in_distribution"]["patients"] for one in (alone, grouped)
    ]
    # Each half of them is to have ten patients with the finding.
    assert sizes[1] >= 50 > sizes[0]


def test_assumptions_come_from_the_pilot(plan, pilot):
    path = pilot(positive=0.3)
    status, text, _ = plan("--predictions", path, "--format", "json")
    assert status == 0
    said = {one["name"]: one for one in json.loads(text)["assumptions"]}
    assert said["AUC"]["origin"] == "pilot"
    assert said["AUC"]["note"].startswith("60 patients, interval")
    assert float(said["AUC"]["value"]) == pytest.approx(0.92, abs=0.05)
    assert float(said["prevalence"]["value"]) == 0.3
    assert said["images per patient"]["value"] == "2"
    assert said["calibration"]["origin"] == "guess"
    # The scores are drawn without a term of the patient.
    correlation = said["correlation of the scores of a patient's images"]
    assert float(correlation["value"]) < 0.3


def test_an_option_is_preferred_to_the_pilot(plan, pilot):
    status, text, _ = plan("--predictions", pilot(), "--auc", "0.55")
    assert status == 4
    assert re.search(r"in_distribution AUC +0.55 +given", text)


def test_a_pilot_of_few_says_so(plan, pilot):
    _, text, _ = plan("--predictions", pilot(number=20, positive=0.2), "--auc", "0.55")
    assert "few of a class: unsure" in text


def test_a_pilot_of_one_class_is_refused(plan, pilot):
    status, out, err = plan("--predictions", pilot(positive=0))
    assert (status, out) == (2, "")
    assert "both classes" in err


def test_groups_come_from_the_pilot(plan, pilot):
    policy = SHORT.replace("0.6", "0.99") + "subgroups: {required_groups: [sex]}\n"
    path = pilot(sex=lambda patient: np.where(patient % 4 == 0, "F", "M"))
    status, text, _ = plan("--predictions", path, "--auc", "0.9", policy=policy)
    assert status == 4
    assert "F 25%, M 75%" in text


def test_a_pilot_of_several_findings_takes_a_choice(plan, pilot, tmp_path):
    path = pilot()
    table = pd.read_csv(path)
    for name in ("a", "b"):
        table[f"label/{name}"], table[f"score/{name}"] = table["label"], table["score"]
    table.drop(columns=["label", "score"]).to_csv(path, index=False)
    status, _, err = plan("--predictions", path)
    assert status == 2
    assert "--finding" in err
    status, _, err = plan("--predictions", path, "--finding", "c")
    assert status == 2
    assert "a, b" in err
    assert plan("--predictions", path, "--finding", "b", "--auc", "0.5")[0] == 4


def test_names_cannot_forge_lines(plan, pilot):
    group = "sex=F\n::error::blessed:0.5"
    policy = SHORT.replace("0.6", "0.99")
    status, text, _ = plan(*MODEL, "--group", group, policy=policy)
    assert status == 4
    assert "\n::error::" not in text


def test_looks_narrow_what_a_model_may_spend(plan):
    _, first, _ = plan("--auc", "0.5", "--prevalence", "0.4")
    _, fifth, _ = plan("--auc", "0.5", "--prevalence", "0.4", "--look", "5")
    assert "intervals at 95 %" in first
    assert "intervals at 99 %" in fifth
    status, _, err = plan(*MODEL, "--look", "4", policy="reuse: {rule: planned, looks: 3}")
    assert status == 2
    assert "3 were planned" in err


def test_slices_of_other_findings_and_units_are_noted(plan):
    policy = SHORT.replace("0.6", "0.99") + (
        "unit: study\nslices: [{domain: in_distribution, metric: auc/edema, at_least: 0.7}]\n"
    )
    _, text, _ = plan(*MODEL, policy=policy)
    assert "slices of auc/edema are left out" in text
    assert "unit study is planned as patient" in text


@pytest.mark.slow
def test_operating_points_are_planned_with_simulated_validation_patients(plan):
    policy = SHORT + (
        "operating_points: [{name: a, at_sensitivity: 0.85, in_distribution: {min_sensitivity: "
        "0.6, min_specificity: 0.6}}]\n"
    )
    status, text, _ = plan(*MODEL, policy=policy)
    assert status == 0
    assert re.search(r"validation patients +200 +GUESS", text)
    assert re.search(r"operating point floor 0.6 +in_distribution", text)


@pytest.mark.slow
def test_a_rare_finding_is_planned(plan, monkeypatch):
    monkeypatch.setattr(search, "_FEWEST", 20)
    status, text, _ = plan("--auc", "0.95", "--prevalence", "0.002", "--format", "json")
    assert status == 0
    size = json.loads(text)["suggested"]["in_distribution"]
    assert size["with_finding"] >= 10
    assert size["patients"] == pytest.approx(500 * size["with_finding"], rel=0.1)


@pytest.mark.slow
def test_a_perfect_model_is_planned(plan):
    status, text, _ = plan("--auc", "1", "--prevalence", "0.4", "--format", "json")
    assert status == 0
    assert json.loads(text)["suggested"]["in_distribution"]["patients"] < 100
