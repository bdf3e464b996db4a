"""A lock that one process holds on a file, until it releases the file or ends."""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from schemas.errors import InputError
from schemas.printable import printable

_TAKEN = (errno.EACCES, errno.EAGAIN)
_PAUSE = 0.1
_MOST_OF_NOTE = 500


@contextlib.contextmanager
def held(path: Path, what: str, *, wait: float = 0.0) -> Iterator[None]:
    """Holds the lock; the file is created and then names the process that holds it.

    Args:
      path: The file, which stays: removing it would let two processes lock two files.
      what: What the lock protects, the beginning of messages.
      wait: Seconds to wait for another process.

    Raises:
      InputError: Another process holds it, or it can't be created or locked.
    """
    deadline = time.monotonic() + wait
    try:
        descriptor = _opened(path)
    except OSError as error:
        raise InputError(f"{what}: '{path}' can't be locked: {error.strerror}") from None
    try:
        while not _taken(descriptor, path, what):
            if time.monotonic() >= deadline:
                raise InputError(_in_use(path, what))
            time.sleep(_PAUSE)
        with contextlib.suppress(OSError):  # a full disk; the lock holds without the note, too
            os.ftruncate(descriptor, 0)
            os.write(descriptor, _note())
        yield
    finally:
        # Processes forked from this one share the descriptor, so closing it is not enough.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _opened(path: Path) -> int:
    flags = os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o644)
    except PermissionError:
        # Another user's file; a lock needs no permission to write.
        return os.open(path, os.O_RDONLY | flags)


def check_free(path: Path, what: str) -> None:
    """Raises InputError if another process holds the lock; changes nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return  # no lock yet; if it can't be opened, `held` tells why
    try:
        if not _taken(descriptor, path, what):
            raise InputError(_in_use(path, what))
    finally:
        os.close(descriptor)


def _taken(descriptor: int, path: Path, what: str) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        raise InputError(f"{what}: '{path}' can't be locked: {error.strerror}") from None
    return True


def _note() -> bytes:
    since = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    note = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
    return json.dumps(note).encode() + b"\n"


def _in_use(path: Path, what: str) -> str:
    try:
        with path.open("rb") as file:
            note = json.loads(file.read(_MOST_OF_NOTE))
        who = printable(f"process {note['pid']} on {note['host']}, since {note['since']}")
    except (OSError, ValueError, KeyError, TypeError):
        who = "it left no name"
    return f"{what} is in use by another run ({who}); wait for it or give another folder"
