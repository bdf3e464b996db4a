"""Compiles the graph to Kubeflow Pipelines' YAML (pipeline spec 2.1 and platform spec)."""

from __future__ import annotations

import dataclasses
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from pipeline.config.config import RunConfig, build_config, read_settings
from pipeline.config.kubernetes_settings import KubernetesSettings
from pipeline.graph import beam_options
from pipeline.kubeflow.compile import check
from pipeline.kubeflow.compile import spec as spec_edits
from pipeline.kubeflow.compile.targets import KUBEFLOW, Target
from schemas.atomic_write import replacing
from schemas.errors import InputError

# Path of the repository in the container image (see the Dockerfile).
IMAGE_ROOT = "/app"
ENTRYPOINT = ["python", "-m", "pipeline.kubeflow.runtime.entrypoint"]
# The default namespace of image names: lower case, an optional registry, a tag or a digest.
_IMAGE = re.compile(r"[a-z0-9][a-z0-9._:/-]*[a-z0-9](:[\w.-]+|@sha256:[0-9a-f]{64})")


@dataclasses.dataclass(frozen=True)
class Compiled:
    """A compilation: rows of (node, image, resources) in order of execution, and run parameters."""

    name: str
    steps: tuple[tuple[str, str, str], ...]
    parameters: tuple[str, ...]

    def table(self) -> str:
        """A readable summary."""
        rows = [("node", "image", "resources"), *self.steps]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        parameters = f"run parameters: {', '.join(self.parameters)}"
        return "\n".join([f"pipeline '{self.name}'", *lines, parameters])


def cluster_config(
    target: Target = KUBEFLOW,
    *,
    preset: str = "",
    path: str = "",
    overrides: Sequence[str] = (),
) -> RunConfig:
    """Reads a configuration; folders that it does not set are in the mounted workspace.

    Raises:
      InputError: As `load_config`.
    """
    tree, source = read_settings(preset=preset, path=path, overrides=overrides)
    kubernetes = _section(tree, "kubernetes")
    workspace = kubernetes.get("workspace") or target.workspace or KubernetesSettings().workspace
    kubernetes["workspace"] = workspace
    data, init = _section(tree, "data"), _section(_section(tree, "model"), "init")
    if data.get("source", "synthetic") != "synthetic":
        data["root"] = data.get("root") or f"{workspace}/data"
    upstream = _section(tree, "upstream")
    natural = _section(upstream, "data")
    if upstream.get("enabled") and natural.get("source", "synthetic") != "synthetic":
        natural["root"] = natural.get("root") or f"{workspace}/upstream"
    if init.get("source") == "bit_npz":
        model = tree["model"]
        weights = f"BiT-M-R{model.get('depth', 50)}x{model.get('width', 1)}.npz"
        init["path"] = init.get("path") or f"{workspace}/weights/{weights}"
    push = _section(tree, "push")
    push["destination"] = push.get("destination") or f"{workspace}/pushed"
    return build_config(tree, source)


def _section(tree: dict[str, Any], name: str) -> dict[str, Any]:
    """A section of settings; anything else is left to validation."""
    section = tree.setdefault(name, {})
    return section if isinstance(section, dict) else {}


def compile_pipeline(
    config: RunConfig,
    target: Target,
    *,
    image: str,
    output: str,
    data_version: str,
    image_root: str = IMAGE_ROOT,
) -> Compiled:
    """Writes the compiled pipeline.

    Args:
      config: The run's settings; paths in it are paths inside the containers.
      target: The kind of server, and the URI under which it stores artifacts.
      image: Container image with this repository at `image_root`.
      output: File to write, ending in `.yaml`.
      data_version: Replaces the data's fingerprint, which can't be computed here.
      image_root: Folder of the repository in the image.

    Returns:
      The compilation.

    Raises:
      InputError: An output or image name that Kubeflow would refuse, or a pipeline it can't run.
    """
    _check_arguments(image, output)
    _refuse(
        check.misplaced(config, target)
        + check.undivided(config)
        + check.without_schema(config, target)
        + beam_options.cluster_problems(config.beam, target.pipeline_root)
    )
    spec = _compile(config, target, image, data_version, image_root)
    nodes = _ordered(spec)
    _refuse(
        check.unsupported(spec) + check.unknown_nodes(config, spec) + target.problems(config, nodes)
    )
    spec_edits.ingest_anew(spec, config)
    spec_edits.push_anew(spec)
    spec_edits.add_outputs(spec)
    parameters = spec_edits.add_parameters(spec, config)
    spec_edits.add_resources(spec, config.kubernetes, target)
    spec["defaultPipelineRoot"] = target.pipeline_root
    # Vertex AI reads one document.
    pods = [spec_edits.platform_document(spec, config.kubernetes)]
    _write(output, [spec, *(pods if target.kind == "kubeflow" else [])])
    steps = ((node, image, _described(config.kubernetes, node)) for node in nodes)
    return Compiled(config.name, tuple(steps), tuple(parameters))


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        raise InputError("Kubeflow Pipelines can't run this:\n  " + "\n  ".join(problems))


def _check_arguments(image: str, output: str) -> None:
    if not output.endswith(".yaml"):
        raise InputError(f"--output '{output}': give a file name ending in .yaml")
    try:
        with tempfile.TemporaryFile(dir=Path(output).resolve().parent):
            pass
    except OSError as error:
        raise InputError(f"--output '{output}' can't be written: {error.strerror}") from None
    check_image(image)


def check_image(image: str) -> None:
    """Refuses anything but the name of a container image with a tag or a digest."""
    if not _IMAGE.fullmatch(image):
        raise InputError(f"--image '{image}': give REGISTRY/NAME:TAG (lower case, with a tag)")


def _compile(
    config: RunConfig, target: Target, image: str, data_version: str, image_root: str
) -> dict[str, Any]:
    """TFX's part: the graph as a pipeline spec."""
    from tfx import v1 as tfx

    from pipeline.graph.create_pipeline import create_pipeline
    from pipeline.graph.shared_nodes import Places

    workspace, trainer = config.kubernetes.workspace, config.kubernetes.of_node("Pretrainer")
    kept = check.on_volume(workspace, target.mounts(trainer))
    pipeline = create_pipeline(
        config,
        Places(
            pipeline_root=target.pipeline_root,
            # A retried pod resumes from a volume.
            checkpoint_root=f"{workspace if kept else '/tmp'}/checkpoints/{config.name}",
            push_destination=config.push.destination,
            schema_file=check.schema_place(config, image_root),
            id_key_file=config.data.id_key_file,
            passed_data=_passed_data(config, target),
            gate_ledger=config.gate.ledger or "",
        ),
        data_fingerprint=data_version,
        upstream_fingerprint=data_version,
    )
    runner = tfx.orchestration.experimental.KubeflowV2DagRunner(
        config=tfx.orchestration.experimental.KubeflowV2DagRunnerConfig(
            default_image=image, default_commands=ENTRYPOINT, use_pipeline_spec_2_1=True
        )
    )
    try:
        return runner.run(pipeline, write_out=False)["pipelineSpec"]
    except NotImplementedError as error:
        raise InputError(f"Kubeflow Pipelines can't run this: {error}") from error


def _passed_data(config: RunConfig, target: Target) -> str:
    """Folder for the statistics of data that passed; empty unless it outlives the pod."""
    given = config.data_gate.passed_data or f"{config.push.destination}/passed_data"
    mounts = target.mounts(config.kubernetes.of_node("DataGate"))
    return given if check.on_volume(given, mounts) else ""


def _write(output: str, documents: list[dict[str, Any]]) -> None:
    try:
        with replacing(output) as partial, partial.open("w", encoding="utf-8") as file:
            yaml.safe_dump_all(documents, file, sort_keys=True)
    except OSError as error:
        raise InputError(f"--output '{output}' can't be written: {error.strerror}") from None


def _ordered(spec: dict[str, Any]) -> list[str]:
    """Sorts nodes so that each follows what it depends on."""
    tasks = spec["root"]["dag"]["tasks"]
    done: list[str] = []
    while len(done) < len(tasks):
        done += [
            name
            for name, task in tasks.items()
            if name not in done and set(task.get("dependentTasks", ())) <= set(done)
        ]
    return done


def _described(settings: KubernetesSettings, node: str) -> str:
    step = settings.of_node(node)
    gpus = f", {step.gpus} x {step.gpu_type}" if step.gpus else ""
    return f"{step.cpu} CPU, {step.memory}{gpus}"
