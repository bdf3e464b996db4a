"""Shapes of what the report reads: the other components' JSON, typed, every field optional.

A run can stop anywhere, so nothing here is required; a figure that is not finite reads as None.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Verdict = Literal["pushed", "evaluated", "not_blessed", "stopped_by_data_gate", "failed"]
NodeState = Literal["ran", "cached", "skipped", "failed"]


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_finite)]


class Part(BaseModel):
    """Base: immutable, and tolerant of keys that later versions add."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Figure(Part):
    """A metric with its patient-clustered interval."""

    value: Number = None
    lower: Number = None
    upper: Number = None
    patients: int | None = None
    examples: int | None = None


class Rule(Part):
    """One rule of the model gate, with what it saw."""

    name: str = ""
    slice: str = ""
    metric: str = ""
    value: Number = None
    lower: Number = None
    upper: Number = None
    threshold: Number = None
    status: str = "not_enough_data"
    message: str = ""


class Subgroup(Part):
    """AUC of one value of one column, in one domain."""

    domain: str = ""
    column: str = ""
    value: str = ""
    auc: Number = None
    lower: Number = None
    upper: Number = None
    patients: int | None = None
    examples: int | None = None
    status: str = ""


class Baseline(Part):
    """Paired difference to the last pushed model, by domain."""

    version: str | None = None
    difference: dict[str, Figure] = {}


class Serving(Part):
    """The load-and-call check of the exported model."""

    latency_ms: Number = None
    size_bytes: Number = None


class GatePart(Part):
    """ModelGate's verdict.json."""

    blessed: bool | None = None
    reasons: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    metrics: dict[str, dict[str, Figure]] = {}
    subgroups: tuple[Subgroup, ...] = ()
    worst_groups: dict[str, Subgroup] = {}
    delong: dict[str, Figure] = {}
    gap: Figure | None = None
    baseline: Baseline | None = None
    serving: Serving | None = None


class WorstSlice(Part):
    """A slice of the metadata against the rest of its domain."""

    domain: str = ""
    where: dict[str, str] = {}
    patients: int | None = None
    examples: int | None = None
    auc: Number = None
    rest: Number = None
    p_value: Number = None


class WorstSlices(Part):
    """The worst slices, and how many were looked at."""

    slices: tuple[WorstSlice, ...] = ()
    looked_at: int = 0
    too_small: int = 0


class ImageFigurePart(Part):
    """A domain within a part of the range of an image figure."""

    share: Number = None
    patients: int = 0
    auc: Number = None
    lower: Number = None
    upper: Number = None


class ImageFigureRange(Part):
    """A part of the range of an image figure, by domain."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    start: Number = Field(None, alias="from")
    end: Number = Field(None, alias="to")
    in_distribution: ImageFigurePart = ImageFigurePart()
    shifted: ImageFigurePart = ImageFigurePart()


class ImageFigure(Part):
    """Performance by a figure of the images."""

    figure: str = ""
    drift: Number = None
    parts: tuple[ImageFigureRange, ...] = ()


class Probe(Part):
    """What linear probes find in the embedding."""

    domain: Number = None
    label_in_distribution: Number = None
    label_shifted: Number = None
    domain_by_label_probe: Number = None
    label_by_domain_probe: Number = None
    confusion: Number = None


class ShiftPart(Part):
    """What `components.shift_analysis` found in the run's predictions."""

    worst_slices: WorstSlices = WorstSlices()
    image_figures: tuple[ImageFigure, ...] | None = None
    probes: dict[str, Probe] | None = None


class SliceMetric(Part):
    """One figure of TFMA's: a metric of an output in a slice."""

    slice: str
    output: str = ""
    metric: str
    value: Number = None


class Node(Part):
    """One node of the graph in this run."""

    name: str
    state: NodeState
    seconds: float = 0.0
