"""Loads one signature of a user's SavedModel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from schemas.errors import InputError
from trainer_modules.weights.saved_model_guard import load_guarded


def load_signature(model_dir: str, names: Sequence[str], purpose: str) -> tuple[Any, Any]:
    """Loads a SavedModel and finds a signature in it.

    Args:
        model_dir: Folder of the SavedModel.
        names: Names of the signature; the first that the model has.
        purpose: What the signature does, for the message.

    Returns:
        The loaded object and the signature. The object owns the signature's variables: keep it.

    Raises:
        InputError: The folder does not hold a readable SavedModel with that signature that only
            computes.
    """
    where = f"model '{model_dir}'"
    model = load_guarded(model_dir, f"{where} is not a readable SavedModel")
    for name in names:
        if name in model.signatures:
            return model, model.signatures[name]
    raise InputError(
        f"{where} has the signatures {sorted(model.signatures)}, it needs '{names[-1]}' ({purpose})"
    )
