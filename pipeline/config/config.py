"""The run configuration: presets, overrides, validation and messages about wrong settings.

Imports no TensorFlow, so that mistakes are reported before anything heavy is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import AfterValidator, Field, model_validator

from components.data_gate.settings import DataGateSettings
from components.image_example_gen.settings import DataSettings
from components.label_efficiency.cell.settings import StudySettings
from components.model_gate.policy import files as policy_files
from components.model_gate.policy.settings import GateSettings
from components.predictor.settings import PredictorSettings
from pipeline.config.beam_settings import BeamSettings, InMemory
from pipeline.config.curated_schema import check_name
from pipeline.config.evaluation_settings import EvaluationSettings
from pipeline.config.kubernetes_settings import KubernetesSettings
from pipeline.config.upstream_settings import UpstreamSettings
from schemas.errors import InputError
from trainer_modules.settings import (
    DistributionSettings,
    FinetuneSettings,
    ModelSettings,
    PretrainSettings,
    Settings,
    TaskSettings,
)
from trainer_modules.settings import files as settings_files
from trainer_modules.settings import merge as settings_merge

PRESETS = Path(__file__).parent / "presets"


class PushSettings(Settings):
    """The destination of blessed models."""

    enabled: bool = Field(True, description="false: evaluate and report, push nothing")
    destination: str = Field(
        "", description="folder of pushed models; empty: 'pushed' in the output folder"
    )
    public_key: str = Field(
        "",
        pattern=r"^(RW[A-Za-z0-9+/]{54})?$",
        description="public key of minisign (RW...): a blessed model is pushed once its verdict is "
        "signed by it; empty: without a signature",
    )


class RunConfig(Settings):
    """Everything that decides a run's result. The output folder does not, and is not here."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9-]{0,62}$",
        description="name of the run and the pipeline: lower-case letters, digits and hyphens",
    )
    seed: int = Field(
        0,
        ge=0,
        lt=2**31,
        description="seed of splits, first weights, views and the order of images",
    )
    task: TaskSettings
    curated_schema: Annotated[str, AfterValidator(check_name)] = Field(
        "generic",
        description="schema that the data are checked against: a folder of schemas/, or the path "
        "of another schema.pbtxt or its folder",
    )
    data: DataSettings = DataSettings()
    data_gate: DataGateSettings = DataGateSettings()
    model: ModelSettings = ModelSettings()
    upstream: UpstreamSettings = UpstreamSettings()
    pretrain: PretrainSettings = PretrainSettings()
    finetune: FinetuneSettings = FinetuneSettings()
    predictor: PredictorSettings = PredictorSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    gate: GateSettings = GateSettings()
    push: PushSettings = PushSettings()
    study: StudySettings = StudySettings()
    beam: BeamSettings = InMemory()
    distribution: DistributionSettings = DistributionSettings()
    kubernetes: KubernetesSettings = KubernetesSettings()

    @model_validator(mode="after")
    def _one_source_of_weights(self) -> Self:
        source = self.model.init.source
        if self.upstream.enabled and source != "random":
            raise ValueError(
                f"upstream.enabled=true trains the first weights, and model.init.source '{source}' "
                "would load others; set model.init.source=random or upstream.enabled=false"
            )
        return self

    @model_validator(mode="after")
    def _frozen_is_not_trained(self) -> Self:
        mode = self.finetune.mode
        if not self.model.traits.trained and mode != "linear_probe":
            raise ValueError(
                f"model.family '{self.model.family}' is a frozen embedding, finetune.mode '{mode}' "
                "would train it; set finetune.mode=linear_probe, or the family, depth and width "
                "whose variables the SavedModel has"
            )
        return self

    @model_validator(mode="after")
    def _block_exists(self) -> Self:
        block, blocks = self.finetune.after_block, len(self.model.unit_counts)
        if block is not None and block >= blocks:
            raise ValueError(
                f"finetune.after_block {block}: the backbone has {blocks} blocks; accepted are 0 "
                f"to {blocks - 1} (mode 'linear_probe' freezes all of it)"
            )
        return self

    @model_validator(mode="after")
    def _micro_batches_without_batch_norm(self) -> Self:
        if self.pretrain.micro_batch and self.model.traits.batch_norm:
            raise ValueError(
                f"pretrain.micro_batch={self.pretrain.micro_batch}: the BatchNorm of model.family "
                f"'{self.model.family}' would see parts of the batch; accepted with it is 0"
            )
        return self


def preset_names() -> list[str]:
    """Names accepted by `load_config(preset=...)`."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def load_config(*, preset: str = "", path: str = "", overrides: Sequence[str] = ()) -> RunConfig:
    """Builds the configuration from a preset or a file, and `a.b=value` overrides.

    Raises:
      InputError: An unknown preset, an unreadable file, or settings that do not validate. The
        message lists every wrong setting with the value received and what is accepted.
    """
    tree, source = read_settings(preset=preset, path=path, overrides=overrides)
    return build_config(tree, source)


def show_config(*, preset: str = "", path: str = "", overrides: Sequence[str] = ()) -> str:
    """The resolved configuration as YAML, preceded by what a run would still need.

    Raises:
      InputError: As `load_config`, but not for a missing folder of data or file of weights.
    """
    tree, source = read_settings(preset=preset, path=path, overrides=overrides)
    config = settings_files.validated(RunConfig, tree, source, incomplete=True)
    lacking = settings_files.missing(RunConfig, tree)
    return "".join(f"# a run needs more: {line}\n" for line in lacking) + dump_config(config)


def read_settings(
    *, preset: str = "", path: str = "", overrides: Sequence[str] = ()
) -> tuple[dict[str, Any], str]:
    """The settings as given, with overrides, not yet validated; and where they come from."""
    if bool(preset) == bool(path):
        raise InputError("give either a preset or a configuration file")
    source = Path(path) if path else _preset_path(preset)
    tree = settings_files.read_mapping(source, "configuration file")
    tree["gate"] = _policy(tree.get("gate", {}))
    parsed = [_parsed(override) for override in overrides]
    # A kind that is chosen anew drops what the file gave the former one, not what --set gives.
    parsed.sort(key=lambda item: not settings_merge.chooses_kind(RunConfig, item[0]))
    for names, value, override in parsed:
        value = _policy(value) if names == ["gate"] else value
        try:
            tree = settings_merge.merged_at(RunConfig, tree, names, value)
        except InputError as error:
            raise InputError(f"--set '{override}': {error}") from None
    return tree, f"{source.name} and --set" if overrides else source.name


def build_config(tree: Mapping[str, Any], source: str) -> RunConfig:
    """Validates settings; `source` names their origin in messages."""
    return settings_files.validated(RunConfig, tree, source)


def dump_config(config: RunConfig) -> str:
    """The fully resolved configuration as YAML that `load_config(path=...)` reads back."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def setting_names() -> list[str]:
    """Every dotted name that `--set` accepts."""
    return settings_files.setting_names(RunConfig)


def _preset_path(preset: str) -> Path:
    names = preset_names()
    if preset not in names:
        near = settings_files.nearest(preset, names)
        raise InputError(f"preset '{preset}' does not exist{near}; accepted: {', '.join(names)}")
    return PRESETS / f"{preset}.yaml"


def _policy(given: Any) -> Any:
    """Replaces a policy's file (`gate: policy.yaml`) or name (`gate: clinical`) by its rules."""
    if isinstance(given, str) and given:
        return policy_files.read_policy(given)
    return given


def _parsed(override: str) -> tuple[list[str], Any, str]:
    """An override's path and value, and the override itself for messages."""
    name, equals, text = override.partition("=")
    if not equals or not name:
        raise InputError(f"--set '{override}': give NAME=VALUE, for example data.root=/data/cxr")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = text
    return name.split("."), "" if value is None and text == "" else value, override
