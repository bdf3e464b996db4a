"""The report of a run, from its artifacts' folders: for the executor, and for runs that stop."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from pathlib import Path
from typing import Any

from components.reporter.page.content import Content, read_content
from components.reporter.page.page import render_card, render_page
from components.reporter.page.sources import Sources

PACKAGES = (
    "tfx",
    "tensorflow",
    "keras",
    "tensorflow-data-validation",
    "tensorflow-model-analysis",
    "apache-beam",
    "numpy",
)


def render_report(out_dir: str | Path, sources: Sources) -> dict[str, Any]:
    """Writes `index.html`, `model_card.md` and `report.json` from whatever the run has made.

    `shift.json` holds the analysis under shift for programs, where there are predictions.

    Args:
      out_dir: Folder to write to, made if need be.
      sources: Where the parts of the report lie.

    Returns:
      What was written to `report.json`: verdict, reasons, blessed, metrics, pushed, quarantined.
    """
    content = read_content(sources, installed_versions())
    report = report_of(content)
    folder = Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(render_page(content), encoding="utf-8")
    (folder / "model_card.md").write_text(render_card(content), encoding="utf-8")
    (folder / "report.json").write_text(
        json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8"
    )
    if content.shift is not None:
        text = content.shift.model_dump_json(indent=2, by_alias=True)
        (folder / "shift.json").write_text(text + "\n", encoding="utf-8")
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
