"""What a compiled pipeline would change in one on a server, node by node."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from pipeline.kubeflow.client.pipeline_file import load_pipeline
from pipeline.kubeflow.client.server import Server, connected
from schemas.errors import InputError

# The compiler's version does not count as a change.
_IGNORED = ("sdkVersion",)
_WHOLE = "pipeline"
Leaves = dict[str, Any]


def compare(
    file: str, server: Server, *, name: str = "", version: str = "", run: str = ""
) -> list[str]:
    """What a compiled file changes in a deployed pipeline, or in that of a run; see `deployed`.

    Raises:
      InputError: The file is not a pipeline, or `deployed` finds nothing.
    """
    name = name or load_pipeline(file)["pipelineInfo"]["name"]
    with open(file, encoding="utf-8") as text:
        new = list(yaml.safe_load_all(text))
    return differences(deployed(server, name=name, version=version, run=run), new)


def deployed(server: Server, *, name: str, version: str = "", run: str = "") -> list[Any]:
    """The pipeline and platform documents of a run, or of a version of an uploaded pipeline.

    Args:
      server: The server.
      name: The pipeline's name on the server.
      version: The version's name; empty: the newest.
      run: Id of a run to take instead.

    Raises:
      InputError: There is no such pipeline, version or run.
    """
    with connected(server) as client:
        if run:
            found = client.get_run(run).pipeline_spec
            if found is None:
                raise InputError(f"--run '{run}': the server stores no pipeline for it")
            return _documents(found)
        pipeline = client.get_pipeline_id(name)
        if pipeline is None:
            raise InputError(f"--name '{name}': the server has no pipeline of that name")
        listed = client.list_pipeline_versions(
            pipeline, page_size=100, sort_by="created_at desc"
        ).pipeline_versions
        wanted = [one for one in listed or () if not version or one.display_name == version]
        if not wanted:
            known = ", ".join(one.display_name for one in listed or ()) or "none"
            raise InputError(f"--version '{version}': '{name}' has no such version; it has {known}")
        one = client.get_pipeline_version(pipeline, wanted[0].pipeline_version_id)
        return _documents(one.pipeline_spec)


def differences(old: list[Any], new: list[Any]) -> list[str]:
    """Readable lines: a node, then what is added, removed or changed; empty if equal."""
    before, after = _by_node(old), _by_node(new)
    lines = []
    for node in sorted(before.keys() | after.keys(), key=lambda name: (name != _WHOLE, name)):
        if node not in after:
            lines.append(f"- node {node}")
        elif node not in before:
            lines.append(f"+ node {node}")
        elif changes := list(_changes(before[node], after[node])):
            lines += [node, *changes]
    return lines


def _documents(found: Any) -> list[Any]:
    """Splits what a server stores: one document, or both under the server's names."""
    if "pipeline_spec" in found:
        platform = found.get("platform_spec")
        return [found["pipeline_spec"], *([platform] if platform else [])]
    return [found]


def _changes(before: Leaves, after: Leaves) -> Iterator[str]:
    for key in sorted(before.keys() | after.keys()):
        if key not in after:
            yield f"  - {key}: {before[key]}"
        elif key not in before:
            yield f"  + {key}: {after[key]}"
        elif before[key] != after[key]:
            yield f"  ~ {key}: {before[key]} -> {after[key]}"


def _by_node(documents: list[Any]) -> dict[str, Leaves]:
    spec = documents[0]
    platform = documents[1]["platforms"]["kubernetes"] if len(documents) > 1 else {}
    pods = platform.get("deploymentSpec", {}).get("executors", {})
    executors = spec["deploymentSpec"]["executors"]
    rest = {key: value for key, value in spec.items() if key not in ("components", *_IGNORED)}
    rest["root"] = {key: value for key, value in spec["root"].items() if key != "dag"}
    rest.pop("deploymentSpec")
    nodes = {_WHOLE: dict(_leaves(rest))}
    for name, task in spec["root"]["dag"]["tasks"].items():
        component = dict(spec["components"][task["componentRef"]["name"]])
        label = component.pop("executorLabel", "")
        container = dict(executors.get(label, {}).get("container", {}))
        container["args"] = _arguments(container.get("args", ()))
        parts = {**container, **component, "task": task, "pod": pods.get(label, {})}
        nodes[name] = dict(_leaves(parts))
    return nodes


def _arguments(texts: Any) -> dict[str, Any]:
    """A command line by option, so that a new option does not shift those that follow."""
    found: dict[str, Any] = {}
    for option, text in itertools.pairwise((*texts, "")):
        name, equals, value = option.partition("=")
        if option.startswith("--"):
            found[name] = value if equals else text
    return found


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Single settings; JSON inside strings is parsed, and 3.0 equals 3."""
    if isinstance(value, str) and value.startswith(("{", "[")):
        with contextlib.suppress(ValueError):  # `{{$}}`, for one
            value = json.loads(value)
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from _leaves(below, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for place, below in enumerate(value):
            yield from _leaves(below, f"{path}.{place}")
    else:
        yield path, value
