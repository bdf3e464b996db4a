"""What a cell is, and the files that it leaves."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from components.label_efficiency.cell.settings import Arm, Candidate
from trainer_modules.settings import Settings

CELL_FILE = "cell.json"
TABLE_FILE = "predictions.parquet"
WEIGHTS_FILE = "weights.npz"
SPLIT_COLUMN = "split"

TRAINED, NOT_ENOUGH_LABELS = "trained", "not_enough_labels"


class Cell(Settings):
    """Which cell: without `shifted_fraction` its model has seen in-distribution labels only.

    With it, training goes on from the cell of all in-distribution labels, on shifted ones.
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


class Tried(BaseModel):
    """A candidate of the search and what it gave on in-distribution validation."""

    candidate: Candidate
    validation_auc: float | None


class CellResult(BaseModel):
    """The content of cell.json."""

    model_config = ConfigDict(extra="forbid")

    cell: Cell
    status: Literal["trained", "not_enough_labels"]
    reason: str = ""
    patients: int = Field(0, description="that the labels of this cell come from")
    images: int = 0
    chosen: Candidate | None = None
    search: list[Tried] = []
    validation_auc: float | None = None
    seconds: float = 0.0
