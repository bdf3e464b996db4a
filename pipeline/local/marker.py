"""The marker of a folder that a run made: without it, no run writes into what is not empty."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

from pipeline.local.places import Place
from schemas.documents.run import RunMarker
from schemas.errors import InputError, some_of

LOCK = ".lock"
_ACCEPTED = f"accepted: a new or empty folder, or one of an earlier run (it has {RunMarker.FILE})"
# An empty folder may have them: the lock of a run that ended early, what formatting a disk makes.
_NOTHING = frozenset((LOCK, "lost+found"))
_SHOWN = 3


def check_ours(place: Place, of_earlier_version: Callable[[Path], bool]) -> bool:
    """Refuses a folder that holds something and that no run made; changes nothing.

    Args:
      place: The folder, which need not exist.
      of_earlier_version: Recognizes a folder of a version without markers.

    Returns:
      Whether it is a folder of a version without markers.

    Raises:
      InputError: Says how much it holds, and what is accepted.
    """
    if not place.path.exists():
        return False
    entries = sorted({entry.name for entry in place.path.iterdir()} - _NOTHING)
    if not entries:
        return False
    if RunMarker.FILE in entries:
        _read(place)
        return False
    if of_earlier_version(place.path):
        return True
    what = f"{len(entries)} files or folders ({some_of(entries, _SHOWN)})"
    raise InputError(f"{place} holds {what}, and no run made it; {_ACCEPTED}")


def mark(folder: Path, pipeline: str, *, adopted: bool) -> None:
    """Marks an existing folder, unless it is marked."""
    if not (folder / RunMarker.FILE).exists():
        now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        RunMarker(pipeline=pipeline, created=now, adopted=adopted).write(folder)


def _read(place: Place) -> None:
    try:
        RunMarker.read(place.path)
    except (InputError, OSError) as error:
        raise InputError(
            f"{place}: its marker {RunMarker.FILE} can't be read ({error}); {_ACCEPTED}"
        ) from None
