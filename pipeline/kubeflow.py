"""Compiles the graph to Kubeflow Pipelines' YAML (pipeline spec 2.1)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from pipeline.config import RunConfig
from trainer_modules.errors import InputError

# Where the container image keeps the repository (see the Dockerfile).
IMAGE_ROOT = "/app"
# The default namespace of image names: lower case, an optional registry, a tag or a digest.
_IMAGE = re.compile(r"[a-z0-9][a-z0-9._:/-]*[a-z0-9](:[\w.-]+|@sha256:[0-9a-f]{64})")


def compile_pipeline(
    config: RunConfig, *, image: str, output: str, pipeline_root: str, data_version: str
) -> None:
    """Writes the compiled pipeline.

    Args:
      config: The run's settings; paths in it are paths inside the containers.
      image: Container image with this repository at /app.
      output: File to write, ending in `.yaml`.
      pipeline_root: URI under which Kubeflow stores artifacts.
      data_version: Stands for the data's fingerprint, which can't be taken from here.

    Raises:
      InputError: An output or image name that Kubeflow would refuse, or a pipeline it can't run.
    """
    if not output.endswith(".yaml"):
        raise InputError(f"--output '{output}': give a file name ending in .yaml")
    if not Path(output).resolve().parent.is_dir():
        raise InputError(f"--output '{output}': the folder does not exist")
    if not _IMAGE.fullmatch(image):
        raise InputError(f"--image '{image}': give REGISTRY/NAME:TAG (lower case, with a tag)")
    from tfx import v1 as tfx

    from pipeline.create_pipeline import Places, create_pipeline, schema_source

    destination = config.push.destination or f"{pipeline_root}/pushed"
    schema = schema_source(config).relative_to(Path(__file__).resolve().parent.parent)
    pipeline = create_pipeline(
        config,
        Places(
            pipeline_root=pipeline_root,
            checkpoint_root=f"{IMAGE_ROOT}/checkpoints",
            push_destination=destination,
            schema_file=f"{IMAGE_ROOT}/{schema}",
            id_key_file=config.data.id_key_file,
        ),
        data_fingerprint=data_version,
    )
    runner = tfx.orchestration.experimental.KubeflowV2DagRunner(
        config=tfx.orchestration.experimental.KubeflowV2DagRunnerConfig(
            default_image=image, use_pipeline_spec_2_1=True
        ),
        output_dir=str(Path(output).resolve().parent),
        output_filename=Path(output).name,
    )
    runner.run(pipeline, write_out=True)
    _refuse_unsupported(output)


def _refuse_unsupported(output: str) -> None:
    """Open-source Kubeflow Pipelines ignores lifecycle hooks and can't run resolvers."""
    spec = yaml.safe_load(Path(output).read_text(encoding="utf-8"))
    executors: dict[str, dict[str, Any]] = spec["deploymentSpec"]["executors"]
    for name, executor in executors.items():
        if "resolver" in executor:
            raise InputError(f"node '{name}' is a resolver, which Kubeflow Pipelines can't run")
        if "lifecycle" in executor.get("container", {}):
            raise InputError(f"node '{name}' has a driver hook, which Kubeflow Pipelines ignores")
