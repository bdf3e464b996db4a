"""Loads one signature of a user's SavedModel."""

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
        The loaded object and the signature. The object owns the signature's variables: keep it.

    Raises:
        InputError: The folder does not hold a readable SavedModel with that signature that only
            computes.
    """
    where = f"model '{model_dir}'"
    model = load_guarded(model_dir, f"{where} is not a readable SavedModel")
    if name not in model.signatures:
        raise InputError(
            f"{where} has the signatures {sorted(model.signatures)}, it needs '{name}' ({purpose})"
        )
    return model, model.signatures[name]
