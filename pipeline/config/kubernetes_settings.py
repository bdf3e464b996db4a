"""Settings of the pods that run the steps on Kubernetes. They do not affect results."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from trainer_modules.settings import Settings

_Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
_Folder = Annotated[str, Field(pattern=r"^/[^\s:]+$", description="absolute path")]
_Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
# YAML reads 4 as a number; Kubernetes expects text.
_Text = Annotated[str, BeforeValidator(lambda value: str(value) if _is_number(value) else value)]
_Cpu = Annotated[_Text, Field(pattern=r"^([0-9]+(\.[0-9]+)?|[0-9]+m)$")]
_Memory = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(E|Ei|P|Pi|T|Ti|G|Gi|M|Mi|K|Ki)$")]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class VolumeMount(Settings):
    """A PersistentVolumeClaim of the run's namespace."""

    claim: _Name = Field(description="name of the claim")
    path: _Folder = Field(description="where it is mounted, an absolute path")
    sub_path: str = Field("", description="folder on the volume; empty: all of it")


class SecretMount(Settings):
    """A Secret as files, one for each of its keys."""

    secret: _Name = Field(description="name of the Secret")
    path: _Folder = Field(description="where it is mounted, an absolute path")
    optional: bool = Field(False, description="true: the pod also starts without it")


class SecretVariable(Settings):
    """One key of a Secret as an environment variable."""

    secret: _Name = Field(description="name of the Secret")
    key: str = Field(pattern=r"^[-._a-zA-Z0-9]+$", description="key in the Secret")
    variable: _Variable = Field(description="name of the environment variable")
    optional: bool = Field(False, description="true: the pod also starts without it")


class Toleration(Settings):
    """A taint that the pod tolerates."""

    key: str = Field("", description="the taint's key; with Exists, empty: every taint")
    operator: Literal["Equal", "Exists"] = Field("Equal", description="Exists: with any value")
    value: _Text = Field("", description="the taint's value")
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = Field(
        "", description="the taint's effect; empty: every effect"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.operator == "Exists" and self.value:
            raise ValueError(f"operator 'Exists' takes no value, received '{self.value}'")
        if self.operator == "Equal" and not self.key:
            raise ValueError("operator 'Equal' needs a key")
        return self


class StepSettings(Settings):
    """One step's pod."""

    cpu: _Cpu = Field("2", description="processor cores, requested and limit; 500m: half a core")
    memory: _Memory = Field("8Gi", description="memory, requested and limit")
    gpus: int = Field(0, ge=0, description="GPUs, of type gpu_type")
    gpu_type: str = Field("nvidia.com/gpu", description="the device plugin's resource name")
    node_selector: dict[str, _Text] = Field(
        {}, description="labels that the pod's machine must have"
    )
    tolerations: tuple[Toleration, ...] = Field((), description="taints that the pod tolerates")
    volumes: tuple[VolumeMount, ...] = Field(
        (VolumeMount(claim="remedis", path="/mnt/remedis"),), description="mounted volumes"
    )
    secret_mounts: tuple[SecretMount, ...] = Field((), description="Secrets mounted as files")
    secret_variables: tuple[SecretVariable, ...] = Field(
        (), description="Secrets as environment variables"
    )
    environment: dict[_Variable, _Text] = Field({}, description="environment variables")
    retries: int = Field(
        0, ge=0, le=10, description="new starts after a failure; a gate's refusal counts as one"
    )


class StepOverrides(StepSettings):
    """Settings of one node that differ from `kubernetes.step`; unset or null: the same."""

    @model_validator(mode="before")
    @classmethod
    def _null_is_unset(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {name: value for name, value in given.items() if value is not None}

    @model_serializer(mode="wrap")
    def _set_only(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {k: v for k, v in serialize(self).items() if k in self.model_fields_set}


_ID_KEY = {"secret": "remedis", "key": "id-key", "variable": "REMEDIS_ID_KEY", "optional": True}
_NODES: dict[str, dict[str, Any]] = {
    "ImageExampleGen": {"secret_variables": [_ID_KEY]},
    "UpstreamExampleGen": {"secret_variables": [_ID_KEY]},
    "Upstream": {"cpu": "4", "memory": "16Gi"},
    "Pretrainer": {"cpu": "4", "memory": "16Gi"},
    "FinetuneTuner": {"cpu": "4", "memory": "16Gi"},
    "Finetuner": {"cpu": "4", "memory": "16Gi"},
}


class KubernetesSettings(Settings):
    """All steps' pods."""

    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = Field(
        "IfNotPresent", description="when a machine fetches the image"
    )
    image_pull_secrets: tuple[_Name, ...] = Field(
        (), description="Secrets with the registry's credentials"
    )
    workspace: _Folder = Field(
        "/mnt/remedis",
        description="folder on a mounted volume; data, weights, checkpoints and pushed lie in it",
    )
    pretrain_pods: int = Field(
        2, ge=1, le=64, description="pods of kubeflow_runner.py tfjob; a pipeline's step is one pod"
    )
    step: StepSettings = StepSettings()
    nodes: dict[str, StepOverrides] = Field(
        default_factory=dict,
        validate_default=True,
        description="by node name, the settings that differ from kubernetes.step",
    )

    @field_validator("nodes", mode="before")
    @classmethod
    def _over_defaults(cls, nodes: Any) -> Any:
        """Merges nodes into the defaults: a GPU for one must not remove another's secret."""
        if not isinstance(nodes, dict):
            return nodes
        merged = {name: dict(defaults) for name, defaults in _NODES.items()}
        for name, given in nodes.items():
            is_section = isinstance(given, dict)
            merged[name] = {**merged.get(name, {}), **given} if is_section else given
        return merged

    def of_node(self, name: str) -> StepSettings:
        """The settings of one node's pod."""
        overrides = self.nodes.get(name, StepOverrides())
        given = {field: getattr(overrides, field) for field in overrides.model_fields_set}
        return self.step.model_copy(update=given)
