"""Policies: files of the gate's settings as YAML, and the library of those that come with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.model_gate.policy.settings import GateSettings
from schemas.errors import InputError
from trainer_modules.settings import files as settings_files

LIBRARY = Path(__file__).with_name("library")
SMOKE = "smoke"
# What an outcome under the default policy is worth.
NO_EVIDENCE = "judged by the policy 'smoke': passing it is no clinical evidence"


def names() -> list[str]:
    """The policies of the library."""
    return sorted(path.stem for path in LIBRARY.glob("*.yaml"))


def described() -> str:
    """What each policy of the library is for: the first paragraph of its comments."""
    paragraphs = []
    for name in names():
        comments = (LIBRARY / f"{name}.yaml").read_text(encoding="utf-8").split("\n#\n")[0]
        lines = [line.removeprefix("# ") for line in comments.splitlines()]
        paragraphs.append("\n  ".join([name, *lines]))
    return "\n".join(paragraphs)


def read_policy(given: str) -> dict[str, Any]:
    """What a policy names: one of the library by its name, or a file by its path.

    Raises:
        InputError: There is no such policy, or a file has the name of one of the library.
    """
    accepted = names()
    path = Path(given)
    if given in accepted:
        if path.is_file():
            raise InputError(
                f"policy '{given}' comes with the gate, and a file here has the same name; give "
                f"'./{given}' for the file, or rename it"
            )
        return _of_the_library(given)
    if not path.exists():
        near = settings_files.nearest(given, accepted)
        raise InputError(
            f"policy '{given}' can't be read: there is no such file, and the policies that come "
            f"with the gate are {', '.join(accepted)}{near}"
        )
    return settings_files.read_mapping(path, "policy")


def load_policy(given: str, *, serves: bool) -> GateSettings:
    """The settings that a policy means; those of the default one if none is given.

    Outside the pipeline, TFMA gives no verdict, and a table of predictions has no model to serve.
    A policy that still requires them is honored: nothing is blessed without them.

    Args:
        given: A name of the library, or a YAML file.
        serves: Whether there is an exported model to call.

    Raises:
        InputError: The policy can't be read, or holds unknown or ill-typed settings.
    """
    tree = read_policy(given) if given else _of_the_library(SMOKE)
    settings = {"require_evaluator": False, "require_serving": serves, **tree}
    return settings_files.validated(GateSettings, settings, f"policy '{policy_name(given)}'")


def policy_name(given: str) -> str:
    """The name of a policy of the library, or of the file; that of the default one if empty."""
    return Path(given).name if given else SMOKE


def _of_the_library(name: str) -> dict[str, Any]:
    return settings_files.read_mapping(LIBRARY / f"{name}.yaml", "policy")
