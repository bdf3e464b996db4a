"""Typed, immutable settings of the task, the backbone and the two trainers.

Free of TensorFlow: `pipeline.config.config` composes these models, and `run_fn` rebuilds them
from the JSON that the TFX Trainer passes in `custom_config`.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    model_validator,
)

from trainer_modules.settings.merge import over_defaults

# Slightly more than ImageNet-21k has. A column with more names does not hold classes.
MOST_CLASSES = 25_000
MICRO_BATCH = "images that a device computes at once, for less memory and equal results; 0: all"


class Settings(BaseModel):
    """Base of every settings section: immutable, and an unknown key is an error.

    A nested section that is given in part keeps the rest of its field's own default, where
    pydantic alone would take the defaults of the section's class.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _merge_into_defaults(cls, given: Any) -> Any:
        return over_defaults(cls, given)


class TaskSettings(Settings):
    """What is predicted.

    `binary` and `multilabel`: each name in `labels` is a 0/1 column (-1 uncertain, empty unknown).
    `multiclass`: `labels` holds one column, whose values are the names in `classes`.
    """

    kind: Literal["binary", "multilabel", "multiclass"] = "binary"
    labels: tuple[str, ...] = Field(min_length=1)
    classes: tuple[str, ...] = ()
    uncertain: Literal["ignore", "zeros", "ones"] = "ignore"
    uncertain_by_label: dict[str, Literal["ignore", "zeros", "ones"]] = Field(
        {}, description="for labels that differ from `uncertain`"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.kind != "multilabel" and len(self.labels) != 1:
            raise ValueError(f"a {self.kind} task has one label column, received {self.labels}")
        if self.kind == "multiclass" and len(self.classes) < 2:
            raise ValueError("a multiclass task names its classes (2 or more) in task.classes")
        if len(self.classes) > MOST_CLASSES:
            raise ValueError(
                f"task.classes names {len(self.classes)} classes, at most {MOST_CLASSES} may be"
            )
        if self.kind != "multiclass" and self.classes:
            raise ValueError(f"task.classes belongs to multiclass tasks, not to {self.kind}")
        for name in self.uncertain_by_label:
            if name not in self.labels:
                raise ValueError(f"uncertain_by_label names '{name}', which is not in task.labels")
        return self

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the model's outputs: the classes of a multiclass task, else the labels."""
        return self.classes or self.labels


class InitSettings(Settings):
    """Where the backbone's first weights come from."""

    source: Literal["random", "bit_npz", "encoder", "saved_model"] = "random"
    path: str = ""
    sha256: str = Field("", pattern=r"^([0-9a-f]{64})?$")

    @model_validator(mode="after")
    def _path_given(self) -> Self:
        if (self.source == "random") != (self.path == ""):
            raise ValueError(
                f"source '{self.source}' with path '{self.path}': 'random' takes no path, "
                "'bit_npz' (a BiT .npz file), 'encoder' (weights of an earlier run) and "
                "'saved_model' (the folder of a BiT or REMEDIS SavedModel) need one"
            )
        return self


class ModelSettings(Settings):
    """The backbone. Depth and width name a published network; `units` describes your own.

    `bit` is BiT ResNet-v2 (GroupNorm, weight standardization; arXiv 1912.11370), depth 50, 101,
    152. `simclr` is the SimCLR ResNet (BatchNorm), depth 18, 34, 50, 101, 152. `saved_model` is the
    SavedModel at `init.path` itself, called on images and never trained.
    """

    family: Literal["bit", "simclr", "saved_model"] = "bit"
    depth: Literal[18, 34, 50, 101, 152] = 50
    width: int = Field(1, ge=1, le=8)
    units: tuple[int, ...] = Field((), max_length=4, description="units per block; overrides depth")
    root_filters: int = Field(64, ge=8, multiple_of=8)
    stem: Literal["imagenet", "cifar"] = "imagenet"
    image_size: int = Field(224, ge=32, le=2048)
    channels: Literal[3] = 3
    serving_precision: Literal["float32", "mixed_bfloat16"] = Field(
        "float32",
        description="of the exported models, whatever they were trained in; mixed_bfloat16 is "
        "faster on processors that multiply it, and keeps two to three digits of a feature",
    )
    init: InitSettings = InitSettings()

    @model_validator(mode="after")
    def _known_depth(self) -> Self:
        if self.family == "bit" and not self.units and self.depth not in (50, 101, 152):
            raise ValueError(f"model.depth {self.depth}: BiT has 50, 101 and 152")
        if self.family == "saved_model" and self.init.source != "saved_model":
            raise ValueError(
                f"family 'saved_model' with init.source '{self.init.source}': it is the SavedModel "
                "that init names, so init.source=saved_model and init.path=FOLDER are needed"
            )
        if self.family == "saved_model" and self.serving_precision != "float32":
            raise ValueError(
                f"serving_precision '{self.serving_precision}' with family 'saved_model': a "
                "SavedModel computes as it was exported; leave it at float32"
            )
        if any(unit < 1 for unit in self.units):
            raise ValueError(f"model.units {self.units}: every block needs at least one unit")
        return self

    @property
    def blocks(self) -> int:
        """How many blocks of units the backbone has."""
        return len(self.units) or 4


class AugmentSettings(Settings):
    """Random views of one image (method: SimCLR appendix A; REMEDIS adds equalize and elastic).

    A probability or a range of 0 disables an operation. The order is
    equalize, elastic, rotation, crop, flip, stain, color jitter, grayscale, blur.
    """

    equalize_probability: float = Field(0.0, ge=0, le=1)
    elastic_probability: float = Field(0.0, ge=0, le=1)
    elastic_alpha: float = Field(0.0, ge=0, description="root mean square displacement, pixels")
    elastic_sigma: float = Field(4.0, gt=0, description="smoothing of the field, pixels")
    rotation_degrees: float = Field(0.0, ge=0, le=180)
    crop_area: tuple[float, float] | None = (0.08, 1.0)
    crop_aspect: tuple[float, float] = (3 / 4, 4 / 3)
    flip_probability: float = Field(0.5, ge=0, le=1)
    stain: float = Field(0.0, ge=0, lt=1, description="H&E stain jitter; colors gray images")
    jitter_probability: float = Field(0.8, ge=0, le=1)
    brightness: float = Field(0.8, ge=0, lt=1)
    contrast: float = Field(0.8, ge=0, lt=1)
    saturation: float = Field(0.8, ge=0, lt=1)
    hue: float = Field(0.2, ge=0, le=0.5)
    grayscale_probability: float = Field(0.2, ge=0, le=1)
    blur_probability: float = Field(0.5, ge=0, le=1)
    blur_sigma: tuple[float, float] = (0.1, 2.0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name in ("crop_area", "crop_aspect", "blur_sigma"):
            bounds = getattr(self, name)
            if bounds is not None and not 0 < bounds[0] <= bounds[1]:
                raise ValueError(f"{name} {bounds}: give (low, high) with 0 < low <= high")
        if self.crop_area is not None and self.crop_area[1] > 1:
            raise ValueError(f"crop_area {self.crop_area}: a fraction of the image, at most 1")
        return self


class OptimizerSettings(Settings):
    """Optimizer and learning-rate schedule: linear warm-up, then cosine to zero or constant."""

    name: Literal["lars", "sgd", "adamw"] = "lars"
    learning_rate: float = Field(0.3, gt=0)
    scaling: Literal["none", "linear", "sqrt"] = Field(
        "linear", description="linear: lr * batch / 256; sqrt: lr * sqrt(batch)"
    )
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(1e-6, ge=0)
    warmup_epochs: float = Field(10.0, ge=0)
    schedule: Literal["cosine", "constant"] = "cosine"


class UpstreamTraining(Settings):
    """Supervised training on labeled natural images: step 1 of REMEDIS, if no weights are given.

    The defaults are BiT's recipe: SGD with momentum at 0.03 * batch / 256, cosine decay, random
    crops of any size and flips (google-research/big_vision, configs/bit_i21k.py).
    """

    epochs: int = Field(90, ge=1)
    batch_size: int = Field(256, ge=1)
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
    precision: Literal["float32", "mixed_bfloat16", "auto"] = "float32"

    @model_validator(mode="after")
    def _large_enough(self) -> Self:
        if 0 < self.image_size < 32:
            raise ValueError(f"image_size {self.image_size}: 32 or more, or 0 for model.image_size")
        return self


class PretrainSettings(Settings):
    """SimCLR pretraining on images without labels."""

    epochs: int = Field(100, ge=1)
    batch_size: int = Field(256, ge=2)
    micro_batch: int = Field(0, ge=0, description=MICRO_BATCH)
    temperature: float = Field(0.1, gt=0)
    projection_layers: Literal[0, 1, 2, 3] = Field(2, description="0: no head; 1: linear")
    projection_dim: int = Field(128, ge=2)
    optimizer: OptimizerSettings = OptimizerSettings()
    augment: AugmentSettings = AugmentSettings()
    splits: tuple[Literal["unlabeled", "train"], ...] = Field(("unlabeled", "train"), min_length=1)
    pairs: Literal["view", "patient"] = Field(
        "view",
        description="what a positive pair is. view: two views of one image; patient (MICLe): views "
        "of two images of a patient, or of the one image; an epoch then sees each patient once",
    )
    precision: Literal["float32", "mixed_bfloat16", "auto"] = "float32"
    probe_epochs: int = Field(
        10, ge=0, description="linear probe on validation every so many epochs; 0: after the last"
    )


class DistributionSettings(Settings):
    """Which devices train together. `auto`: those of TF_CONFIG's processes, else all GPUs, or one.

    The batch is divided among the replicas, so their number affects results only by rounding.
    """

    strategy: Literal["auto", "one_device", "mirrored", "multi_worker", "tpu"] = "auto"
    gpus: int = Field(0, ge=0, description="mirrored: how many GPUs; 0: all of the machine")
    tpu: str = Field("", description="tpu: its name, its grpc:// address, or 'local'")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.gpus and self.strategy != "mirrored":
            raise ValueError(
                f"distribution.gpus={self.gpus} belongs to strategy 'mirrored', not to "
                f"'{self.strategy}'"
            )
        if (self.strategy == "tpu") != bool(self.tpu):
            raise ValueError(
                f"distribution.tpu='{self.tpu}' with strategy '{self.strategy}': 'tpu' needs a "
                "name, the others take none"
            )
        return self


class OperatingPointSettings(Settings):
    """How the decision threshold of each target is chosen on the validation split."""

    rule: Literal["youden", "sensitivity", "specificity"] = "youden"
    at_least: float = Field(0.9, gt=0, lt=1, description="for sensitivity and specificity")


class SearchSettings(Settings):
    """Search of learning rate and weight decay before finetuning (TFX Tuner).

    Every candidate is finetuned on the train split and ranked, as epochs are, on the
    in-distribution validation split. The default grid is attributed to arXiv 2101.05224, but
    was not checked against the paper.
    """

    enabled: bool = False
    learning_rates: tuple[PositiveFloat, ...] = Field(
        tuple(10 ** (-3.5 + 0.5 * step) for step in range(7)),
        min_length=1,
        description="7 values, log-spaced from 10^-3.5 to 10^-0.5",
    )
    weight_decays: tuple[NonNegativeFloat, ...] = Field((0.0, 1e-5, 1e-4, 1e-3), min_length=1)
    trials: int = Field(0, ge=0, description="candidates, drawn from the grid; 0: all of it")
    epochs: int = Field(
        0, ge=0, description="of each candidate (explicit recipe); 0: as many as finetuning"
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

    mode: Literal["full", "after_block", "linear_probe"] = "full"
    after_block: int | None = Field(
        None, ge=0, description="k: root and blocks 1 to k stay as pretrained; 0: only the root"
    )
    recipe: Literal["explicit", "bit_hyperrule"] = "explicit"
    resolution: Literal["model", "bit_hyperrule"] = Field(
        "model", description="model: model.image_size; bit_hyperrule: by the size of the images"
    )
    epochs: int = Field(30, ge=1)
    batch_size: int = Field(128, ge=1)
    optimizer: OptimizerSettings = OptimizerSettings(
        name="sgd", learning_rate=0.003, scaling="none", weight_decay=0.0, warmup_epochs=1
    )
    layer_decay: float = Field(
        1.0, gt=0, le=1, description="factor of the learning rate for each layer away from the head"
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
    label_fraction: float = Field(1.0, gt=0, le=1, description="fraction of training patients")
    select_by: Literal["auc", "pr_auc", "loss"] = Field(
        "auc",
        description="validation metric that selects the best epoch and candidate",
    )
    early_stopping_epochs: int = Field(0, ge=0, description="0: train every epoch")
    calibration: Literal["none", "temperature", "vector"] = Field(
        "temperature", description="fitted on validation; vector: a scale and an offset per target"
    )
    operating_point: OperatingPointSettings = OperatingPointSettings()
    search: SearchSettings = SearchSettings()
    precision: Literal["float32", "mixed_bfloat16", "auto"] = "float32"

    @model_validator(mode="after")
    def _block_given(self) -> Self:
        if (self.mode == "after_block") != (self.after_block is not None):
            raise ValueError(
                f"mode '{self.mode}' with after_block {self.after_block}: mode 'after_block' needs "
                "the number of the last frozen block, the other modes take none"
            )
        return self
