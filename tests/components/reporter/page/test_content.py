"""The verdict follows from what the run left behind; figures that are not finite are missing."""

import pytest

from components.data_gate.checks import outcomes
from components.data_gate.checks.findings import Shared
from components.reporter.page.content import hide_data_paths, judge
from components.reporter.page.tfma_slices import rows_of
from components.reporter.page.wording import (
    decimals,
    interval,
    measure,
    plain_bytes,
    term,
    title,
    words,
)
from schemas.documents.gate import Bounds
from schemas.documents.run import Pushed
from tests.made_documents import data_gate_report, gate_verdict, run_settings

PUSHED = Pushed(classifier="/pushed/1", encoder=None)
NOWHERE = Pushed(classifier=None, encoder=None)
STOPPED = data_gate_report(
    [
        outcomes.patient_overlap([Shared("p", {"train": 1, "test": 1}, (1, 2))], "stop"),
        outcomes.study_overlap([], "stop"),
        outcomes.duplicates([Shared("d", {"train": 1, "test": 1}, (3, 4), ("e", "f"))], "report"),
    ]
)
OVERLAP = "1 patient is in more than one split: train and test (rows 1, 2)"
BLESSED = gate_verdict()
REFUSED = gate_verdict(False, ["AUC too low"])


@pytest.mark.parametrize(
    ("data_gate", "gate", "pushed", "enabled", "failure", "expected"),
    [
        (None, BLESSED, PUSHED, True, None, ("pushed", ())),
        (None, REFUSED, NOWHERE, True, None, ("not_blessed", ("AUC too low",))),
        (None, REFUSED, NOWHERE, False, None, ("evaluated", ("AUC too low",))),
        (None, BLESSED, NOWHERE, False, None, ("evaluated", ())),
        (None, gate_verdict(False), NOWHERE, True, None, ("not_blessed", ())),
        (STOPPED, None, NOWHERE, True, None, ("stopped_by_data_gate", (OVERLAP,))),
        (STOPPED, None, NOWHERE, True, "stopped", ("stopped_by_data_gate", (OVERLAP,))),
        (None, REFUSED, NOWHERE, True, "disk full", ("failed", ("disk full",))),
    ],
)
def test_verdict(data_gate, gate, pushed, enabled, failure, expected) -> None:
    settings = {"push": {"enabled": enabled}}
    assert judge(data_gate, gate, pushed, settings, failure) == expected


def test_a_blessed_model_that_is_nowhere_is_not_called_pushed() -> None:
    verdict, reasons = judge(None, BLESSED, NOWHERE, run_settings(), None)
    assert verdict == "evaluated"
    assert "no pusher ran" in reasons[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("file '/data/x/p1/a.png' is broken", "file '/data/x/…' is broken"),
        ("/data/x/a.png, /data/x/b.png: unreadable", "/data/x/…, /data/x/…: unreadable"),
        ("folder '/data/x' is empty", "folder '/data/x' is empty"),
    ],
)
def test_paths_below_the_data_root_are_cut(text: str, expected: str) -> None:
    assert hide_data_paths(text, run_settings("data.root=/data/x/")) == expected


def test_paths_below_the_parts_of_a_combination_are_cut() -> None:
    parts = "[{source: manifest, root: /data/y, role: in_distribution}]"
    settings = run_settings("data.source=combined", f"data.parts={parts}")
    assert hide_data_paths("see /data/y/p1/a.png", settings) == "see /data/y/…"


def test_paths_stay_when_there_is_no_root() -> None:
    assert hide_data_paths("see /a/b", run_settings()) == "see /a/b"


def test_tfma_rows_are_flattened_without_plots_and_differences() -> None:
    metrics = {
        "": {
            "": {
                "auc": {"doubleValue": 0.75},
                "example_count": {"doubleValue": 12.0},
                "confusion_matrix": {"confusionMatrixAtThresholds": {}},
                "undefined": {"doubleValue": "NaN"},
            }
        }
    }
    nested = {"edema": {"classId:1": {"recall": {"doubleValue": 0.5}}}}
    near, far = (("domain", "in_distribution"),), (("domain", "shifted"),)
    difference = {"edema": {"": {"auc_diff": {"doubleValue": 0.25}}}}
    rows = rows_of(
        [
            ((), metrics),
            ((*far, ("subgroup/sex", "F")), nested),
            ((near, far), difference),
            (((), far), {}),
        ]
    )
    assert rows == [
        ("overall", "", "auc", 0.75),
        ("overall", "", "example_count", 12.0),
        ("domain = shifted, sex = F", "edema", "recall (classId:1)", 0.5),
    ]


def test_wording_of_figures() -> None:
    assert decimals(0.95149) == "0.951"
    assert decimals(-0.0123) == "\u22120.012"
    assert decimals(None) == "—"
    assert interval(Bounds(value=0.2, lower=0.1, upper=0.25)) == "0.100 to 0.250"
    assert interval(Bounds(value=0.2, lower=0.1, upper=float("nan"))) == ""
    assert measure(0.6) == "0.600"
    assert measure(1.0) == "1"
    assert measure(1.18) == "1.180"
    assert measure(12345.0) == "12\u202f345"
    assert measure(1e-7) == "1e\u221207"
    assert title("auc/edema") == "AUC, edema"
    assert title("too_large") == "Too large"
    assert title("ece ceiling") == "ECE ceiling"
    assert term("probe_auc") == "linear probe AUC on validation"
    assert title("image/mean") == "Mean intensity"
    assert words("in_distribution - shifted") == "in distribution \u2212 shifted"
    assert words("domain = shifted, sex = F") == "shifted, sex = F"
    assert words("shifted auc: low") == "shifted AUC: low"
    assert plain_bytes(3.2e6) == "3.2 MB"
    assert plain_bytes(999) == "999 B"
