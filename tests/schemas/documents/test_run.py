"""summary.json has the shape that other programs rely on."""

import json

import pytest

from components.reporter.page.report_inputs import ReportInputs
from components.reporter.render import render_report
from schemas.documents.gate import Metric
from schemas.documents.run import Node, Pushed, Summary
from schemas.errors import InputError
from tests.made_documents import run_settings

METRIC = {"value": 0.9, "lower": 0.8, "upper": 0.95, "patients": 40, "examples": 80}


def summary(**changes) -> Summary:
    auc = Metric(**METRIC)
    content = {
        "run_id": "run-1",
        "preset": "demo",
        "verdict": "pushed",
        "reasons": (),
        "nodes": (Node(name="DataGate", state="ran", seconds=1.5),),
        "metrics": {"in_distribution": {"auc": auc}, "shifted": {"auc": auc}},
        "pushed": Pushed(classifier="/pushed/1", encoder=None),
        "quarantined": 2,
        "versions": {"python": "3.11.2"},
        "config": "/out/config.yaml",
    }
    return Summary(**content | changes)


def test_shape(tmp_path) -> None:
    assert json.loads(summary().write(tmp_path).read_text(encoding="utf-8")) == {
        "version": 1,
        "run_id": "run-1",
        "preset": "demo",
        "verdict": "pushed",
        "reasons": [],
        "nodes": [{"name": "DataGate", "state": "ran", "seconds": 1.5}],
        "metrics": {"in_distribution": {"auc": METRIC}, "shifted": {"auc": METRIC}},
        "pushed": {"classifier": "/pushed/1", "encoder": None},
        "quarantined": 2,
        "versions": {"python": "3.11.2"},
        "config": "/out/config.yaml",
    }


def test_a_run_that_stopped_early_has_empty_metrics(tmp_path) -> None:
    report = render_report(
        tmp_path, ReportInputs(run_settings=run_settings(), failure="out of memory")
    )
    assert report.verdict == "failed"
    assert report.metrics == {}
    assert report.pushed == Pushed(classifier=None, encoder=None)


@pytest.mark.parametrize(
    "changes",
    [{"verdict": "fine"}, {"quarantined": -1}, {"metrics": {"elsewhere": {}}}],
)
def test_other_shapes_are_refused(changes: dict, tmp_path) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        summary(**changes)
    path = summary().write(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(InputError, match=r"summary\.json is not a Summary of version 1"):
        Summary.read(tmp_path)


def test_written_in_one_step(tmp_path) -> None:
    path = tmp_path / "out" / "summary.json"
    summary().write_file(path)
    summary(verdict="not_blessed").write_file(path)
    assert json.loads(path.read_text(encoding="utf-8"))["verdict"] == "not_blessed"
    assert list(path.parent.iterdir()) == [path]
