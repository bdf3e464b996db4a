"""Exported classifiers on disk: the newest version in a folder, and its card."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from components.image_example_gen.settings import DataSettings
from schemas.documents.cards import ClassifierCard
from schemas.errors import InputError
from schemas.model_versions import GRAPH, versions
from trainer_modules.settings import TaskSettings

_BLOCK = 1 << 20
# Folders of versions below what a user may name: such a folder, a push destination, a run.
_PLACES = ("", "classifier", "pushed/classifier")


@dataclasses.dataclass(frozen=True)
class Classifier:
    """An exported classifier, and how its run read images and labels."""

    folder: Path
    card: ClassifierCard
    task: TaskSettings
    data: DataSettings


def model_digest(folder: Path) -> str:
    """SHA-256 over the graph and the variables of a SavedModel."""
    digest = hashlib.sha256()
    variables = sorted(path for path in (folder / "variables").glob("*") if path.is_file())
    files = [folder / GRAPH, *variables]
    for path in files:
        digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()


def find_model(place: str) -> Path:
    """The SavedModel that a user names: the folder itself, or the newest version in it.

    Args:
        place: A SavedModel, a folder of versions, a push destination, or the output of a run.

    Raises:
        InputError: There is none.
    """
    folder = Path(place).expanduser()
    if not folder.is_dir():
        raise InputError(f"model '{place}' is not a folder")
    if (folder / GRAPH).is_file():
        return folder
    for below in _PLACES:
        if found := versions(folder / below):
            return found[0].folder
    run = (folder / "summary.json").is_file()
    raise InputError(
        f"model '{place}' "
        + ("is a run that pushed no model" if run else "contains no exported model")
        + "; accepted are a SavedModel, a folder of pushed versions, or a run that pushed one"
    )


def open_classifier(place: str, part: str = "") -> Classifier:
    """Finds a classifier and reads its card.

    Args:
        place: See `find_model`.
        part: Which data set's settings to apply, of a model trained on several.

    Raises:
        InputError: There is none, or its card does not say how it was trained.
    """
    folder = find_model(place)
    try:
        card = ClassifierCard.read(folder)
    except OSError:
        raise InputError(
            f"model '{folder}' has no {ClassifierCard.FILE}: no run exported it"
        ) from None
    if card.ingestion is None or card.task is None:
        raise InputError(
            f"model '{folder}' does not say how its images were read: an earlier version exported "
            "it; run the pipeline again"
        )
    try:
        task = TaskSettings.model_validate(card.task)
        data = DataSettings.model_validate(_own_data(card.ingestion.data, part))
    except (ValidationError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"model '{folder}' was exported by another version of this code: {error}"
        ) from None
    return Classifier(folder, card, task, data)


def _own_data(data: dict[str, Any], part: str) -> dict[str, Any]:
    """The settings as for a manifest, whose folder is not known yet."""
    own = dict(data)
    parts = {one["name"] or one["source"]: one for one in own.pop("parts")}
    if part and part not in parts:
        accepted = ", ".join(parts) or "none: the model was trained on one data set"
        raise InputError(f"--part '{part}' is not a data set of the model; accepted: {accepted}")
    if parts:
        judged = {name: one for name, one in parts.items() if one["role"] != "unlabeled"}
        if not part and len({str(one["intensity"]) for one in judged.values()}) > 1:
            raise InputError(
                "the model was trained on data sets with different data.intensity; name the "
                f"one that the images resemble with --part: {', '.join(parts)}"
            )
        chosen = parts[part] if part else next(iter(judged.values()))
        own |= {name: value for name, value in chosen.items() if name not in ("role", "name")}
    return own | {"source": "manifest", "root": "."}
