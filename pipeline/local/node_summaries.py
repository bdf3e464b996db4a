"""The most important result of each node, for its line in the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from schemas import features
from schemas.documents.data_gate import DataGateReport
from schemas.documents.gate import GateVerdict
from schemas.documents.history import TrainingHistory
from schemas.documents.ingest import IngestReport
from schemas.documents.study import CellResult, StudyMetrics


def summarize(node: str, outputs: Mapping[str, Any]) -> str:
    """One short phrase about a node's outputs, which may be empty.

    Args:
      node: The node's name.
      outputs: Its output artifacts by key.
    """
    describe = _SUMMARIES.get(node.partition("-")[0])
    if describe is None:
        return ""
    try:
        return describe(outputs)
    except (OSError, KeyError, TypeError, ValueError, IndexError):
        return ""  # The summary is optional: a malformed report must not fail the run.


def _read(artifact: Any, name: str) -> Any:
    return json.loads((Path(artifact.uri) / name).read_text(encoding="utf-8"))


def _ingest(outputs: Mapping[str, Any]) -> str:
    report = IngestReport.read(outputs["ingest_report"].uri)
    synthetic = "synthetic images" if report.synthetic else "images"
    return f"{report.kept:,} {synthetic}, {report.quarantined_count:,} quarantined"


def _data_gate(outputs: Mapping[str, Any]) -> str:
    checks = DataGateReport.read(outputs["data_gate_report"].uri).checks
    failed = [check.name.replace("_", " ") for check in checks if not check.passed]
    found = f", found but not fatal: {', '.join(failed)}" if failed else ""
    # Those that were switched off or had nothing to compare with go without saying.
    blind = [c.name.replace("_", " ") for c in checks if c.message.startswith("not checked")]
    found += f", not checked: {', '.join(blind)}" if blind else ""
    passed = len(checks) - len(failed) - len(blind)
    return f"{passed} of {len(checks)} checks passed{found}"


def _pretrainer(outputs: Mapping[str, Any]) -> str:
    history = TrainingHistory.read(outputs["model_run"].uri)
    if not history.epochs:
        return "nothing to train: the encoder is a frozen SavedModel"
    last, kept = history.epochs[-1], history.best_epoch
    probe = f", probe AUC {history.epochs[kept - 1].probe_auc:.3f} of epoch {kept}" if kept else ""
    return (
        f"{last.epoch} epochs, loss {last.loss:.3f}, "
        f"contrastive top-1 {last.contrastive_top1:.0%}{probe}{_resumed(history)}"
    )


def _tuner(outputs: Mapping[str, Any]) -> str:
    results = _read(outputs["tuner_results"], "tuner_results.json")
    best = max(results, key=lambda result: result["score"])
    return (
        f"{len(results)} candidates, best learning rate {best['learning_rate']:.3g}, weight decay "
        f"{best['weight_decay']:.3g}, score {best['score']:.3f}"
    )


def _supervised(outputs: Mapping[str, Any]) -> str:
    history = TrainingHistory.read(outputs["model_run"].uri)
    found = [e.validation_auc for e in history.epochs if e.validation_auc is not None]
    best = f", validation AUC {max(found):.3f}" if found else ""
    return f"{len(history.epochs)} epochs{best}{_resumed(history)}"


def _resumed(history: TrainingHistory) -> str:
    epoch = history.resumed_from_epoch
    return f", resumed after epoch {epoch}" if epoch else ""


def _evaluator(outputs: Mapping[str, Any]) -> str:
    blessed = outputs["blessing"].get_int_custom_property("blessed")
    return "TFMA thresholds passed" if blessed else "TFMA thresholds not passed"


def _model_gate(outputs: Mapping[str, Any]) -> str:
    verdict = GateVerdict.read(outputs["gate_report"].uri)
    figures = [
        f"AUC {name} {metric.value:.3f} ({metric.lower:.3f} to {metric.upper:.3f})"
        for name, domain in zip(("ID", "shifted"), features.DOMAINS, strict=True)
        if (metric := verdict.metrics.get(domain, {}).get("auc"))
        and metric.value is not None
        and metric.lower is not None
    ]
    return ", ".join(["blessed" if verdict.blessed else "not blessed", *figures])


def _pusher(outputs: Mapping[str, Any]) -> str:
    pushed = outputs["pushed_model"]
    if not pushed.get_int_custom_property("pushed"):
        return "not pushed"
    return f"version {pushed.get_string_custom_property('pushed_version')}"


def _cell(outputs: Mapping[str, Any]) -> str:
    cell = CellResult.read(outputs["report"].uri)
    if cell.status != "trained":
        return f"not enough labels: {cell.reason}"
    return (
        f"{cell.patients:,} patients, {cell.images:,} images, "
        f"validation AUC {cell.validation_auc:.3f}"
    )


def _study(outputs: Mapping[str, Any]) -> str:
    points = [
        point.status
        for curve in StudyMetrics.read(outputs["report"].uri).curves
        for point in curve.points
    ]
    return f"{points.count('judged')} of {len(points)} points judged"


_SUMMARIES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "ImageExampleGen": _ingest,
    "DataGate": _data_gate,
    "UpstreamExampleGen": _ingest,
    "Upstream": _supervised,
    "Pretrainer": _pretrainer,
    "FinetuneTuner": _tuner,
    "Finetuner": _supervised,
    "Evaluator": _evaluator,
    "ModelGate": _model_gate,
    "Pusher": _pusher,
    "EncoderPusher": _pusher,
    "Cell": _cell,
    "StudyReporter": _study,
}
