"""The Pusher's executor that requires a signature."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfx import types
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import json_utils

from components.artifact_types import Artifacts
from components.model_gate.provenance import digests
from components.model_gate.verification import minisign
from components.pusher import executor
from schemas.documents.gate import GateVerdict
from schemas.errors import InputError


class SignedExecutor(executor.Executor):
    """Raises instead of pushing nothing: a failed node is tried again once someone has signed."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Pushes a blessed model with a signed verdict, which is left beside the version.

        Raises:
            InputError: The model is blessed, but its verdict has no valid signature.
        """
        settings = json_utils.loads(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY])
        blessed = self.CheckBlessing(input_dict)
        place = artifact_utils.get_single_uri(input_dict["model_blessing"])
        with _copied(place) as verdict:
            if blessed:
                model = self.GetModelPath(input_dict) if settings["judged"] else ""
                _check(place, verdict, settings["public_key"], model)
            super().Do(input_dict, output_dict, exec_properties)
            if blessed and settings["judged"]:
                _leave(verdict, artifact_utils.get_single_instance(output_dict["pushed_model"]))


@contextlib.contextmanager
def _copied(place: str) -> Iterator[Path]:
    """The verdict on this machine, with its signature: what is verified is what is left."""
    with tempfile.TemporaryDirectory() as folder:
        for name in (GateVerdict.FILE, GateVerdict.FILE + minisign.SUFFIX):
            if fileio.exists(os.path.join(place, name)):
                fileio.copy(os.path.join(place, name), os.path.join(folder, name))
        yield Path(folder) / GateVerdict.FILE


def _check(place: str, verdict: Path, public_key: str, model: str) -> None:
    """Raises unless a signed verdict blesses the model."""
    stated = os.path.join(place, verdict.name)
    problem = minisign.problem(str(verdict), minisign.public_key(public_key))
    if problem:
        problem = problem.replace(str(verdict), stated)
        raise InputError(
            f"setting 'push.public_key': the blessed model is not pushed, {problem}; after "
            f"`python -m components.model_gate sign {stated} --key FILE` with the secret key, the "
            "same command continues the run"
        )
    document = GateVerdict.read_file(verdict)
    made = document.provenance
    if not document.blessed or made is None:
        raise InputError(f"the signed verdict {stated} does not bless a model")
    if model and made.digests.model != digests.files(model):
        raise InputError(f"the signed verdict {stated} is of another model")


def _leave(verdict: Path, pushed: types.Artifact) -> None:
    """Puts the verdict and its signature beside the version's folder, not into the model."""
    version = pushed.get_string_custom_property("pushed_destination")
    for suffix in ("", minisign.SUFFIX):
        target = f"{version}.{verdict.name}{suffix}"
        fileio.copy(f"{verdict}{suffix}", target, overwrite=True)
