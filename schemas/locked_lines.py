"""Files of lines to which several processes append: one reads and writes at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Iterator

from schemas.errors import InputError
from schemas.printable import printable

# Of a hundred thousand lines; anything larger is another file.
MOST_BYTES = 64 << 20
_WAIT_SECONDS = 30.0
_PAUSE_SECONDS = 0.05


@contextlib.contextmanager
def locked(path: str, what: str, create: bool = True) -> Iterator[int]:
    """An open file that nobody else reads or writes meanwhile.

    Args:
        path: The file.
        what: It is, for messages.
        create: Whether it is begun where there is none, and written to.

    Raises:
        InputError: It can't be opened, or is not a file, or locked for too long.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC | (os.O_CREAT if create else 0)
    try:
        handle = os.open(path, flags if create else os.O_RDONLY | os.O_NONBLOCK, 0o666)
    except OSError as error:
        raise InputError(f"{what} '{path}' can't be opened: {error.strerror}") from None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise InputError(f"{what} '{path}' is not a file")
        _wait(path, what, handle, fcntl.LOCK_EX if create else fcntl.LOCK_SH)
        yield handle
    finally:
        os.close(handle)


def read(path: str, what: str, handle: int) -> list[bytes]:
    """The lines of a locked file.

    Raises:
        InputError: It is too large, or its last line is not complete.
    """
    if os.fstat(handle).st_size > MOST_BYTES:
        raise InputError(f"{what} '{path}' is larger than {MOST_BYTES >> 20} MB: another file?")
    with os.fdopen(os.dup(handle), "rb") as stream:
        stream.seek(0)
        content = stream.read(MOST_BYTES + 1)
    if content and not content.endswith(b"\n"):
        raise damaged(path, what, content.count(b"\n") + 1, "the line is not complete")
    return content.split(b"\n")[:-1]


def append(path: str, what: str, handle: int, line: bytes) -> None:
    """Adds a line in one write, or nothing.

    Raises:
        InputError: It can't be written.
    """
    size = os.fstat(handle).st_size
    try:
        if os.write(handle, line + b"\n") != len(line) + 1:
            os.ftruncate(handle, size)
            raise OSError(0, "no space left")
        os.fsync(handle)
    except OSError as error:
        raise InputError(f"{what} '{path}' can't be written: {error.strerror}") from None


def damaged(path: str, what: str, number: int, why: str) -> InputError:
    """The error about a line."""
    return InputError(
        f"{what} '{path}' is damaged in line {number}: {printable(why)[:120]}; restore it from a "
        "copy (a new one would count from 1 again)"
    )


def _wait(path: str, what: str, handle: int, kind: int) -> None:
    end = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise InputError(
                    f"{what} '{path}' is locked by another process for {_WAIT_SECONDS:.0f} s"
                ) from None
            time.sleep(_PAUSE_SECONDS)
        except OSError as error:
            raise InputError(f"{what} '{path}' can't be locked: {error.strerror}") from None
        else:
            return
