"""Publishes a folder as the newest version in another one: whole, or not at all.

A server takes the highest number for the newest version, as soon as the folder of that name
exists. So the copy is made under a hidden name, is compared with the original, has to answer, and
is then renamed, which a file system does at once. A process that is killed before that leaves a
hidden folder, which the next one removes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from schemas import file_lock
from schemas.errors import InputError
from schemas.model_versions import highest_number, versions

_LOCK = ".{}.push.lock"
_INCOMING = ".incoming-"
_WAIT_SECONDS = 600.0
_BLOCK = 1 << 20


@dataclasses.dataclass(frozen=True)
class Published:
    """A version and its folder; `copied` is false if the newest version was this model already."""

    version: str
    folder: Path
    copied: bool


def publish(source: Path, destination: Path, check: Callable[[Path], None]) -> Published:
    """Makes a copy of a SavedModel the newest version in a folder.

    Args:
      source: The SavedModel.
      destination: The folder of versions, created if missing.
      check: Raises an exception if the copy, at the path that it gets, does not answer.

    Raises:
      InputError: Another process has been publishing there for ten minutes, or the copy differs
        from the original.
      OSError: The folder can't be written to, or the disk is full.
    """
    try:
        destination.mkdir(parents=True, exist_ok=True)
        what = f"push destination '{destination}'"
        # Beside the folder, which has versions and nothing else.
        place = destination.resolve()
        lock = place.with_name(_LOCK.format(place.name))
        with file_lock.held(lock, what, wait=_WAIT_SECONDS):
            return _publish(source, destination, check)
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(destination)
        raise


def _publish(source: Path, destination: Path, check: Callable[[Path], None]) -> Published:
    _remove_leftovers(destination)
    original = digests(source)
    newest = next(iter(versions(destination)), None)
    if newest is not None and digests(newest.folder) == original:
        return Published(newest.version, newest.folder, copied=False)
    version = _next_version(destination)
    incoming = destination / f"{_INCOMING}{version}-{secrets.token_hex(4)}"
    final = destination / version
    try:
        _copy(source, incoming)
        if digests(incoming) != original:
            raise InputError(
                f"push destination '{destination}': the copy differs from the model '{source}'; "
                "nothing was pushed. Check the disk, and run again"
            )
        check(incoming)
        incoming.rename(final)
        _sync(destination)
    except BaseException:
        shutil.rmtree(incoming, ignore_errors=True)
        raise
    return Published(version, final, copied=True)


def holds_model(folder: Path) -> bool:
    """Whether a pushed version is still where it was put, complete as far as names tell."""
    return any(model.folder == folder for model in versions(folder.parent))


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by its relative path; empty folders have none."""
    return {str(path.relative_to(folder)): _digest(path) for path in _files(folder)}


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        kind = path.lstat().st_mode
        if stat.S_ISREG(kind):
            yield path
        elif not stat.S_ISDIR(kind):
            raise InputError(f"'{path}' in a model is neither a file nor a folder")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _next_version(destination: Path) -> str:
    """The time, as TFX's Pusher has it, or one more than the highest number if that is later."""
    return str(max(int(time.time()), highest_number(destination) + 1))


def _copy(source: Path, target: Path) -> None:
    """Copies every file to the disk itself, not only to the system's memory."""
    target.mkdir()
    for path in _files(source):
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as read, copy.open("xb") as written:
            while block := read.read(_BLOCK):
                written.write(block)
            written.flush()
            os.fsync(written.fileno())
    for folder in [*(path for path in target.rglob("*") if path.is_dir()), target]:
        _sync(folder)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_leftovers(destination: Path) -> None:
    """Removes what killed processes left; whoever has the lock knows that none is at work."""
    for path in destination.glob(f"{_INCOMING}*"):
        shutil.rmtree(path)
