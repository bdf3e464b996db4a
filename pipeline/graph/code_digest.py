"""Digests of our own source, which TFX's cache key does not see.

Each node's digest covers what its result depends on: edit a component and it runs again, edit the
trainers and they and everything after them run again.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {".py", ".html", ".css", ".md"}


def code_digest(*places: str) -> str:
    """SHA-256 over the names and bytes of source files.

    Args:
      *places: Files or folders relative to the repository's root.
    """
    digest = hashlib.sha256()
    for place in places:
        path = ROOT / place
        files = [path] if path.is_file() else sorted(path.rglob("*"))
        for file in files:
            if file.is_file() and file.suffix in SOURCES:
                digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]
