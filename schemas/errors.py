"""Our own errors. Plain Python, so that runners catch them without TFX."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from schemas.printable import printable

_NO_PERMISSION = (errno.EACCES, errno.EPERM, errno.EROFS)
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# TensorFlow's own error, recognized by name so that nothing here imports it.
_NO_PERMISSION_NAME = "PermissionDeniedError"
# What TensorFlow, Arrow, HDF5 and SQLite (of ML Metadata) say in errors of their own.
_NO_PERMISSION_TEXTS = ("attempt to write a readonly database", "unable to open database file")
_NO_SPACE_TEXTS = ("No space left on device", "Disk quota exceeded", "database or disk is full")


class InputError(ValueError):
    """A file or setting of the user is missing, malformed or contradictory (exit status 2).

    The message names the file or setting, the value received and what is accepted.

    Attributes:
        local: what only the terminal of the user may show, for example the name of an image's
            file: it can identify a patient, and messages reach reports and logs.
    """

    def __init__(self, message: str, local: str = ""):
        super().__init__(message)
        self.local = local

    def on_terminal(self) -> str:
        """The message with what only the user may see."""
        message = "\n".join(map(printable, str(self).split("\n")))
        return f"{message} ({printable(self.local)})" if self.local else message


def mistake_behind(error: BaseException | None, place: str = "") -> InputError | None:
    """The user's mistake behind an exception of Beam or TFX, if there is one.

    A place without space, or without permission to read or write, counts as one.

    Args:
        error: The exception.
        place: The folder that was written to, for errors that do not name one.
    """
    while error is not None:
        if isinstance(error, InputError):
            return error
        number = error.errno if isinstance(error, OSError) else None
        text = str(error)
        if number in _NO_SPACE or any(known in text for known in _NO_SPACE_TEXTS):
            return InputError(
                f"no space left: {_line_with(_NO_SPACE_TEXTS, error, place)}; free some, raise "
                "the quota or name another path"
            )
        refused = number in _NO_PERMISSION or type(error).__name__ == _NO_PERMISSION_NAME
        if refused or any(known in text for known in _NO_PERMISSION_TEXTS):
            return InputError(
                f"no permission: {_line_with(_NO_PERMISSION_TEXTS, error, place)}; let the run's "
                "user read and write there, or name another path"
            )
        error = error.__cause__ or error.__context__
    return None


def _line_with(texts: Sequence[str], error: BaseException, place: str) -> str:
    """The line of a message that says what happened, with a place if it names none."""
    lines = str(error).splitlines() or [type(error).__name__]
    line = next((one for one in lines if any(text in one for text in texts)), lines[0])
    named = "/" in line or (isinstance(error, OSError) and error.filename)
    return line if named or not place else f"{line} (in '{place}')"


class Diverged(RuntimeError):
    """Training ended because its loss was no longer finite."""


def some_of(items: Sequence[object], most: int = 5, total: int | None = None) -> str:
    """A list for a message: the first few, and how many more; `total` if not all are given."""
    if not items:
        return "none"
    more = (len(items) if total is None else total) - most
    return "; ".join(map(str, items[:most])) + (f"; and {more} more" if more > 0 else "")
