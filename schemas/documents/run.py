"""Files of a run: report.json of the reporters, summary.json for programs, and its marker."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from schemas.documents.document import Document, Part
from schemas.documents.gate import Metric
from schemas.features import Domain

Verdict = Literal[
    "pushed", "evaluated", "not_blessed", "inconclusive", "stopped_by_data_gate", "failed"
]


class Node(Part):
    """One node of the graph in a run."""

    name: str
    state: Literal["ran", "cached", "skipped", "failed"]
    seconds: float


class Pushed(Part):
    """Destinations of the models; null: not pushed."""

    classifier: str | None
    encoder: str | None


class RunReport(Document):
    """The metrics that the runner merges into summary.json; `blessed` is null without a gate."""

    FILE: ClassVar[str] = "report.json"

    version: Literal[1] = 1
    verdict: Verdict
    reasons: tuple[str, ...]
    blessed: bool | None
    metrics: dict[Domain, dict[str, Metric]]
    pushed: Pushed
    quarantined: int = Field(ge=0)


class Metrics(Part):
    """Metrics by name, `auc` among them once a model was judged."""

    in_distribution: dict[str, Metric]
    shifted: dict[str, Metric]


class Summary(Document):
    """Results of one run, in the form that other programs rely on."""

    FILE: ClassVar[str] = "summary.json"

    version: Literal[1] = 1
    run_id: str
    preset: str
    verdict: Verdict
    reasons: tuple[str, ...]
    nodes: tuple[Node, ...]
    metrics: Metrics
    pushed: Pushed
    quarantined: int = Field(ge=0)
    versions: dict[str, str]
    config: str


class RunMarker(Document):
    """Marks the folder of a run, so that no run writes into any other folder.

    Attributes:
        pipeline: Name of the first run's pipeline; later runs may have others.
        created: When the folder was marked, with its time zone.
        adopted: Whether an earlier version, without markers, made the folder.
    """

    FILE: ClassVar[str] = ".remedis-run"

    version: Literal[1] = 1
    pipeline: str
    created: str
    adopted: bool
