"""summary.json: what one run did, in the shape that other programs rely on."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from components.reporter.parts import Figure, Node, Verdict


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
    verdict: str,
    reasons: Sequence[str],
    nodes: Sequence[Mapping[str, Any]],
    metrics: Mapping[str, Any],
    pushed: Mapping[str, str | None],
    quarantined: int,
    versions: Mapping[str, str],
    config: str,
) -> dict[str, Any]:
    """Joins what the runner knows with the figures of report.json, and checks the shape.

    Args:
      run_id: Name of the run.
      preset: Name of the configuration that the run started from.
      verdict: One of the five of `parts.Verdict`.
      reasons: Why, in plain words.
      nodes: {name, state, seconds} of each node, in order.
      metrics: {in_distribution, shifted}, as in report.json; empty before evaluation.
      pushed: Where `classifier` and `encoder` went, None: not pushed.
      quarantined: Number of images left out.
      versions: Versions of Python and packages.
      config: Path of the resolved configuration.

    Raises:
      pydantic.ValidationError: A verdict, node state or figure outside the shape.
    """
    given = {
        "run_id": run_id,
        "preset": preset,
        "verdict": verdict,
        "reasons": list(reasons),
        "nodes": [dict(node) for node in nodes],
        "metrics": dict(metrics),
        "pushed": dict(pushed),
        "quarantined": quarantined,
        "versions": dict(versions),
        "config": config,
    }
    return Summary.model_validate(given).model_dump(mode="json")


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
