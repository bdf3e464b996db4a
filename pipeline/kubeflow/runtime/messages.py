"""Converts an orchestrator's message to a step for TFX, and converts the answer back.

Open-source Kubeflow Pipelines differs from what TFX 1.21 expects (and Vertex AI does):

- Types of input artifacts are lost: the driver passes an empty `instanceSchema`, `kfp.local` the
  title `system.Artifact`. The compiled step contains the correct types, which are restored.
- URIs are remote, but the launcher has already downloaded inputs below `/minio`, `/s3`, `/gcs` or
  `/oci` and uploads outputs from there. TensorFlow reads neither `minio://` nor `s3://`, so the
  step sees local paths, and the launcher receives its own URIs.
- Missing optional inputs arrive as empty lists, missing optional parameters as nulls, and the
  launcher adds its own outputs (`executor-logs`).

This module uses neither TFX nor TensorFlow.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from absl import logging
from kfp.pipeline_spec import pipeline_spec_pb2 as spec

# Folder of each scheme, as in KFP's launcher (LocalPathForURI in component/launcher_v2.go).
_FOLDERS = {"gs": "gcs", "minio": "minio", "s3": "s3", "oci": "oci"}


class LocalCopies:
    """The launcher's local copies of remote artifacts."""

    def __init__(self, root: str = "/", remote: Sequence[str] = ()) -> None:
        """Starts without any known artifact.

        Args:
          root: Parent of the launcher's folders; `/` except outside a container.
          remote: Schemes of artifacts that the step accesses in place.
        """
        self._root, self._schemes = root, _FOLDERS.keys() - set(remote)
        self._remote: dict[str, str] = {}

    def path(self, uri: str) -> str:
        """The local path of an artifact; a URI that the launcher does not copy stays as it is."""
        scheme, separator, rest = uri.rstrip("/").partition("://")
        if not separator or scheme not in self._schemes:
            return uri
        if scheme == "oci":
            rest = rest.replace("/", "_") + "/models"
        local = os.path.join(self._root, _FOLDERS[scheme], rest)
        self.remember(local, uri)
        return local

    def remember(self, local: str, uri: str) -> None:
        """Notes that `local` is the copy of `uri`."""
        self._remote[local] = uri

    def uri(self, text: str) -> str:
        """The URI of a path that `path` returned, or of one below it; other text is unchanged."""
        for local, remote in self._remote.items():
            if text == local:
                return remote
            if text.startswith(local + "/"):
                return remote.rstrip("/") + text[len(local) :]
        return text


def prepare_input(
    message: spec.ExecutorInput,
    inputs: spec.ComponentInputsSpec,
    outputs: spec.ComponentOutputsSpec,
    copies: LocalCopies,
) -> None:
    """Makes the executor's input readable for TFX, in place.

    Args:
      message: What the orchestrator inserted for `{{$}}`.
      inputs: The step's inputs as compiled.
      outputs: The step's outputs as compiled; all others belong to the launcher.
      copies: Where artifacts are on this machine.
    """
    _keep_declared(message.inputs.artifacts, inputs.artifacts)
    _keep_declared(message.outputs.artifacts, outputs.artifacts)
    for declared, given in ((inputs, message.inputs), (outputs, message.outputs)):
        for key, artifacts in given.artifacts.items():
            for artifact in artifacts.artifacts:
                artifact.type.CopyFrom(declared.artifacts[key].artifact_type)
                _localize(artifact, copies)
    for key, value in list(message.inputs.parameter_values.items()):
        if value.WhichOneof("kind") in (None, "null_value"):
            del message.inputs.parameter_values[key]


def _keep_declared(given: Any, declared: Mapping[str, Any]) -> None:
    for key, artifacts in list(given.items()):
        if key not in declared:
            logging.info("Artifact '%s' is the orchestrator's own; the step does not see it.", key)
            del given[key]
        elif not any(artifact.uri for artifact in artifacts.artifacts):
            del given[key]


def _localize(artifact: spec.RuntimeArtifact, copies: LocalCopies) -> None:
    if artifact.custom_path:
        copies.remember(artifact.custom_path, artifact.uri)
        artifact.uri = artifact.custom_path
        return
    # TFX's Evaluator finds its model by name.
    artifact.name = artifact.name or artifact.uri
    artifact.uri = copies.path(artifact.uri)
    # Object stores have no empty folders: an artifact without files is not there at all.
    if "://" not in artifact.uri and not os.path.exists(artifact.uri):
        os.makedirs(artifact.uri)


def apply_runtime_settings(
    parameters: Any, places: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, str | float]:
    """Inserts the run's own values into the settings compiled into the step.

    Args:
      parameters: The step's parameter values; runtime parameters are removed.
      places: For every runtime parameter, the place of its value: `path` is the name of an
        execution property, then keys in its JSON (none: the property is the value itself);
        `suffix` is what follows the value in the step.

    Returns:
      The values found, by parameter.
    """
    found = {}
    for name, spots in places.items():
        if name not in parameters:
            continue
        kind = parameters[name].WhichOneof("kind")
        value = getattr(parameters[name], kind)
        del parameters[name]
        if kind in (None, "null_value"):
            continue
        found[name] = value
        for spot in spots:
            prop, *keys = spot["path"]
            wanted = f"{value}{spot['suffix']}" if spot["suffix"] else value
            if keys:
                tree = json.loads(parameters[prop].string_value)
                replace_leaf(tree, keys, wanted)
                wanted = json.dumps(tree)
            parameters[prop].string_value = wanted
    return found


def replace_leaf(tree: dict[str, Any], keys: Sequence[str], value: str | float) -> None:
    """Replaces an existing setting; a whole number stays one (JSON numbers are floats)."""
    *parents, leaf = keys
    for key in parents:
        tree = tree[key]
    whole = type(tree[leaf]) is int and float(value).is_integer()
    tree[leaf] = int(value) if whole else value


def restore_uris(message: spec.ExecutorOutput, copies: LocalCopies) -> None:
    """Restores the launcher's own URIs in the artifacts and in their metadata."""
    for artifacts in message.artifacts.values():
        for artifact in artifacts.artifacts:
            artifact.uri = copies.uri(artifact.uri)
            for value in artifact.metadata.fields.values():
                if value.WhichOneof("kind") == "string_value":
                    value.string_value = copies.uri(value.string_value)
