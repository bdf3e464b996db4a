"""The last pushed model, found in the push destination.

It uses no Resolver: the folder shows what is being served, and the same graph runs on Kubeflow,
which has no Resolver.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from pathlib import Path

_GRAPH = "saved_model.pb"
# Pusher names versions by a time stamp. Anything else in the folder is not a version.
_VERSION = re.compile(r"[0-9]{1,18}", re.ASCII)
_BLOCK = 1 << 20


@dataclasses.dataclass(frozen=True)
class PushedModel:
    """A version folder."""

    version: str
    folder: Path


def last_pushed(baseline_dir: str, candidate: str) -> PushedModel | None:
    """The newest pushed model that is not the candidate itself.

    The gate may judge a model that was already pushed; compared with itself, it would always pass.

    Args:
        baseline_dir: The push destination; may be missing.
        candidate: Folder of the exported model that is being judged.

    Raises:
        OSError: A version folder can't be read, or `baseline_dir` is not a path: treating an
            address as an empty folder would silently waive the comparison.
    """
    if "://" in baseline_dir:
        raise OSError("it is an address; give the path of a mounted folder")
    pushed = _versions(Path(baseline_dir))
    if not pushed:
        return None
    own = model_digest(Path(candidate))
    return next((model for model in pushed if model_digest(model.folder) != own), None)


def model_digest(folder: Path) -> str:
    """SHA-256 over the graph and the variables of a SavedModel."""
    digest = hashlib.sha256()
    files = [folder / _GRAPH, *sorted((folder / "variables").glob("*"))]
    for path in files:
        digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()


def folder_size(folder: Path) -> int:
    """Size in bytes of all files under a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _versions(folder: Path) -> list[PushedModel]:
    """Complete versions, newest first."""
    if not folder.is_dir():
        return []
    found = [
        PushedModel(entry.name, entry)
        for entry in folder.iterdir()
        if _VERSION.fullmatch(entry.name) and (entry / _GRAPH).is_file()
    ]
    return sorted(found, key=lambda model: int(model.version), reverse=True)
