"""Every check, on tables of plain values."""

from __future__ import annotations

import json
import pickle

import pytest

from components.data_gate.checks import outcomes
from components.data_gate.checks.findings import Anomaly, Shared
from components.data_gate.checks.outcomes import NEW_COLUMN
from schemas.documents.data_gate import (
    DataGateReport,
    DataGateStopped,
    Distance,
    DomainShift,
    Shortcut,
)
from tests.made_documents import data_gate_report

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
    check = outcomes.anomalies([anomaly], TASK_FEATURES, {"shifted"}, "stop", {})
    assert check.passed is passes
    assert check.stops is not passes
    if not passes:
        assert anomaly.feature in check.message
        assert anomaly.description in check.message
        assert check.details[0]["split"] == anomaly.split


def test_reported_anomalies_do_not_stop():
    found = [Anomaly("train", "site", LOW, "Odd")]
    check = outcomes.anomalies(found, TASK_FEATURES, set(), "report", {})
    assert not check.passed
    assert not check.stops
    assert data_gate_report([check]).passed is True
    assert outcomes.reasons([check]) == []


@pytest.mark.parametrize(
    ("severity", "by_kind", "expected"),
    [
        ("stop", {}, ("stop", ["low", "odd"])),
        ("report", {}, ("report", ["low", "odd"])),
        ("stop", {"FLOAT_TYPE_SMALL_FLOAT": "report"}, ("stop", ["odd", "low"])),
        ("report", {"FLOAT_TYPE_SMALL_FLOAT": "stop"}, ("stop", ["low", "odd"])),
        ("stop", {"FLOAT_TYPE_SMALL_FLOAT": "ignore"}, ("stop", ["odd"])),
        ("ignore", {"FLOAT_TYPE_SMALL_FLOAT": "report"}, ("report", ["low"])),
        ("ignore", {}, ("ignore", [])),
    ],
)
def test_severity_is_by_kind_of_anomaly(severity, by_kind, expected):
    found = [
        Anomaly("train", "low", LOW, "Below zero"),
        Anomaly("train", "odd", ("ENUM_TYPE_UNEXPECTED_STRING_VALUES",), "Odd"),
    ]
    check = outcomes.anomalies(found, (), (), severity, by_kind)
    assert (check.action, [d["feature"] for d in check.details]) == expected
    assert check.passed is (not expected[1])
    assert check.stops is (expected[0] == "stop")


def test_the_worst_kind_of_an_anomaly_counts():
    both = Anomaly("train", "x", (NEW_COLUMN, *LOW), "Several")
    kinds = {NEW_COLUMN: "ignore", LOW[0]: "report"}
    assert outcomes.anomalies([both], (), (), "stop", kinds).action == "report"


def test_what_is_ignored_is_not_even_looked_for():
    def never():
        raise AssertionError

    check = outcomes.looked_for("duplicates", "ignore", never)
    assert check.passed
    assert not check.stops
    assert check.message == "skipped: data_gate.duplicates is ignore"
    made = outcomes.looked_for("duplicates", "report", lambda: outcomes.duplicates([], "report"))
    assert made.message == "no image is in two splits"


def test_shortcuts_from_an_auc_on():
    found = [
        Shortcut(target="site", figures="image border", auc=0.95, images=9),
        Shortcut(target="label/a", figures="image size", auc=0.6, images=9),
    ]
    check = outcomes.shortcuts(found, 0.9, "stop")
    assert check.stops
    assert check.message == "1 column is predictable: site by image border (AUC 0.950)"
    assert check.details == (found[0].model_dump(),)
    assert outcomes.shortcuts(found, 0.96, "stop").passed
    assert not outcomes.shortcuts(found, 0.5, "report").stops


def test_drift_beyond_its_threshold():
    near = Distance(split="test", feature="site", measure="L-infinity", value=0.1, threshold=0.2)
    far = Distance(
        split="test", feature="image/mean", measure="Jensen-Shannon", value=0.4, threshold=0.3
    )
    check = outcomes.drift("previous_drift", [near, far], "the last passed run", "stop")
    assert check.stops
    assert check.message == (
        "1 distance is beyond the threshold, against the last passed run: "
        "test: image/mean (Jensen-Shannon 0.400)"
    )
    assert outcomes.drift("previous_drift", [near], "it", "stop").passed
    nothing = outcomes.drift("domain_drift", None, "train", "stop")
    assert nothing.passed
    assert nothing.message == "not compared with train: there are no such data"


@pytest.mark.parametrize(
    "check",
    [outcomes.patient_overlap, outcomes.study_overlap, outcomes.slide_overlap, outcomes.duplicates],
)
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


@pytest.mark.parametrize(
    ("check", "noun"),
    [
        (outcomes.patient_overlap, "patient"),
        (outcomes.study_overlap, "study"),
        (outcomes.slide_overlap, "slide"),
    ],
)
def test_what_nobody_knows_is_not_checked_rather_than_absent(check, noun):
    assert check([], "stop", 0, 9).checked
    assert check([], "stop", 0, 9).message == f"no {noun} is in two splits"
    nobody = check([], "stop", 9, 9)
    assert (nobody.checked, nobody.stops) == (False, False)
    assert nobody.message == f"not checked: no image has a known {noun}"
    some = check([], "stop", 4, 9)
    assert not some.checked
    assert some.message == (
        f"not checked: 4 of 9 images have no known {noun}; no {noun} of the others is in two splits"
    )
    found = check([Shared("x", {"train": 1, "test": 1}, (1, 2))], "stop", 4, 9)
    assert found.stops
    assert found.checked
    assert found.message.endswith(f"; 4 of 9 images have no known {noun}")


def test_a_check_that_was_switched_off_or_had_nothing_was_not_made():
    assert not outcomes.looked_for("duplicates", "ignore", lambda: None).checked
    assert not outcomes.drift("domain_drift", None, "train", "stop").checked


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
    check = outcomes.class_counts(*counts(*given), minimum, "stop")
    assert check.stops is bool(failing)
    assert not outcomes.class_counts(*counts(*given), minimum, "report").stops
    assert check.passed is (failing == [])
    assert [(d["split"], d["class"], d["examples"]) for d in check.details] == failing
    for split, name, count in failing:
        assert f"{split} has {count} of a={name}" in check.message


def test_subgroup_counts():
    counts = {("test", "sex", "F"): 9, ("test", "sex", "M"): 4, ("shifted", "sex", "F"): 5}
    check = outcomes.subgroup_counts(counts, 5, "report")
    assert not check.passed
    assert not check.stops
    assert check.message.endswith("min_per_subgroup 5 examples: test has 4 of sex=M")
    assert len(check.details) == 1
    assert outcomes.subgroup_counts(counts, 5, "stop").stops
    assert outcomes.subgroup_counts(counts, 4, "stop").passed


def test_unknown_labels_are_no_class():
    labels = {s: {"a": {"0": 9, "1": 9, "unknown": 0}} for s in ("train", "validation", "test")}
    assert outcomes.class_counts(labels, {}, 5, "stop").passed


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
    check = outcomes.identifying_metadata(names, {"site", "domain"}, raw, "stop")
    assert check.passed is (not words)
    assert check.stops is bool(words)
    for word in words:
        assert word in check.message


def test_report_is_json_and_names_every_check(tmp_path):
    found = [
        outcomes.patient_overlap([Shared("x", {"train": 1, "test": 1}, (1, 2))], "stop"),
        outcomes.duplicates([], "stop"),
    ]
    drift = DomainShift(feature="f", statistic="mean shifted", value=0.5)
    written = data_gate_report(found, drift=[drift])
    report = json.loads(written.write(tmp_path).read_text())
    assert DataGateReport.read(tmp_path) == written
    assert report["passed"] is False
    assert [c["name"] for c in report["checks"]] == ["patient_overlap", "duplicates"]
    assert set(report["checks"][0]) == {
        *("name", "passed", "action", "message", "details", "checked")
    }
    assert report["drift"] == [{"feature": "f", "statistic": "mean shifted", "value": 0.5}]
    (reason,) = outcomes.reasons(found)
    assert reason.startswith("patient_overlap: 1 patient is")


def test_the_stop_survives_pickling():
    report = data_gate_report([])
    stop = pickle.loads(pickle.dumps(DataGateStopped(["a: b", "c: d"], report)))
    assert stop.reasons == ["a: b", "c: d"]
    assert stop.report == report
    assert str(stop) == "DataGate stopped the run: a: b; c: d"
