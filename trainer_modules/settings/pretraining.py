"""Settings of the trainings before finetuning: upstream and SimCLR."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from trainer_modules.settings.base import Settings
from trainer_modules.settings.training import (
    BATCH_SIZE,
    EPOCHS,
    PRECISION,
    OptimizerSettings,
    Precision,
)
from trainer_modules.settings.views import AugmentSettings


class UpstreamTraining(Settings):
    """Supervised training on labeled natural images: step 1 of REMEDIS, if no weights are given.

    The defaults are BiT's recipe: SGD with momentum at 0.03 * batch / 256, cosine decay, random
    crops of any size and flips (google-research/big_vision, configs/bit_i21k.py).
    """

    epochs: int = Field(90, ge=1, description=EPOCHS)
    batch_size: int = Field(256, ge=1, description=BATCH_SIZE)
    image_size: int = Field(0, ge=0, le=2048, description="side of a view; 0: model.image_size")
    optimizer: OptimizerSettings = OptimizerSettings(
        name="sgd", learning_rate=0.03, scaling="linear", weight_decay=1e-4, warmup_epochs=5
    )
    augment: AugmentSettings = AugmentSettings(
        crop_area=(0.05, 1.0),
        jitter_probability=0.0,
        grayscale_probability=0.0,
        blur_probability=0.0,
    )
    precision: Precision = Field("float32", description=PRECISION)

    @model_validator(mode="after")
    def _large_enough(self) -> Self:
        if 0 < self.image_size < 32:
            raise ValueError(f"image_size {self.image_size}: 32 or more, or 0 for model.image_size")
        return self


class PretrainSettings(Settings):
    """SimCLR pretraining on images without labels."""

    epochs: int = Field(100, ge=1, description=EPOCHS)
    batch_size: int = Field(256, ge=2, description=BATCH_SIZE)
    micro_batch: int = Field(
        0,
        ge=0,
        description="images that a device computes at once, for less memory and equal results; "
        "0: all",
    )
    temperature: float = Field(
        0.1,
        gt=0,
        description="temperature of the contrastive loss; lower values stress similar negatives",
    )
    projection_layers: Literal[0, 1, 2, 3] = Field(
        2, description="layers of the projection head; 0: no head; 1: linear"
    )
    projection_dim: int = Field(128, ge=2, description="outputs of the projection head")
    optimizer: OptimizerSettings = OptimizerSettings()
    augment: AugmentSettings = AugmentSettings()
    splits: tuple[Literal["unlabeled", "train"], ...] = Field(
        ("unlabeled", "train"), min_length=1, description="splits whose images are used"
    )
    pairs: Literal["view", "patient"] = Field(
        "view",
        description="a positive pair. view: two views of one image; patient (MICLe): views of two "
        "images of a patient, or of the only one; an epoch then sees each patient once",
    )
    precision: Precision = Field("float32", description=PRECISION)
    probe_epochs: int = Field(
        10, ge=0, description="epochs between linear probes on validation; 0: only after the last"
    )
