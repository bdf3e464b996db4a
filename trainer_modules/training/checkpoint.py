"""Training state on disk: written atomically, the last two kept, damaged ones skipped.

A folder belongs to one digest (of settings, code and data), so a run can only continue a run that
would have computed the same result.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from absl import logging

from schemas.atomic_write import replacing

_KEPT = 2
_STATE = "state"


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """Everything a run needs to continue: arrays by group, and a JSON-able state."""

    state: dict[str, Any]
    arrays: dict[str, list[np.ndarray]]


def run_digest(settings: Any, code_digest: str, files: Iterable[tuple[str, int]]) -> str:
    """Name of a run's folder: a digest of everything that affects its result."""
    # An artifact's folder number changes when its files are recreated; split and name do not.
    listed = sorted((*pathlib.PurePath(name).parts[-2:], size) for name, size in files)
    text = json.dumps([settings, code_digest, listed], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class CheckpointStore:
    """The checkpoints of one run. `read_only`: another process writes and deletes them."""

    def __init__(self, root: str, run: str, *, read_only: bool = False) -> None:
        self._folder = pathlib.Path(root) / run
        self._read_only = read_only

    @property
    def folder(self) -> pathlib.Path:
        """The folder of the checkpoints, created with the first of them."""
        return self._folder

    def save(self, position: int, checkpoint: Checkpoint) -> None:
        """Writes a checkpoint under a temporary name, then renames it into place."""
        if self._read_only:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        arrays = {
            f"{group}/{number:05d}": array
            for group, members in checkpoint.arrays.items()
            for number, array in enumerate(members)
        }
        state = np.frombuffer(json.dumps(checkpoint.state).encode(), np.uint8)
        path = self._folder / f"checkpoint-{position:010d}.npz"
        with replacing(path) as partial, partial.open("wb") as file:
            np.savez(file, allow_pickle=False, **{_STATE: state}, **arrays)
            file.flush()
            os.fsync(file.fileno())
        for old in self._existing()[_KEPT:]:
            old.unlink(missing_ok=True)

    def latest(self, shapes: Mapping[str, Sequence[tuple[int, ...]]]) -> Checkpoint | None:
        """The newest checkpoint that can be read and fits the shapes of the named groups."""
        for path in self._existing():
            try:
                return _read(path, shapes)
            except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
                logging.warning("Checkpoint %s is unusable (%s); trying an older one.", path, error)
        return None

    def delete(self) -> None:
        """Removes the run's folder, once its result is exported."""
        if not self._read_only:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _existing(self) -> list[pathlib.Path]:
        """Newest first."""
        return sorted(self._folder.glob("checkpoint-*.npz"), reverse=True)


def _read(path: pathlib.Path, shapes: Mapping[str, Sequence[tuple[int, ...]]]) -> Checkpoint:
    with np.load(path, allow_pickle=False) as file:
        state = json.loads(file[_STATE].tobytes())
        arrays: dict[str, list[np.ndarray]] = {}
        for name in sorted(set(file.files) - {_STATE}):
            arrays.setdefault(name.split("/")[0], []).append(file[name])
    for group, expected in shapes.items():
        found = [array.shape for array in arrays.get(group, [])]
        if found != [tuple(shape) for shape in expected]:
            raise ValueError(f"its group '{group}' holds other shapes than the model")
    return Checkpoint(state, arrays)
