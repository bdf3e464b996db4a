"""summary.json has the shape that other programs rely on."""

import json
from pathlib import Path

import pydantic
import pytest

from components.reporter.page.sources import Sources
from components.reporter.render import render_report
from components.reporter.summary import build_summary, write_summary

FIGURE = {"value": 0.9, "lower": 0.8, "upper": 0.95, "patients": 40, "examples": 80}
REPORT = {
    "verdict": "pushed",
    "reasons": [],
    "blessed": True,
    "metrics": {"in_distribution": {"auc": FIGURE}, "shifted": {"auc": FIGURE}},
    "pushed": {"classifier": "/pushed/1", "encoder": None},
    "quarantined": 2,
}


def summary(**changes) -> dict:
    return build_summary(
        run_id="run-1",
        preset="demo",
        nodes=[{"name": "DataGate", "state": "ran", "seconds": 1.5}],
        versions={"python": "3.11.2"},
        config="/out/config.yaml",
        report=REPORT | changes,
    )


def test_shape() -> None:
    assert summary() == {
        "run_id": "run-1",
        "preset": "demo",
        "verdict": "pushed",
        "reasons": [],
        "nodes": [{"name": "DataGate", "state": "ran", "seconds": 1.5}],
        "metrics": {"in_distribution": {"auc": FIGURE}, "shifted": {"auc": FIGURE}},
        "pushed": {"classifier": "/pushed/1", "encoder": None},
        "quarantined": 2,
        "versions": {"python": "3.11.2"},
        "config": "/out/config.yaml",
    }


def test_a_run_that_stopped_early_has_empty_metrics(tmp_path: Path) -> None:
    report = render_report(tmp_path, Sources(run_settings={}, failure="out of memory"))
    result = summary(**report)
    assert result["verdict"] == "failed"
    assert result["metrics"] == {"in_distribution": {}, "shifted": {}}
    assert result["pushed"] == {"classifier": None, "encoder": None}


@pytest.mark.parametrize(
    "changes",
    [{"verdict": "fine"}, {"quarantined": -1}, {"metrics": {"elsewhere": {}}}],
)
def test_other_shapes_are_refused(changes: dict) -> None:
    with pytest.raises(pydantic.ValidationError):
        summary(**changes)


def test_written_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "out" / "summary.json"
    write_summary(path, summary())
    write_summary(path, summary(verdict="not_blessed"))
    assert json.loads(path.read_text(encoding="utf-8"))["verdict"] == "not_blessed"
    assert list(path.parent.iterdir()) == [path]


def test_a_wrong_summary_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    write_summary(path, summary())
    with pytest.raises(pydantic.ValidationError):
        write_summary(path, summary() | {"verdict": "fine"})
    assert json.loads(path.read_text(encoding="utf-8"))["verdict"] == "pushed"
