"""The TFX side: which channels are needed, and what the executor takes from artifacts."""

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # importing TFX alone takes more than ten seconds


def channel(artifact_type):
    from tfx.types import channel

    return channel.Channel(type=artifact_type)


def test_an_evaluation_without_pushers_can_be_wired() -> None:
    from components.artifact_types import DataGateReport, IngestReport
    from components.reporter.component import Reporter

    reporter = Reporter(
        ingest_report=channel(IngestReport),
        data_gate_report=channel(DataGateReport),
        run_settings="{}",
        code_digest="d",
    )
    assert set(reporter.inputs) == {"ingest_report", "data_gate_report"}
    assert reporter.exec_properties == {"run_settings": "{}", "code_digest": "d"}
    assert set(reporter.outputs) == {"report"}


def test_the_executor_writes_a_report_of_real_artifacts(run: dict, tmp_path: Path) -> None:
    from tfx.types import standard_artifacts

    from components import artifact_types
    from components.reporter.executor import Executor

    def artifact(artifact_type, uri: Path):
        made = artifact_type()
        made.uri = str(uri)
        return [made]

    model = tmp_path / "model"
    (model / "Format-Serving").parent.mkdir(parents=True)
    (model / "Format-Serving").symlink_to(run["model"])
    pushed = artifact(standard_artifacts.PushedModel, tmp_path / "pushed")
    pushed[0].set_int_custom_property("pushed", 1)
    pushed[0].set_string_custom_property("pushed_destination", "/models/classifier/7")
    refused = artifact(standard_artifacts.PushedModel, tmp_path / "refused")
    refused[0].set_int_custom_property("pushed", 0)
    inputs = {
        "ingest_report": artifact(artifact_types.IngestReport, run["ingest_report"]),
        "data_gate_report": artifact(artifact_types.DataGateReport, run["data_gate_report"]),
        "gate_report": artifact(artifact_types.GateReport, run["gate_report"]),
        "model": artifact(standard_artifacts.Model, model),
        "predictions": artifact(standard_artifacts.Examples, run["predictions"]),
        "pushed_classifier": pushed,
        "pushed_encoder": refused,
        "finetune_run": [],
    }
    outputs = {"report": artifact(artifact_types.RunReport, tmp_path / "report")}
    settings = {"run_settings": json.dumps(run["run_settings"]), "code_digest": "abc"}
    Executor().Do(inputs, outputs, settings)
    report = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    assert report["verdict"] == "pushed"
    assert report["pushed"] == {"classifier": "/models/classifier/7", "encoder": None}
    html = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "threshold 0.4375" in html
