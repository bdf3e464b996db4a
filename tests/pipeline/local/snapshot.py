"""The state of a folder, to see that a refused command changed nothing."""

from __future__ import annotations

import os
from pathlib import Path


def snapshot(folder: Path) -> dict[str, object]:
    """Content, target or kind of everything below a folder, with the time of its last change."""
    state: dict[str, object] = {}
    for path in [folder, *folder.rglob("*")]:
        status = path.lstat()
        content: object = status.st_mode
        if path.is_symlink():
            content = os.readlink(path)
        elif path.is_file():
            content = path.read_bytes()
        state[str(path)] = (content, status.st_mode, status.st_mtime_ns)
    return state
