"""Every check, on tables of plain values."""

from __future__ import annotations

import json
import pickle

import pytest

from components.data_gate import checks
from components.data_gate.checks import NEW_COLUMN, Anomaly, Shared
from components.data_gate.errors import DataGateStopped

TASK_FEATURES = {"label/a", "label/a/weight", "subgroup/sex"}
LOW = ("FLOAT_TYPE_SMALL_FLOAT",)


@pytest.mark.parametrize(
    ("anomaly", "passes"),
    [
        (Anomaly("train", "label/a", (NEW_COLUMN,), "New column"), True),
        (Anomaly("train", "subgroup/sex", (NEW_COLUMN,), "New column"), True),
        (Anomaly("train", "label/b", (NEW_COLUMN,), "New column"), False),
        (Anomaly("train", "patient_name", (NEW_COLUMN,), "New column"), False),
        (Anomaly("train", "label/a", LOW, "Out-of-range values"), False),
        (Anomaly("train", "label/a", (NEW_COLUMN, *LOW), "Several"), False),
        (Anomaly("train", "label/a", (), "Unexplained"), False),
        (Anomaly("shifted", "domain", ("SCHEMA_MISSING_COLUMN",), "Column dropped"), True),
        (Anomaly("test", "domain", ("SCHEMA_MISSING_COLUMN",), "Column dropped"), False),
    ],
)
def test_anomalies(anomaly, passes):
    check = checks.anomalies([anomaly], TASK_FEATURES, {"shifted"}, "stop")
    assert check.passed is passes
    assert check.stops is not passes
    if not passes:
        assert anomaly.feature in check.message
        assert anomaly.description in check.message
        assert check.details[0]["split"] == anomaly.split


def test_reported_anomalies_do_not_stop():
    found = [Anomaly("train", "site", LOW, "Odd")]
    check = checks.anomalies(found, TASK_FEATURES, set(), "report")
    assert not check.passed
    assert not check.stops
    assert checks.to_report([check], {})["passed"] is True
    assert checks.reasons([check]) == []


@pytest.mark.parametrize("check", [checks.patient_overlap, checks.duplicates])
def test_shared_values_stop_and_are_named(check):
    assert check([], "stop").passed
    shared = [Shared(f"id{n}", {"train": 2, "test": 1}, (n, n + 9)) for n in range(5)]
    one, five = check(shared[:1], "stop"), check(shared, "stop")
    assert one.stops
    assert "is in more than one split: train and test (rows 0, 9)" in one.message
    assert "5" in five.message
    assert "and 2 more" in five.message
    assert five.details[4]["splits"] == {"train": 2, "test": 1}
    assert not check(shared, "report").stops


def counts(train, validation, test, shifted):
    """Counts of one binary label, by split."""
    splits = {"train": train, "validation": validation, "test": test, "shifted": shifted}
    labels = {
        s: {"a": {"0": n[0], "1": n[1], "unknown": 0}} for s, n in splits.items() if n is not None
    }
    return labels, {s: sum(n) if n else 0 for s, n in splits.items()}


@pytest.mark.parametrize(
    ("given", "minimum", "failing"),
    [
        (((9, 9), (5, 5), (5, 9), (5, 5)), 5, []),
        (((9, 9), (5, 4), (5, 9), (5, 5)), 5, [("validation", "1", 4)]),
        (((9, 0), (5, 5), (5, 9), (5, 2)), 5, [("train", "1", 0), ("shifted", "1", 2)]),
        (((9, 9), (5, 5), (5, 9), (0, 0)), 5, []),
        (((0, 0), (0, 0), (0, 0), (0, 0)), 0, []),
    ],
)
def test_class_counts(given, minimum, failing):
    check = checks.class_counts(*counts(*given), minimum)
    assert check.passed is (failing == [])
    assert [(d["split"], d["class"], d["examples"]) for d in check.details] == failing
    for split, name, count in failing:
        assert f"{split} has {count} of a={name}" in check.message


def test_subgroup_counts():
    counts = {("test", "sex", "F"): 9, ("test", "sex", "M"): 4, ("shifted", "sex", "F"): 5}
    check = checks.subgroup_counts(counts, 5)
    assert not check.passed
    assert not check.stops
    assert check.message.endswith("min_per_subgroup 5 examples: test has 4 of sex=M")
    assert len(check.details) == 1
    assert checks.subgroup_counts(counts, 4).passed


def test_unknown_labels_are_no_class():
    labels = {s: {"a": {"0": 9, "1": 9, "unknown": 0}} for s in ("train", "validation", "test")}
    assert checks.class_counts(labels, {}, 5).passed


@pytest.mark.parametrize(
    ("names", "raw", "words"),
    [
        ({"site", "domain"}, {"patient_id": 0}, []),
        ({"site", "patient_name", "birth_date"}, {}, ["birth_date; patient_name"]),
        ({"site"}, {"patient_id": 3}, ["not keyed hashes in patient_id"]),
        ({"name"}, {"image_id": 1}, ["name", "image_id"]),
    ],
)
def test_identifying_metadata(names, raw, words):
    check = checks.identifying_metadata(names, {"site", "domain"}, raw)
    assert check.passed is (not words)
    assert check.stops is bool(words)
    for word in words:
        assert word in check.message


def test_report_is_json_and_names_every_check():
    found = [
        checks.patient_overlap([Shared("x", {"train": 1, "test": 1}, (1, 2))], "stop"),
        checks.duplicates([], "stop"),
    ]
    report = json.loads(json.dumps(checks.to_report(found, {"drift": [{"feature": "f"}]})))
    assert report["passed"] is False
    assert [c["name"] for c in report["checks"]] == ["patient_overlap", "duplicates"]
    assert set(report["checks"][0]) == {"name", "passed", "action", "message", "details"}
    assert report["drift"] == [{"feature": "f"}]
    (reason,) = checks.reasons(found)
    assert reason.startswith("patient_overlap: 1 patient is")


def test_the_stop_survives_pickling():
    stop = pickle.loads(pickle.dumps(DataGateStopped(["a: b", "c: d"], {"passed": False})))
    assert stop.reasons == ["a: b", "c: d"]
    assert stop.report == {"passed": False}
    assert str(stop) == "DataGate stopped the run: a: b; c: d"
