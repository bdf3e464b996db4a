"""First weights of the backbone: random, a released file or SavedModel, or an earlier encoder.

Every fault in a file is an `InputError` before training.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import keras
import numpy as np

from schemas import model_files
from schemas.documents.cards import EncoderCard, FirstWeights
from schemas.errors import InputError
from trainer_modules.settings import InitSettings
from trainer_modules.weights.bit_npz import load_bit_npz
from trainer_modules.weights.encoder import load_encoder
from trainer_modules.weights.saved_model import load_saved_model

_NEEDS = {
    "bit_npz": "a BiT .npz file",
    "encoder": f"an {Path(model_files.WEIGHTS).name}",
    "saved_model": "the folder of a TF2 SavedModel",
}


def initialize(backbone: keras.Model, settings: InitSettings) -> FirstWeights:
    """Loads the backbone's first weights.

    Args:
        backbone: What `build_backbone` returned.
        settings: `random`; `bit_npz` with the path of a released BiT `.npz`; or `encoder` with the
            path of an `encoder.weights.h5`, or of a pushed or exported model's folder; or
            `saved_model` with the folder of a BiT or REMEDIS TF2 SavedModel.

    Returns:
        Provenance: the source and, for a file, its name, sha256 and number of arrays loaded.

    Raises:
        InputError: The file is missing, damaged, or does not fit the backbone.
    """
    if settings.source == "random":
        return FirstWeights(source="random")
    path = _existing_file(settings)
    found = describe(settings)
    load = {
        "bit_npz": load_bit_npz,
        "encoder": load_encoder,
        "saved_model": load_saved_model,
    }[settings.source]
    arrays = load(backbone, path)
    for variable in backbone.weights:
        if not np.isfinite(variable.numpy()).all():
            raise InputError(f"{path}: {variable.path} holds values that are not finite")
    return found.model_copy(update={"arrays": arrays})


def describe(settings: InitSettings) -> FirstWeights:
    """Source, name and sha256 of the file or folder that the settings name.

    Raises:
        InputError: It is missing, or its digest is not `sha256`.
    """
    path = _existing_file(settings)
    digest = _sha256(path)
    if settings.sha256 and digest != settings.sha256:
        raise InputError(
            f"model.init.sha256: {path} has sha256 {digest}, expected {settings.sha256}; "
            "the file is damaged or is a different one"
        )
    return FirstWeights(source=settings.source, file=path.name, sha256=digest)


def initialize_from_upstream(backbone: keras.Model, folder: str) -> FirstWeights:
    """Loads the weights that the Upstream Trainer exported.

    Returns:
        Provenance: as `initialize`, plus `trained_on` of the card beside the weights.
    """
    found = initialize(backbone, InitSettings(source="encoder", path=folder))
    card = EncoderCard.read(folder)
    return found.model_copy(update={"source": "upstream", "trained_on": card.trained_on})


def _existing_file(settings: InitSettings) -> Path:
    path = Path(settings.path).expanduser()
    if settings.source == "encoder" and path.is_dir():
        candidates = (path / Path(model_files.WEIGHTS).name, path / model_files.WEIGHTS)
        path = next((file for file in candidates if file.is_file()), candidates[0])
    needed = path / "saved_model.pb" if settings.source == "saved_model" else path
    if not needed.is_file():
        raise InputError(
            f"model.init.path: no file {needed}; source '{settings.source}' needs "
            f"{_NEEDS[settings.source]}"
        )
    return path


def _sha256(path: Path) -> str:
    """Digest of a file, or of the digests of a folder's files, sorted by name."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return hashlib.sha256("".join(map(_sha256, files)).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
