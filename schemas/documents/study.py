"""Output of the label-efficiency study: cell.json of each cell, and study.json of all."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from schemas.documents.document import Document, Number, Part

Arm = Literal["remedis", "bit", "random"]


class Candidate(Part):
    """A candidate of the search."""

    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)


class Cell(Part):
    """Identity of a cell: without `shifted_fraction`, its model saw only in-distribution labels.

    With it, training continues from the cell of all in-distribution labels on shifted ones.
    """

    arm: Arm
    seed: int
    fraction: float = 1.0
    shifted_fraction: float | None = None

    @property
    def name(self) -> str:
        """A node id."""
        share = self.fraction if self.shifted_fraction is None else self.shifted_fraction
        what = "labels" if self.shifted_fraction is None else "shifted"
        percent = f"{100 * share:g}".replace(".", "_")
        return f"Cell-{self.arm}-{what}{percent}pct-seed{self.seed}"


class Tried(Part):
    """A candidate of the search and its AUC on in-distribution validation."""

    candidate: Candidate
    validation_auc: Number


class CellResult(Document):
    """One cell; `patients` and `images` are those with the labels it uses."""

    FILE: ClassVar[str] = "cell.json"

    version: Literal[1] = 1
    cell: Cell
    status: Literal["trained", "not_enough_labels"]
    reason: str
    patients: int
    images: int
    chosen: Candidate | None = None
    search: tuple[Tried, ...] = ()
    validation_auc: Number = None
    seconds: float


class Point(Part):
    """An arm at a fraction of the labels; `status` tells why a value is missing."""

    arm: Arm
    fraction: float
    status: Literal["judged", "not_enough_labels", "not_enough_data"]
    reason: str
    value: Number
    lower: Number
    upper: Number
    by_seed: dict[int, Number]
    trained_patients: tuple[int, int]
    trained_images: tuple[int, int]
    patients: int
    images: int


class Curve(Part):
    """The points of all arms."""

    name: str
    points: tuple[Point, ...]


class Difference(Part):
    """A paired difference with its interval.

    `excluded`: fraction of the resamples on which it was undefined; `by_class`: patients with a
    record of each class; `effective`: how many patients of one record each would say as much.
    """

    value: Number
    lower: Number
    upper: Number
    patients: int
    examples: int
    excluded: Number
    by_class: dict[str, int] = Field(default_factory=dict)
    effective: Number = None


class Comparison(Part):
    """REMEDIS at a fraction minus the baseline at all labels."""

    fraction: float
    difference: Difference


class Headline(Part):
    """The answer for one curve, and the same as a sentence."""

    sentence: str
    curve: str
    baseline: Arm
    baseline_value: Number
    status: Literal["reached", "not_reached", "not_enough_data"]
    fraction: float | None
    sure_fraction: float | None
    comparisons: tuple[Comparison, ...]


class StudyMetrics(Document):
    """Every metric of a study; `settings` holds its settings."""

    FILE: ClassVar[str] = "study.json"

    version: Literal[1] = 1
    synthetic: bool
    headlines: tuple[Headline, ...]
    curves: tuple[Curve, ...]
    left_out: dict[str, str]
    settings: dict[str, Any]
    cells: tuple[CellResult, ...]
    versions: dict[str, str]
