"""Parameters that a run on Kubeflow may change without a new compilation.

TFX's own RuntimeParameter replaces a whole execution property, can only be a str, int or float, and
loses its default in the compiled file (TFX 1.21), but most settings here are inside JSON
properties. So the parameter is added to the compiled file, and the step's entry point inserts its
value into the setting (see `apply_runtime_settings`). A parameter is an input of the steps that it
concerns, so Kubeflow's cache takes it into account, and other steps stay cached.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pipeline.config.config import RunConfig
from schemas.errors import InputError

Kind = Literal["STRING", "NUMBER_INTEGER", "NUMBER_DOUBLE"]
Value = str | int | float


@dataclasses.dataclass(frozen=True)
class Place:
    """The place of a parameter's value in one step.

    Attributes:
      node: Name of the step.
      path: The execution property, then keys in its JSON (none: the property is the value).
      suffix: What follows the value in the step.
    """

    node: str
    path: tuple[str, ...]
    suffix: str = ""


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A setting that a run may change."""

    name: str
    setting: str
    kind: Kind
    description: str
    places: tuple[Place, ...]

    def every_place(self) -> tuple[Place, ...]:
        """All places of the value; the report shows the configuration, so it has every one."""
        return (*self.places, Place("Reporter", ("run_settings", *self.setting.split("."))))


def _trainer(node: str, stage: str, setting: str) -> tuple[Place, ...]:
    return (Place(node, ("custom_config", "settings", stage, setting)),)


def _pushed(node: str, folder: str) -> Place:
    return Place(node, ("push_destination", "filesystem", "base_directory"), f"/{folder}")


def _gate(*keys: str) -> tuple[Place, ...]:
    return (Place("ModelGate", ("settings", *keys)),)


PARAMETERS = (
    Parameter(
        "data_root",
        "data.root",
        "STRING",
        "folder of the data set, in the containers",
        (Place("ImageExampleGen", ("data", "root")),),
    ),
    Parameter(
        "push_destination",
        "push.destination",
        "STRING",
        "folder of blessed models, in the containers",
        (
            _pushed("Pusher", "classifier"),
            _pushed("EncoderPusher", "encoder"),
            Place("ModelGate", ("baseline_dir",), "/classifier"),
        ),
    ),
    Parameter(
        "pretrain_epochs",
        "pretrain.epochs",
        "NUMBER_INTEGER",
        "epochs of pretraining",
        _trainer("Pretrainer", "pretrain", "epochs"),
    ),
    Parameter(
        "finetune_epochs",
        "finetune.epochs",
        "NUMBER_INTEGER",
        "epochs of finetuning",
        _trainer("Finetuner", "finetune", "epochs")
        + _trainer("FinetuneTuner", "finetune", "epochs"),
    ),
    Parameter(
        "label_fraction",
        "finetune.label_fraction",
        "NUMBER_DOUBLE",
        "fraction of training patients whose labels are used",
        _trainer("Finetuner", "finetune", "label_fraction")
        + _trainer("FinetuneTuner", "finetune", "label_fraction"),
    ),
    Parameter(
        "gate_min_auc",
        "gate.in_distribution.min_auc",
        "NUMBER_DOUBLE",
        "floor of the AUC's lower bound, in-distribution",
        _gate("in_distribution", "min_auc"),
    ),
    Parameter(
        "gate_min_auc_shifted",
        "gate.shifted.min_auc",
        "NUMBER_DOUBLE",
        "floor of the AUC's lower bound, shifted",
        _gate("shifted", "min_auc"),
    ),
    Parameter(
        "gate_max_gap",
        "gate.max_gap",
        "NUMBER_DOUBLE",
        "ceiling of the AUC's loss from in-distribution to shifted",
        _gate("max_gap"),
    ),
)


def value_of(config: RunConfig, parameter: Parameter) -> Value:
    """The configuration's value, which is the parameter's default."""
    node: Any = config
    for name in parameter.setting.split("."):
        node = getattr(node, name)
    return node


def parse_arguments(texts: Sequence[str], declared: Mapping[str, Kind]) -> dict[str, Value]:
    """Reads `NAME=VALUE` arguments of a run.

    Args:
      texts: The arguments.
      declared: Parameters of the pipeline and their kinds.

    Raises:
      InputError: There is no such parameter, or the value has another type.
    """
    values: dict[str, Value] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--parameter '{text}': give NAME=VALUE")
        if name not in declared:
            raise InputError(
                f"--parameter '{text}': the pipeline has no parameter '{name}'; accepted: "
                + (", ".join(sorted(declared)) or "none")
            )
        values[name] = _typed(text, value, declared[name])
    return values


def _typed(text: str, value: str, kind: Kind) -> Value:
    try:
        if kind == "NUMBER_INTEGER":
            return int(value)
        return float(value) if kind == "NUMBER_DOUBLE" else value
    except ValueError:
        wanted = "a whole number" if kind == "NUMBER_INTEGER" else "a number"
        raise InputError(f"--parameter '{text}': received '{value}'; {wanted} is needed") from None
