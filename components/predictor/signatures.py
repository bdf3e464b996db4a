"""One signature of a SavedModel that a user names."""

from __future__ import annotations

from typing import Any

from schemas.errors import InputError
from trainer_modules.weights.saved_model_guard import load_guarded


def load_signature(model_dir: str, name: str, purpose: str) -> tuple[Any, Any]:
    """Loads a SavedModel and finds a signature in it.

    Args:
        model_dir: Folder of the SavedModel.
        name: Name of the signature.
        purpose: What the signature does, for the message.

    Returns:
        The loaded object, which owns the variables that the signature uses and must be kept, and
        the signature.

    Raises:
        InputError: The folder holds no readable SavedModel, one that does more than compute, or
            none with that signature.
    """
    where = f"model '{model_dir}'"
    model = load_guarded(model_dir, f"{where} is not a readable SavedModel")
    if name not in model.signatures:
        raise InputError(
            f"{where} has the signatures {sorted(model.signatures)}, it needs '{name}' ({purpose})"
        )
    return model, model.signatures[name]
