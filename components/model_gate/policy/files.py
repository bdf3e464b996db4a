"""The policy file of the stand-alone gate: the settings of the pipeline's gate, as YAML."""

from __future__ import annotations

from pathlib import Path

from components.model_gate.policy.settings import GateSettings
from trainer_modules.settings import files as settings_files

DEFAULT = Path(__file__).with_name("default.yaml")


def load_policy(path: str, *, serves: bool) -> GateSettings:
    """Reads a policy; the default one for an empty path.

    Outside the pipeline, TFMA gives no verdict, and a table of predictions has no model to serve.
    A policy that still requires them is honored: nothing is blessed without them.

    Args:
        path: The YAML file.
        serves: Whether there is an exported model to call.

    Raises:
        InputError: The file can't be read, or holds unknown or ill-typed settings.
    """
    source = Path(path) if path else DEFAULT
    tree = settings_files.read_mapping(source, "policy")
    given = {"require_evaluator": False, "require_serving": serves, **tree}
    return settings_files.validated(GateSettings, given, f"policy '{source.name}'")
