"""Our own errors. Plain Python, so that runners catch them without TFX."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from schemas.printable import printable

_NO_PERMISSION = (errno.EACCES, errno.EPERM, errno.EROFS)
# TensorFlow's own error, recognized by name so that nothing here imports it.
_NO_PERMISSION_NAME = "PermissionDeniedError"


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


def mistake_behind(error: BaseException | None) -> InputError | None:
    """The user's mistake behind an exception of Beam or TFX, if there is one.

    A path without permission to read or write counts as one.
    """
    while error is not None:
        if isinstance(error, InputError):
            return error
        refused = isinstance(error, OSError) and error.errno in _NO_PERMISSION
        if refused or type(error).__name__ == _NO_PERMISSION_NAME:
            return InputError(
                f"no permission: {str(error).splitlines()[0]}; let the run's user read and write "
                "there, or name another path"
            )
        error = error.__cause__ or error.__context__
    return None


class Diverged(RuntimeError):
    """Training ended because its loss was no longer finite."""


def some_of(items: Sequence[object], most: int = 5, total: int | None = None) -> str:
    """A list for a message: the first few, and how many more; `total` if not all are given."""
    if not items:
        return "none"
    more = (len(items) if total is None else total) - most
    return "; ".join(map(str, items[:most])) + (f"; and {more} more" if more > 0 else "")
