"""New predictions of a multiclass model: labels and decisions are names of classes."""

import json

import numpy as np
import pytest
from sklearn import metrics as sk

from components.model_gate.__main__ import main
from tests.components.model_gate.standalone.test_class_columns import NAMES, called, classes

POLICY = (
    "resamples: 200\nmax_gap: 0.9\nin_distribution: {min_balanced_accuracy: 0.75}\n"
    "shifted: {min_balanced_accuracy: 0.75}\n"
)


@pytest.fixture(scope="module")
def blessed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("blessed")
    classes(number=300).to_csv(folder / "table.csv", index=False)
    (folder / "policy.yaml").write_text(POLICY)
    told = ["--policy", str(folder / "policy.yaml"), "--output", str(folder / "verdict.json")]
    assert main(["--predictions", str(folder / "table.csv"), *told]) == 0
    return folder / "verdict.json"


@pytest.fixture
def monitor(blessed, tmp_path, capsys):
    def run(table, *arguments):
        table[table["domain"] == "shifted"].to_csv(tmp_path / "new.csv", index=False)
        given = ["--blessed", str(blessed), "--predictions", str(tmp_path / "new.csv")]
        history = ["--history", str(tmp_path / "history.jsonl")]
        status = main(["monitor", *given, *history, *arguments])
        shown = capsys.readouterr()
        return status, json.loads(shown.out) if shown.out else None, shown.err

    return run


def test_performance_is_measured_on_the_class_that_is_called(monitor):
    table = classes(number=300, seed=7)
    status, report, said = monitor(table)
    assert (status, report["status"], report["labelled"]) == (0, "no_alarm", 300)
    part = table[table["domain"] == "shifted"]
    truth = part["label"].map(NAMES.index)
    measured = {one["metric"]: one["value"] for one in report["measured"]}
    expected = sk.balanced_accuracy_score(truth, called(part))
    assert measured["balanced_accuracy"] == pytest.approx(expected)
    assert measured["accuracy"] == pytest.approx(sk.accuracy_score(truth, called(part)))
    assert "no decisions" not in said


def test_labels_that_no_longer_belong_to_the_scores_raise_an_alarm(monitor):
    table = classes(number=300, seed=8)
    table["label"] = np.roll(table["label"], 1)
    status, report, _ = monitor(table)
    assert status == 4
    failed = {one["metric"] for one in report["measured"] if one["status"] == "alarm"}
    assert {"auc", "balanced_accuracy", "balanced_accuracy_by_patient"} <= failed


def test_without_labels_drift_alone_is_tested(monitor):
    status, report, _ = monitor(classes(number=300, seed=9).drop(columns="label"))
    assert (status, report["labelled"], report["measured"]) == (0, 0, [])
    assert {one["column"] for one in report["drift"]} == {f"score/{name}" for name in NAMES}
    status, report, _ = monitor(classes(number=300, seed=9, never="dog").drop(columns="label"))
    assert status == 4
    assert any(one.startswith("score/dog") for one in report["alarms"])


def test_another_class_or_a_threshold_is_refused(monitor):
    table = classes(number=60)
    status, _, said = monitor(table.drop(columns="score/ship"))
    assert status == 2
    assert "column 'score/ship' is missing" in said
    status, _, said = monitor(table, "--threshold", "0.5")
    assert status == 2
    assert "--threshold 0.5 applies to findings" in said
