"""Where a compiled pipeline runs: open-source Kubeflow Pipelines, or Vertex AI Pipelines.

Both read the same pipeline spec. They differ in where artifacts may be, in what a mounted volume
is, and in how a pod gets more than CPU, memory and an accelerator.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any, Literal

from pipeline.config.config import RunConfig
from pipeline.config.kubernetes_settings import StepSettings
from schemas.errors import InputError

_DEFAULT_ROOT = "minio://mlpipeline/v2/artifacts"
_SCHEMES = {"kubeflow": ("minio://", "s3://", "gs://"), "vertex": ("gs://",)}
# Vertex AI mounts every bucket that the run's service account may read below this folder.
_BUCKETS = "/gcs"
_VERTEX_GPU = re.compile(r"(NVIDIA|TPU)_[A-Z0-9_]+")
_PODS_ONLY = ("node_selector", "tolerations", "secret_mounts")


@dataclasses.dataclass(frozen=True)
class Target:
    """A kind of server, and the URI below which it stores artifacts."""

    kind: Literal["kubeflow", "vertex"]
    pipeline_root: str

    @property
    def workspace(self) -> str:
        """Folder of data, weights, checkpoints and pushed models; empty: the configuration's."""
        if self.kind == "kubeflow":
            return ""
        bucket = self.pipeline_root.removeprefix("gs://").partition("/")[0]
        return f"{_BUCKETS}/{bucket}/remedis"

    def mounts(self, step: StepSettings) -> list[str]:
        """Folders of a step that outlive its pod."""
        if self.kind == "vertex":
            return [_BUCKETS]
        return [volume.path.rstrip("/") for volume in step.volumes]

    @property
    def remedy(self) -> str:
        """Advice about a folder that is on no volume."""
        if self.kind == "vertex":
            return f"choose a folder there, {_BUCKETS}/BUCKET/..."
        return "mount one with kubernetes.step.volumes or choose a folder there"

    def problems(self, config: RunConfig, nodes: list[str]) -> list[str]:
        """Lists, node by node, settings of pods that the target does not support."""
        if self.kind == "kubeflow":
            return []
        return [
            f"node '{node}': {problem}"
            for node in nodes
            for problem in _of_vertex_step(config.kubernetes.of_node(node))
        ]

    def resources(self, step: StepSettings) -> dict[str, Any]:
        """The step's part of the pipeline spec."""
        return _vertex_resources(step) if self.kind == "vertex" else _pod_resources(step)


KUBEFLOW = Target("kubeflow", _DEFAULT_ROOT)


def target_of(kind: Literal["kubeflow", "vertex"], pipeline_root: str) -> Target:
    """Validates the URI of the artifacts.

    Raises:
      InputError: The target can't read it.
    """
    root = pipeline_root or (_DEFAULT_ROOT if kind == "kubeflow" else "")
    # Folders are for kfp's own local orchestrator.
    local = kind == "kubeflow" and root.startswith("/")
    if not local and not re.fullmatch(r"[a-z0-9]+://[^/\s]+(/\S*)?", root):
        root = ""
    if not local and not root.startswith(_SCHEMES[kind]):
        raise InputError(
            f"--pipeline-root '{pipeline_root}': accepted are "
            f"{', '.join(_SCHEMES[kind])} URIs, with a bucket"
        )
    return Target(kind, root)


def _of_vertex_step(step: StepSettings) -> Iterator[str]:
    for name in _PODS_ONLY:
        if getattr(step, name):
            yield f"kubernetes.{name} is set; Vertex AI has no such thing"
    required = [secret.secret for secret in step.secret_variables if not secret.optional]
    if required:
        yield (
            f"secret '{required[0]}' is Kubernetes'; on Vertex AI put a key into a file below "
            f"{_BUCKETS} and name it in data.id_key_file"
        )
    if step.gpus and not _VERTEX_GPU.fullmatch(step.gpu_type):
        yield f"kubernetes gpu_type '{step.gpu_type}': Vertex AI has names like NVIDIA_TESLA_T4"
    try:
        _gigabytes(step.memory)
    except KeyError:
        yield f"kubernetes memory '{step.memory}': give Mi, Gi, Ti, M, G or T"


def _pod_resources(step: StepSettings) -> dict[str, Any]:
    resources: dict[str, Any] = {
        "resourceCpuRequest": step.cpu,
        "resourceCpuLimit": step.cpu,
        "resourceMemoryRequest": step.memory,
        "resourceMemoryLimit": step.memory,
    }
    if step.gpus:
        resources["accelerator"] = {
            "resourceType": step.gpu_type,
            "resourceCount": str(step.gpus),
        }
    return resources


def _vertex_resources(step: StepSettings) -> dict[str, Any]:
    """In numbers, CPUs and gigabytes (1e9 bytes), which is what Vertex AI reads."""
    cpu = step.cpu.removesuffix("m")
    cores = float(cpu) / (1000 if cpu != step.cpu else 1)
    resources: dict[str, Any] = {"cpuLimit": cores, "memoryLimit": _gigabytes(step.memory)}
    if step.gpus:
        resources["accelerator"] = {"type": step.gpu_type, "count": str(step.gpus)}
    return resources


def _gigabytes(memory: str) -> float:
    unit = memory.lstrip("0123456789.")
    factors = {"M": 1e6, "G": 1e9, "T": 1e12, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
    return round(float(memory.removesuffix(unit)) * factors[unit] / 1e9, 3)
