"""Finds in advance what open-source Kubeflow Pipelines refuses or ignores.

Follows KFP's compiler and driver (backend/src/v2) at 2.16.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.config.config import RunConfig
from pipeline.config.curated_schema import REPOSITORY, read_schema, schema_path
from pipeline.kubeflow.compile.targets import KUBEFLOW, Target

SCHEMA_VERSION = "2.1.0"
_SCHEMA_NODE = "ImportSchemaGen"
_TRAINERS = ("Upstream", "Pretrainer", "Finetuner")


def unsupported(spec: Mapping[str, Any]) -> list[str]:
    """Lists, node by node, what Kubeflow Pipelines would not run as compiled."""
    found = []
    if spec.get("schemaVersion") != SCHEMA_VERSION:
        found.append(f"schema version {spec.get('schemaVersion')}: only {SCHEMA_VERSION} is read")
    executors = spec["deploymentSpec"]["executors"]
    for name, task in spec["root"]["dag"]["tasks"].items():
        component = spec["components"].get(task["componentRef"]["name"], {})
        executor = executors.get(component.get("executorLabel"), {})
        found += [f"node '{name}': {problem}" for problem in _of_node(task, executor)]
    return found


def _of_node(task: Mapping[str, Any], executor: Mapping[str, Any]) -> Iterator[str]:
    if "resolver" in executor:
        yield "a Resolver; resolvers are not implemented there"
    elif "container" not in executor:
        yield f"an executor of the kind {', '.join(executor) or 'none'}; only containers are run"
    container = executor.get("container", {})
    if "container" in executor and not container.get("image"):
        yield "has no container image"
    if "lifecycle" in container:
        yield "a driver hook (file-based ExampleGen), which is ignored there"
    if "condition" in task.get("triggerPolicy", {}):
        yield "a condition on artifacts, which is not evaluated there"
    if "artifactIterator" in task:
        yield "a loop over artifacts, which is not implemented there"


def misplaced(config: RunConfig, target: Target = KUBEFLOW) -> list[str]:
    """Lists configured folders that are on no volume of the node that uses them."""
    uses = [("ImageExampleGen", "data.root", config.data.root)]
    uses += [("Pretrainer", "model.init.path", config.model.init.path)]
    if not config.model.traits.trained:
        uses += [("Finetuner", "model.init.path", config.model.init.path)]
    if config.upstream.enabled:
        uses += [("UpstreamExampleGen", "upstream.data.root", config.upstream.data.root)]
    uses += [("DataGate", "data_gate.passed_data", config.data_gate.passed_data)]
    uses += [("ModelGate", "gate.ledger", config.gate.ledger or "")]
    if config.push.enabled:
        for node in ("Pusher", "EncoderPusher", "ModelGate"):
            uses.append((node, "push.destination", config.push.destination))
    return [
        f"node '{node}': {setting} '{path}' is on none of its volumes "
        f"({', '.join(mounts) or 'it has none'}); {target.remedy}"
        for node, setting, path in uses
        if path and not on_volume(path, mounts := target.mounts(config.kubernetes.of_node(node)))
    ]


def schema_place(config: RunConfig, image_root: str) -> str:
    """The curated schema's path in a container: in its copy of the repository, or on a volume."""
    path = schema_path(config.curated_schema)
    if path.is_relative_to(REPOSITORY):
        return f"{image_root}/{path.relative_to(REPOSITORY)}"
    return str(path)


def without_schema(config: RunConfig, target: Target) -> list[str]:
    """Reports a curated schema that is neither in the image nor on a volume.

    Raises:
      InputError: It should be in this repository but is not.
    """
    path = schema_path(config.curated_schema)
    if path.is_relative_to(REPOSITORY):
        read_schema(config.curated_schema)
        return []
    mounts = target.mounts(config.kubernetes.of_node(_SCHEMA_NODE))
    if on_volume(str(path), mounts):
        return []
    return [
        f"setting 'curated_schema': received '{config.curated_schema}'; the image has only what is "
        f"in this repository, and it is on no volume of node '{_SCHEMA_NODE}' "
        f"({', '.join(mounts) or 'it has none'}); move the schema to a folder of schemas/ and "
        "build the image again, or to a volume"
    ]


def undivided(config: RunConfig) -> list[str]:
    """Lists trainings whose strategy does not match the devices of their pod."""
    strategy, wanted = config.distribution.strategy, config.distribution.gpus
    if strategy == "multi_worker":
        return [
            "setting 'distribution.strategy': received 'multi_worker'; a step is one pod: "
            "kubeflow_runner.py tfjob trains in several"
        ]
    found = []
    for node in _TRAINERS if config.upstream.enabled else _TRAINERS[1:]:
        given = config.kubernetes.of_node(node).gpus
        if strategy == "mirrored" and given < (wanted or 1):
            found.append(
                f"node '{node}': distribution.strategy 'mirrored' needs {wanted or 1} GPUs, its "
                f"pod has {given}; set kubernetes.nodes.{node}.gpus"
            )
        if strategy == "one_device" and given > 1:
            found.append(
                f"node '{node}': distribution.strategy 'one_device' uses one of its pod's {given} "
                "GPUs; choose 'auto' or 'mirrored'"
            )
    return found


def unknown_nodes(config: RunConfig, spec: Mapping[str, Any]) -> list[str]:
    """Lists pods configured for nodes that the pipeline does not have."""
    nodes = set(spec["components"])
    # Nodes that a setting disables may stay configured.
    known = nodes | {"Pusher", "EncoderPusher", "UpstreamExampleGen", "Upstream", "FinetuneTuner"}
    return [
        f"setting 'kubernetes.nodes.{name}': no such node; accepted: {', '.join(sorted(nodes))}"
        for name in sorted(set(config.kubernetes.nodes) - known)
    ]


def on_volume(path: str, mounts: Sequence[str]) -> bool:
    """Whether a path is on a volume, and so outlives the pod."""
    return any(path == mount or path.startswith(mount + "/") for mount in mounts)
