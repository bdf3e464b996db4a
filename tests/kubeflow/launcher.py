"""Single steps of a compiled pipeline, called as KFP's Go driver and launcher call them.

The driver passes remote URIs, drops the types of input artifacts and turns every number of their
metadata into a double; the launcher has downloaded inputs below /minio and uploads outputs from
there (here: below a temporary root).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STORE = "minio://bucket"


class Launcher:
    """A store of artifacts, and steps that read and write it."""

    def __init__(self, spec: dict[str, Any], root: Path) -> None:
        self.spec, self._root = spec, root
        self._artifacts: dict[tuple[str, str], dict[str, Any]] = {}

    def adopt(self, node: str, outputs: dict[str, Any]) -> None:
        """Takes over what a step of an earlier run left, by output key; copies its files."""
        for key, listed in outputs["artifacts"].items():
            (artifact,) = listed["artifacts"]
            uri = f"{STORE}/adopted/{node}/{key}"
            local = self.local(uri)
            local.parent.mkdir(parents=True, exist_ok=True)
            local.symlink_to(artifact["uri"], target_is_directory=True)
            self._record(node, key, uri, artifact.get("metadata", {}))

    def run(self, node: str, **parameters: object) -> subprocess.CompletedProcess:
        """Runs a step's container command; its outputs become inputs of later steps."""
        task = self.spec["root"]["dag"]["tasks"][node]
        component = self.spec["components"][node]
        container = self.spec["deploymentSpec"]["executors"][component["executorLabel"]]
        message = {
            "inputs": {
                "artifacts": {
                    name: {"artifacts": [self._input(source["taskOutputArtifact"])]}
                    for name, source in task["inputs"].get("artifacts", {}).items()
                },
                "parameterValues": self._parameters(task, parameters),
            },
            "outputs": self._outputs(node, component),
        }
        command = [
            json.dumps(message) if part == "{{$}}" else part
            for part in (*container["container"]["command"], *container["container"]["args"])
        ]
        done = subprocess.run(
            [sys.executable, *command[1:]],
            cwd=ROOT,
            capture_output=True,
            text=True,
            env={**os.environ, "REMEDIS_LAUNCHER_ROOT": str(self._root)},
        )
        if done.returncode == 0:
            self._collect(node, Path(message["outputs"]["outputFile"]))
        return done

    def metadata(self, node: str, key: str) -> dict[str, Any]:
        return self._artifacts[node, key]["metadata"]

    def files(self, node: str, key: str) -> Path:
        return self.local(self._artifacts[node, key]["uri"])

    def local(self, uri: str) -> Path:
        return self._root / "minio" / uri.removeprefix("minio://")

    def _input(self, source: dict[str, str]) -> dict[str, Any]:
        return self._artifacts[source["producerTask"], source["outputArtifactKey"]]

    def _parameters(self, task: dict[str, Any], given: dict[str, object]) -> dict[str, object]:
        declared = self.spec["root"]["inputDefinitions"]["parameters"]
        values = {}
        for name, source in task["inputs"]["parameters"].items():
            root = source.get("componentInputParameter")
            if root:
                values[name] = given.get(root, declared[root]["defaultValue"])
            else:
                values[name] = source["runtimeValue"]["constant"]
        return values

    def _outputs(self, node: str, component: dict[str, Any]) -> dict[str, Any]:
        folder = self.local(f"{STORE}/run/{node}")
        folder.mkdir(parents=True)
        kinds = component["outputDefinitions"]["artifacts"]
        return {
            "artifacts": {
                key: {
                    "artifacts": [
                        {
                            "name": key,
                            "uri": f"{STORE}/run/{node}/{key}",
                            "type": kind["artifactType"],
                        }
                    ]
                }
                for key, kind in kinds.items()
            },
            "outputFile": str(folder / "output_metadata.json"),
        }

    def _collect(self, node: str, file: Path) -> None:
        for key, listed in json.loads(file.read_text())["artifacts"].items():
            (artifact,) = listed["artifacts"]
            assert artifact["uri"] == f"{STORE}/run/{node}/{key}", artifact["uri"]
            self._record(node, key, artifact["uri"], artifact.get("metadata", {}))

    def _record(self, node: str, key: str, uri: str, metadata: dict[str, Any]) -> None:
        # As KFP's metadata client gives it back: an id for a name, an empty schema, doubles.
        self._artifacts[node, key] = {
            "name": str(100 + len(self._artifacts)),
            "uri": uri,
            "type": {"instanceSchema": ""},
            "metadata": {**metadata, "display_name": key, "store_session_info": "{}"},
        }
