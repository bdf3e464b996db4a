"""Completes what TFX compiles: outputs, run parameters, resources and the pods' own settings.

Changes the pipeline spec, a dictionary, in place. kfp-kubernetes writes the Kubernetes part, which
becomes the file's second YAML document.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from components.image_example_gen.sources import spans
from pipeline.config.config import RunConfig
from pipeline.config.kubernetes_settings import KubernetesSettings, StepSettings
from pipeline.kubeflow.compile.parameters import PARAMETERS, Place, value_of
from pipeline.kubeflow.compile.targets import Target
from pipeline.kubeflow.runtime.messages import replace_leaf

Spec = dict[str, Any]
# Separates run parameters from a step's execution properties, such as `push_destination`.
_STEP_PREFIX = "run_"


def container_of(spec: Spec, node: str) -> Spec:
    """The container of a node's executor."""
    label = spec["components"][node]["executorLabel"]
    return spec["deploymentSpec"]["executors"][label]["container"]


def add_outputs(spec: Spec) -> None:
    """Adds the types of its outputs to every step; TFX adds only those of its inputs."""
    for node, component in spec["components"].items():
        outputs = json.dumps(component.get("outputDefinitions", {}), sort_keys=True)
        container_of(spec, node)["args"][:0] = ["--json_serialized_outputs_spec_args", outputs]


def ingest_anew(spec: Spec, config: RunConfig) -> None:
    """Disables the cache for ingestion that resolves its folder at run time."""
    tasks = spec["root"]["dag"]["tasks"]
    for node, data in (
        ("ImageExampleGen", config.data),
        ("UpstreamExampleGen", config.upstream.data),
    ):
        roots = (data.root, *(part.root for part in data.parts))
        if node in tasks and any(spans.has_pattern(root) for root in roots):
            tasks[node]["cachingOptions"] = {}


def push_anew(spec: Spec) -> None:
    """Disables the cache for Pushers: only a push notices that a pushed model is gone.

    A model that is the newest version already is not copied again.
    """
    tasks = spec["root"]["dag"]["tasks"]
    for node in {"Pusher", "EncoderPusher"} & tasks.keys():
        tasks[node]["cachingOptions"] = {}


def add_parameters(spec: Spec, config: RunConfig) -> list[str]:
    """Declares the run's parameters, wires them to the steps they concern, returns names."""
    by_node: dict[str, dict[str, list[Spec]]] = {}
    for parameter in PARAMETERS:
        places = [place for place in parameter.every_place() if place.node in spec["components"]]
        default = value_of(config, parameter)
        if default == "" or not places:
            continue
        declaration = {"parameterType": parameter.kind}
        _parameters(spec["root"])[parameter.name] = {
            **declaration,
            "defaultValue": default,
            "isOptional": True,
            "description": f"{parameter.setting}: {parameter.description}",
        }
        for place in places:
            _require_place(spec, place, default)
            name = f"{_STEP_PREFIX}{parameter.name}"
            _parameters(spec["components"][place.node])[name] = dict(declaration)
            task = spec["root"]["dag"]["tasks"][place.node]
            task["inputs"]["parameters"][name] = {"componentInputParameter": parameter.name}
            spots = by_node.setdefault(place.node, {}).setdefault(name, [])
            spots.append({"path": list(place.path), "suffix": place.suffix})
    for node, spots_of in by_node.items():
        container_of(spec, node)["args"][:0] = ["--runtime_settings", json.dumps(spots_of)]
    return list(_parameters(spec["root"]))


def _parameters(owner: Spec) -> Spec:
    return owner.setdefault("inputDefinitions", {}).setdefault("parameters", {})


def _require_place(spec: Spec, place: Place, default: str | float) -> None:
    """A renamed execution property must fail the compilation, not be ignored in a run."""
    prop, *keys = place.path
    inputs = spec["root"]["dag"]["tasks"][place.node]["inputs"]["parameters"]
    compiled = inputs[prop]["runtimeValue"]["constant"]
    if keys:
        replace_leaf(json.loads(compiled), keys, default)


def add_resources(spec: Spec, settings: KubernetesSettings, target: Target) -> None:
    """CPU, memory, GPU, environment and retries: part of the pipeline spec itself."""
    for node in spec["components"]:
        step = settings.of_node(node)
        container = container_of(spec, node)
        container["resources"] = target.resources(step)
        if step.environment:
            container["env"] = [
                {"name": name, "value": value} for name, value in step.environment.items()
            ]
        if step.retries:
            task = spec["root"]["dag"]["tasks"][node]
            task["retryPolicy"] = {"maxRetryCount": step.retries}


def platform_document(spec: Spec, settings: KubernetesSettings) -> Spec:
    """The Kubernetes platform spec of all nodes."""
    executors = {
        spec["components"][node]["executorLabel"]: _pod(settings, settings.of_node(node))
        for node in spec["components"]
    }
    return {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}


def _pod(settings: KubernetesSettings, step: StepSettings) -> Spec:
    from kfp import kubernetes

    # kfp-kubernetes expects a task of kfp's own compiler, and reads and writes this attribute.
    task = SimpleNamespace(platform_config={})
    kubernetes.set_image_pull_policy(task, settings.image_pull_policy)
    if settings.image_pull_secrets:
        kubernetes.set_image_pull_secrets(task, list(settings.image_pull_secrets))
    for key, value in step.node_selector.items():
        kubernetes.add_node_selector(task, key, value)
    for taint in step.tolerations:
        kubernetes.add_toleration(
            task,
            key=taint.key or None,
            operator=taint.operator,
            value=taint.value or None,
            effect=taint.effect or None,
        )
    for volume in step.volumes:
        kubernetes.mount_pvc(task, volume.claim, volume.path, volume.sub_path)
    for mount in step.secret_mounts:
        kubernetes.use_secret_as_volume(task, mount.secret, mount.path, optional=mount.optional)
    for secret in step.secret_variables:
        kubernetes.use_secret_as_env(
            task, secret.secret, {secret.key: secret.variable}, optional=secret.optional
        )
    return task.platform_config["kubernetes"]
