"""Renders the report of a run from its artifacts' folders, for the executor and stopped runs."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path

from components.reporter.page.content import Content, read_content
from components.reporter.page.page import render_card, render_page
from components.reporter.page.report_inputs import ReportInputs
from schemas.documents.gate import Metric
from schemas.documents.run import RunReport
from schemas.features import Domain

PACKAGES = (
    "tfx",
    "tensorflow",
    "keras",
    "tensorflow-data-validation",
    "tensorflow-model-analysis",
    "apache-beam",
    "numpy",
)


def render_report(out_dir: str | Path, sources: ReportInputs) -> RunReport:
    """Writes `index.html`, `model_card.md` and `report.json` from the outputs of the run.

    `shift.json` holds the analysis under shift for programs, if there are predictions.

    Args:
      out_dir: Folder to write to, created if missing.
      sources: The inputs of the report.

    Returns:
      What was written to `report.json`.

    Raises:
      InputError: Another version of this code wrote a part, or it has other fields.
    """
    content = read_content(sources, installed_versions())
    report = report_of(content)
    folder = Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(render_page(content), encoding="utf-8")
    (folder / "model_card.md").write_text(render_card(content), encoding="utf-8")
    report.write(folder)
    if content.shift is not None:
        content.shift.write(folder)
    return report


def report_of(content: Content) -> RunReport:
    """The entries that the runner merges into summary.json."""
    return RunReport(
        verdict=content.verdict,
        reasons=content.reasons,
        blessed=content.gate.blessed if content.gate else None,
        metrics=_metrics(content),
        pushed=content.pushed,
        quarantined=content.ingest.quarantined_count if content.ingest else 0,
    )


def _metrics(content: Content) -> dict[Domain, dict[str, Metric]]:
    """Metrics without what their intervals rest on, which the verdict has."""
    found = content.gate.metrics if content.gate else {}
    return {
        domain: {
            name: Metric(**one.model_dump(include=set(Metric.model_fields)))
            for name, one in metrics.items()
        }
        for domain, metrics in found.items()
    }


def installed_versions() -> dict[str, str]:
    """Versions of Python and of packages that affect results, without importing them."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
