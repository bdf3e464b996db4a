"""Weights from a TF2 SavedModel of BiT or REMEDIS (TF-Hub layout), for our own backbone.

The module itself never runs: its variables are matched with the backbone's by name and shape, so
that training can continue with current TensorFlow.
"""

from __future__ import annotations

import re
from pathlib import Path

import keras
import numpy as np

from schemas.errors import InputError, some_of

_SUFFIX = re.compile(r":\d+$")


def load_saved_model(backbone: keras.Model, folder: Path) -> int:
    """Loads the variables of a SavedModel into a BiT backbone; ignores the classification head.

    Args:
        backbone: What `build_backbone` returned, family `bit`.
        folder: The folder that holds `saved_model.pb`.

    Returns:
        The number of arrays loaded.

    Raises:
        InputError: The folder is not a TF2 SavedModel, or its variables do not match the backbone.
    """
    wanted = {variable.path: variable for variable in backbone.weights}
    found = _variables(folder, {path.split("/")[0] for path in wanted})
    differences = [f"lacks {path}" for path in wanted if path not in found]
    differences += [f"has {path}, which the backbone lacks" for path in found if path not in wanted]
    differences += [
        f"{path} is {found[path].dtype} {found[path].shape}, expected float32 {tuple(w.shape)}"
        for path, w in wanted.items()
        if path in found
        and (found[path].shape != tuple(w.shape) or found[path].dtype != np.float32)
    ]
    if differences:
        raise InputError(
            f"{folder} cannot be mapped to the configured {backbone.name}: {len(differences)} "
            f"differences: {some_of(sorted(differences))}. Check model.family, depth and width, or "
            "use the .npz file of the same model (model.init.source=bit_npz)"
        )
    for path, variable in wanted.items():
        variable.assign(found[path])
    return len(wanted)


def _variables(folder: Path, layers: set[str]) -> dict[str, np.ndarray]:
    """Variables, except the head's, by their names from the first of these layers on."""
    from trainer_modules.weights.saved_model_guard import load_guarded

    module = load_guarded(str(folder), f"{folder} is not a complete TF2 SavedModel")
    variables = getattr(module, "variables", None)
    if not variables:
        raise InputError(f"{folder} is a SavedModel without a list of variables: not a TF2 module")
    found: dict[str, np.ndarray] = {}
    for variable in variables:
        name = _SUFFIX.sub("", variable.name)
        if "/head/" in f"/{name}" or not variable.dtype.is_floating:
            continue
        scopes = name.split("/")
        first = next((place for place, scope in enumerate(scopes) if scope in layers), 0)
        name = "/".join(scopes[first:])
        if name in found:
            raise InputError(f"{folder} holds two variables named {name}")
        found[name] = variable.numpy()
    return found
