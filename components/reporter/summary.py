"""summary.json: what one run did, in the shape that other programs rely on."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from components.reporter.page.parts import Figure, Node, Verdict


class Pushed(BaseModel):
    """Where the models went; None: not pushed."""

    model_config = ConfigDict(extra="forbid")

    classifier: str | None = None
    encoder: str | None = None


class Metrics(BaseModel):
    """Figures by name, `auc` among them once a model was judged."""

    model_config = ConfigDict(extra="forbid")

    in_distribution: dict[str, Figure] = {}
    shifted: dict[str, Figure] = {}


class Summary(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid")

    run_id: str
    preset: str
    verdict: Verdict
    reasons: list[str]
    nodes: list[Node]
    metrics: Metrics
    pushed: Pushed
    quarantined: int = Field(ge=0)
    versions: dict[str, str]
    config: str


def build_summary(
    *,
    run_id: str,
    preset: str,
    nodes: Sequence[Mapping[str, Any]],
    versions: Mapping[str, str],
    config: str,
    report: Mapping[str, Any],
) -> dict[str, Any]:
    """Joins what the runner knows with what the reporter found.

    Args:
      run_id: Name of the run.
      preset: Preset or configuration file that the run started from.
      nodes: {name, state, seconds} of each node, in order.
      versions: Versions of Python and packages (`render.installed_versions`).
      config: Path of the resolved configuration.
      report: What `render_report` returned (also the content of report.json).

    Raises:
      pydantic.ValidationError: A verdict, node state or figure outside the shape.
    """
    summary = Summary(
        run_id=run_id,
        preset=preset,
        verdict=report["verdict"],
        reasons=list(report["reasons"]),
        nodes=[Node.model_validate(dict(node)) for node in nodes],
        metrics=Metrics.model_validate(dict(report["metrics"])),
        pushed=Pushed.model_validate(dict(report["pushed"])),
        quarantined=report["quarantined"],
        versions=dict(versions),
        config=config,
    )
    return summary.model_dump(mode="json")


def write_summary(path: str | Path, summary: Mapping[str, Any]) -> None:
    """Checks the shape and writes the file in one step: a reader never sees half of it."""
    text = Summary.model_validate(dict(summary)).model_dump_json(indent=2) + "\n"
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        # mkstemp makes files private; a summary is for everyone who may read the folder.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
