"""The report of a run, from its artifacts' folders: for the executor, and for runs that stop."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components.reporter.content import Content, Source, read_content
from components.reporter.page import render_card, render_page

PACKAGES = (
    "tfx",
    "tensorflow",
    "keras",
    "tensorflow-data-validation",
    "tensorflow-model-analysis",
    "apache-beam",
    "numpy",
)


def render_report(
    out_dir: str | Path,
    *,
    ingest_report: Source = None,
    data_gate_report: Source = None,
    pretrain_run: str | Path | None = None,
    finetune_run: str | Path | None = None,
    model: str | Path | None = None,
    evaluation: Sequence[Mapping[str, Any]] | None = None,
    predictions: str | Path | None = None,
    gate_report: Source = None,
    pushed_classifier: str | None = None,
    pushed_encoder: str | None = None,
    run_settings: Mapping[str, Any],
    code_digest: str = "",
    nodes: Sequence[Mapping[str, Any]] | None = None,
    failure: str | None = None,
) -> dict[str, Any]:
    """Writes `index.html`, `model_card.md` and `report.json` from whatever the run has made.

    Args:
      out_dir: Folder to write to, made if need be.
      ingest_report: Folder of the IngestReport, or its report.json as a mapping.
      data_gate_report: Folder of the DataGateReport, or the report that DataGateStopped carries.
      pretrain_run: Folder of the Pretrainer's ModelRun.
      finetune_run: Folder of the Finetuner's ModelRun.
      model: Folder of the classifier's SavedModel (its card.json is read, never the model).
      evaluation: TFMA's figures as rows {slice, output, metric, value} (`tfma_slices`).
      predictions: Folder of the Predictor's Examples (its predictions.parquet is read).
      gate_report: Folder of the GateReport, or its verdict.json as a mapping.
      pushed_classifier: Where the classifier was pushed, None when it was not.
      pushed_encoder: Where the encoder was pushed, None when it was not.
      run_settings: The whole resolved configuration.
      code_digest: Digest of the reporter's code, shown as lineage.
      nodes: {name, state, seconds} of the nodes of this run, when the runner knows them.
      failure: Why the run failed, in plain words; None when it did not fail.

    Returns:
      What was written to `report.json`: verdict, reasons, blessed, metrics, pushed, quarantined.
    """
    content = read_content(
        ingest_report=ingest_report,
        data_gate_report=data_gate_report,
        pretrain_run=pretrain_run,
        finetune_run=finetune_run,
        model=model,
        evaluation=evaluation,
        predictions=predictions,
        gate_report=gate_report,
        pushed_classifier=pushed_classifier,
        pushed_encoder=pushed_encoder,
        run_settings=run_settings,
        versions=installed_versions(),
        code_digest=code_digest,
        nodes=nodes,
        failure=failure,
    )
    report = report_of(content)
    folder = Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(render_page(content), encoding="utf-8")
    (folder / "model_card.md").write_text(render_card(content), encoding="utf-8")
    (folder / "report.json").write_text(
        json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8"
    )
    return report


def report_of(content: Content) -> dict[str, Any]:
    """The figures that the runner merges into summary.json."""
    gate = content.gate
    return {
        "verdict": content.verdict,
        "reasons": list(content.reasons),
        "blessed": gate.blessed if gate else None,
        "metrics": {
            domain: {name: figure.model_dump() for name, figure in figures.items()}
            for domain, figures in (gate.metrics if gate else {}).items()
        },
        "pushed": {name: content.pushed.get(name) for name in ("classifier", "encoder")},
        "quarantined": content.ingest.quarantined_count if content.ingest else 0,
    }


def installed_versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a result; nothing is imported."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
