"""Settings of the task and the backbone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from trainer_modules.settings import families
from trainer_modules.settings.base import Settings, refuse_incomplete

# Slightly more than ImageNet-21k has. A column with more names does not hold classes.
_MOST_CLASSES = 25_000


class TaskSettings(Settings):
    """What is predicted.

    `binary` and `multilabel`: each name in `labels` is a 0/1 column (-1 uncertain, empty unknown).
    `multiclass`: `labels` holds one column, whose values are the names in `classes`.
    """

    kind: Literal["binary", "multilabel", "multiclass"] = Field(
        "binary",
        description="binary: one finding; multilabel: several findings, each present or absent; "
        "multiclass: one of several classes",
    )
    labels: tuple[str, ...] = Field(
        min_length=1, description="label columns: the findings; multiclass: the one class column"
    )
    classes: tuple[str, ...] = Field((), description="multiclass: the values of the class column")
    uncertain: Literal["ignore", "zeros", "ones"] = Field(
        "ignore", description="what an uncertain label (-1) counts as; ignore: unknown"
    )
    uncertain_by_label: dict[str, Literal["ignore", "zeros", "ones"]] = Field(
        {}, description="labels for which `uncertain` differs, for example {edema: ones}"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.kind != "multilabel" and len(self.labels) != 1:
            raise ValueError(f"a {self.kind} task has one label column, received {self.labels}")
        if self.kind == "multiclass" and len(self.classes) < 2:
            raise ValueError("a multiclass task names its classes (2 or more) in task.classes")
        if len(self.classes) > _MOST_CLASSES:
            raise ValueError(
                f"task.classes names {len(self.classes)} classes, at most {_MOST_CLASSES} may be"
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

    source: Literal["random", "bit_npz", "encoder", "saved_model"] = Field(
        "random",
        description="bit_npz: a released BiT file; encoder: weights of an earlier run; "
        "saved_model: a BiT or REMEDIS SavedModel",
    )
    path: str = Field("", description="file or folder of the weights; random: empty")
    sha256: str = Field(
        "",
        pattern=r"^([0-9a-f]{64})?$",
        description="SHA-256 that the file must have; empty: not checked",
    )

    @model_validator(mode="after")
    def _path_given(self, info: ValidationInfo) -> Self:
        message = (
            f"source '{self.source}' with path '{self.path}': 'random' takes no path, "
            "'bit_npz' (a BiT .npz file), 'encoder' (weights of an earlier run) and "
            "'saved_model' (the folder of a BiT or REMEDIS SavedModel) need one"
        )
        if self.source == "random" and self.path:
            raise ValueError(message)
        if self.source != "random" and not self.path:
            refuse_incomplete(message, info)
        return self


class ModelSettings(Settings):
    """The backbone. Depth and width name a published network; `units` describes your own.

    `bit` is BiT ResNet-v2 (GroupNorm, weight standardization; arXiv 1912.11370), depth 50, 101,
    152. `simclr` is the SimCLR ResNet (BatchNorm), depth 18, 34, 50, 101, 152. `saved_model` is the
    SavedModel at `init.path` itself, called on images and never trained.
    """

    family: str = Field(
        "bit",
        json_schema_extra={"enum": list(families.FAMILIES)},
        description="bit: BiT ResNet-v2 (GroupNorm); simclr: SimCLR ResNet (BatchNorm); "
        "saved_model: the SavedModel of init.path as it is, frozen",
    )
    depth: Literal[18, 34, 50, 101, 152] = Field(
        50, description="layers of the published network; bit: 50, 101 or 152"
    )
    width: int = Field(1, ge=1, le=8, description="multiplies the channels of every layer")
    units: tuple[int, ...] = Field(
        (), max_length=4, description="residual units of each block; overrides depth"
    )
    root_filters: int = Field(
        64, ge=8, multiple_of=8, description="channels of the first convolution at width 1"
    )
    stem: Literal["imagenet", "cifar"] = Field(
        "imagenet",
        description="imagenet: 7x7 convolution and pooling, divides the side by four; cifar: 3x3 "
        "convolution for small images",
    )
    image_size: int = Field(
        224, ge=32, le=2048, description="side of the images that the network gets, pixels"
    )
    channels: Literal[3] = Field(3, description="color channels; gray images are repeated")
    serving_precision: Literal["float32", "mixed_bfloat16"] = Field(
        "float32",
        description="precision of the exported models, independent of training; mixed_bfloat16 is "
        "faster on processors that multiply it and keeps two to three digits of a feature",
    )
    init: InitSettings = InitSettings()

    @field_validator("family")
    @classmethod
    def _known_family(cls, family: str) -> str:
        return families.traits_of(family).name

    @model_validator(mode="after")
    def _known_network(self) -> Self:
        family, traits = f"family '{self.family}'", self.traits
        if traits.depths and not self.units and self.depth not in traits.depths:
            raise ValueError(
                f"depth {self.depth} with {family}: accepted: {_listed(traits.depths)}"
            )
        if self.init.source not in traits.inits:
            raise ValueError(
                f"{family} with init.source '{self.init.source}': accepted: {_listed(traits.inits)}"
            )
        if not traits.trained and self.serving_precision != "float32":
            raise ValueError(
                f"serving_precision '{self.serving_precision}' with {family}: a SavedModel "
                "computes as it was exported; leave it at float32"
            )
        if any(unit < 1 for unit in self.units):
            raise ValueError(f"model.units {self.units}: every block needs at least one unit")
        return self

    @property
    def traits(self) -> families.Traits:
        """What holds for every backbone of the family."""
        return families.traits_of(self.family)

    @property
    def unit_counts(self) -> tuple[int, ...]:
        """Units of each block; empty where the family has none."""
        return self.units or self.traits.depths.get(self.depth, ())


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))
