"""Reads a compiled pipeline back, and validates it in case it was edited."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from pipeline.kubeflow.compile.check import unsupported
from pipeline.kubeflow.compile.parameters import Kind
from schemas.errors import InputError


def load_pipeline(file: str) -> dict[str, Any]:
    """Reads a compiled pipeline, which may have been edited.

    Raises:
      InputError: Kubeflow Pipelines can't run it.
    """
    try:
        documents = list(yaml.safe_load_all(Path(file).read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"pipeline file '{file}' can't be read: {error}") from None
    except yaml.YAMLError as error:
        raise InputError(f"pipeline file '{file}' is not YAML: {error}") from None
    if not documents or not isinstance(documents[0], dict):
        raise InputError(f"pipeline file '{file}' is not a compiled pipeline; compile it again")
    _parse(file, documents)
    spec = documents[0]
    problems = _dangling(spec) or unsupported(spec)
    if problems:
        raise InputError(f"pipeline file '{file}' can't be run:\n  " + "\n  ".join(problems))
    return spec


def declared_parameters(spec: Mapping[str, Any]) -> dict[str, Kind]:
    """Parameters of a compiled pipeline and their kinds."""
    inputs = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    return {name: parameter["parameterType"] for name, parameter in inputs.items()}


def _parse(file: str, documents: Sequence[Any]) -> None:
    """Parses both documents as protocol messages, in which an unknown field is an error."""
    from google.protobuf import json_format
    from kfp.kubernetes import kubernetes_executor_config_pb2
    from kfp.pipeline_spec import pipeline_spec_pb2

    kinds = (pipeline_spec_pb2.PipelineSpec, pipeline_spec_pb2.PlatformSpec)
    try:
        for document, kind in zip(documents, kinds, strict=False):
            json_format.ParseDict(document, kind())
        for executor in documents[0]["deploymentSpec"]["executors"].values():
            json_format.ParseDict(
                executor, pipeline_spec_pb2.PipelineDeploymentConfig.ExecutorSpec()
            )
        platform = documents[1]["platforms"]["kubernetes"] if len(documents) > 1 else {}
        for pod in platform.get("deploymentSpec", {}).get("executors", {}).values():
            json_format.ParseDict(pod, kubernetes_executor_config_pb2.KubernetesExecutorConfig())
    except json_format.ParseError as error:
        raise InputError(f"pipeline file '{file}' is malformed: {error}") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"pipeline file '{file}' is not complete: {error!r}") from None


def _dangling(spec: Mapping[str, Any]) -> list[str]:
    """Dangling references, and arguments that are no longer JSON."""
    missing = [name for name in ("pipelineInfo", "root", "components") if name not in spec]
    if missing or "dag" not in spec.get("root", {}):
        return [f"no {', '.join(missing) or 'root.dag'} in it"]
    found = []
    executors = spec["deploymentSpec"]["executors"]
    tasks = spec["root"]["dag"]["tasks"]
    for name, task in tasks.items():
        component = spec["components"].get(task.get("componentRef", {}).get("name"))
        if component is None:
            found.append(f"node '{name}': its component is missing")
        elif component.get("executorLabel") not in executors:
            found.append(f"node '{name}': its executor is missing")
        for other in task.get("dependentTasks", ()):
            if other not in tasks:
                found.append(f"node '{name}': depends on '{other}', which is missing")
    for label, executor in executors.items():
        texts = executor.get("container", {}).get("args", ())
        for option, text in itertools.pairwise(texts):
            if option.startswith("--json") and text != "{{$}}" and not _is_json(text):
                found.append(f"executor '{label}': argument {option} is no longer JSON")
    return found


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
