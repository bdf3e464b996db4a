"""Settings of finetuning, and of the search before it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from trainer_modules.settings.base import Settings
from trainer_modules.settings.training import (
    BATCH_SIZE,
    EPOCHS,
    PRECISION,
    OptimizerSettings,
    Precision,
)
from trainer_modules.settings.views import AugmentSettings


class OperatingPointSettings(Settings):
    """How the decision threshold of each target is chosen on the validation split.

    Without effect on a multiclass task: the class of the highest probability is called.
    """

    rule: Literal["youden", "sensitivity", "specificity"] = Field(
        "youden",
        description="youden: largest sensitivity plus specificity; else: `at_least` of that one, "
        "and as much as possible of the other",
    )
    at_least: float = Field(
        0.9, gt=0, lt=1, description="the sensitivity or specificity that `rule` asks for"
    )


class SearchSettings(Settings):
    """Search of learning rate and weight decay before finetuning (TFX Tuner).

    Every candidate is finetuned on the train split and ranked, as epochs are, on the
    in-distribution validation split. The default grid is attributed to arXiv 2101.05224, but
    was not checked against the paper.
    """

    enabled: bool = Field(False, description="true: search before finetuning")
    learning_rates: tuple[PositiveFloat, ...] = Field(
        tuple(10 ** (-3.5 + 0.5 * step) for step in range(7)),
        min_length=1,
        description="candidates; default: 7 values, log-spaced from 10^-3.5 to 10^-0.5",
    )
    weight_decays: tuple[NonNegativeFloat, ...] = Field(
        (0.0, 1e-5, 1e-4, 1e-3), min_length=1, description="candidates, with every learning rate"
    )
    trials: int = Field(0, ge=0, description="candidates drawn from the grid; 0: all of them")
    epochs: int = Field(
        0, ge=0, description="epochs of each candidate (explicit recipe); 0: as in finetuning"
    )

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        for name in ("learning_rates", "weight_decays"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"search.{name} {values}: give every value once")
        grid = len(self.learning_rates) * len(self.weight_decays)
        if self.trials > grid:
            raise ValueError(f"search.trials {self.trials}: the grid has {grid} candidates")
        return self


class FinetuneSettings(Settings):
    """Supervised finetuning from the pretrained encoder.

    With `recipe: bit_hyperrule`, the size of the training set decides epochs, batch size,
    optimizer, learning-rate schedule and mixup; the settings of the same names are then ignored.
    """

    mode: Literal["full", "after_block", "linear_probe"] = Field(
        "full",
        description="what is trained. full: everything; after_block: the blocks after "
        "`after_block`, and the head; linear_probe: the head alone",
    )
    after_block: int | None = Field(
        None, ge=0, description="root and blocks 1 to this one stay as pretrained; 0: only the root"
    )
    recipe: Literal["explicit", "bit_hyperrule"] = Field(
        "explicit",
        description="explicit: the settings below; bit_hyperrule: BiT-HyperRule's, by the number "
        "of training images",
    )
    resolution: Literal["model", "bit_hyperrule"] = Field(
        "model", description="model: model.image_size; bit_hyperrule: by the size of the images"
    )
    epochs: int = Field(30, ge=1, description=EPOCHS)
    batch_size: int = Field(128, ge=1, description=BATCH_SIZE)
    optimizer: OptimizerSettings = OptimizerSettings(
        name="sgd", learning_rate=0.003, scaling="none", weight_decay=0.0, warmup_epochs=1
    )
    layer_decay: float = Field(
        1.0, gt=0, le=1, description="factor on the learning rate for each layer away from the head"
    )
    mixup: float = Field(0.0, ge=0, description="alpha of mixup's Beta distribution; 0: none")
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="balanced: the classes of each label have equal weight in the loss"
    )
    augment: AugmentSettings = AugmentSettings(
        crop_area=(0.5, 1.0),
        jitter_probability=0.0,
        grayscale_probability=0.0,
        blur_probability=0.0,
    )
    label_fraction: float = Field(
        1.0, gt=0, le=1, description="fraction of the training patients whose labels are used"
    )
    select_by: Literal["auc", "pr_auc", "loss"] = Field(
        "auc", description="validation metric that chooses the best epoch and ranks candidates"
    )
    early_stopping_epochs: int = Field(
        0, ge=0, description="stop after this many epochs without improvement; 0: never"
    )
    calibration: Literal["none", "temperature", "vector"] = Field(
        "temperature",
        description="fitted on validation. temperature: one scale; vector: a scale and an offset "
        "per target",
    )
    operating_point: OperatingPointSettings = OperatingPointSettings()
    search: SearchSettings = SearchSettings()
    precision: Precision = Field("float32", description=PRECISION)

    @model_validator(mode="after")
    def _block_given(self) -> Self:
        if (self.mode == "after_block") != (self.after_block is not None):
            raise ValueError(
                f"mode '{self.mode}' with after_block {self.after_block}: mode 'after_block' needs "
                "the number of the last frozen block, the other modes take none"
            )
        return self
