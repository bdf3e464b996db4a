"""history.json: a trainer's metrics, epoch by epoch. Written by the training loop."""

from __future__ import annotations

from typing import ClassVar, Literal

from schemas.documents.document import Document, Number, Sparse

# `validation_loss` is on validation examples what `loss` is on training examples.
VALIDATION = "validation_"


class Epoch(Sparse):
    """One epoch. Metrics that were not measured are absent; undefined ones are null."""

    epoch: int
    loss: Number
    contrastive_top1: Number = None
    entropy: Number = None
    learning_rate: Number
    seconds: float
    images_per_second: float
    validation_auc: Number = None
    validation_pr_auc: Number = None
    validation_loss: Number = None
    validation_accuracy: Number = None
    probe_auc: Number = None
    neighbour_auc: Number = None

    @property
    def metrics(self) -> dict[str, float | None]:
        """The metrics of the network, without the epoch's number and speed."""
        speed = ("epoch", "seconds", "images_per_second")
        return {name: getattr(self, name) for name in self.given() if name not in speed}


class TrainingHistory(Document):
    """A whole training. Without any epoch, there was nothing to train."""

    FILE: ClassVar[str] = "history.json"

    version: Literal[1] = 1
    stage: str
    epochs: tuple[Epoch, ...]
    resumed_from_epoch: int | None
    parameters: int
    best_epoch: int | None
