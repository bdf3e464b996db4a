"""The versions of an exported model: folders whose names are numbers, the highest the newest."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

GRAPH = "saved_model.pb"
# Pusher names versions by a time stamp. Anything else in the folder is not a version.
_VERSION = re.compile(r"[0-9]{1,18}", re.ASCII)


@dataclasses.dataclass(frozen=True)
class PushedModel:
    """A version folder."""

    version: str
    folder: Path


def versions(folder: Path) -> list[PushedModel]:
    """Complete versions, newest first."""
    if not folder.is_dir():
        return []
    found = [
        PushedModel(entry.name, entry)
        for entry in folder.iterdir()
        if _VERSION.fullmatch(entry.name) and (entry / GRAPH).is_file()
    ]
    return sorted(found, key=lambda model: int(model.version), reverse=True)


def highest_number(folder: Path) -> int:
    """The highest version number in a folder, of incomplete versions too; 0 without any."""
    names = [entry.name for entry in folder.iterdir()]
    return max((int(name) for name in names if _VERSION.fullmatch(name)), default=0)
