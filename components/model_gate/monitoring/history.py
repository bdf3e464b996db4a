"""Looks at new data of a released model, a line each in a file, and what each may spend of alpha.

Look k may raise a false alarm with chance alpha / (k (k + 1)); over any number of looks, these add
up to alpha at most. The bound needs no independence: all looks share the blessed table, whose error
they have in common, so that e-values of single looks could not simply be multiplied.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from schemas.documents.monitoring import Look
from schemas.errors import InputError

FILE = "monitor_history.jsonl"


def spent(alpha: float, look: int) -> float:
    """What a look may spend."""
    return alpha / (look * (look + 1))


class History:
    """The looks at new data of one verdict; its file is locked while it is open."""

    def __init__(self, file: BinaryIO, path: str, verdict: str):
        """Reads the file.

        Raises:
            InputError: A line is damaged.
        """
        self._file, self._path = file, path
        content = file.read()
        if content and not content.endswith(b"\n"):
            raise self._damaged(content.count(b"\n") + 1, "it ends within the line")
        lines = content.splitlines()
        looks = [self._look(number, line) for number, line in enumerate(lines, start=1)]
        self.looks = tuple(one for one in looks if one.verdict == verdict)
        if [one.look for one in self.looks] != list(range(1, len(self.looks) + 1)):
            raise InputError(
                f"history '{path}' is damaged: looks at one verdict are not numbered 1, 2, 3, ..."
                f"; {self._mend}"
            )

    _mend = "restore it from a copy: without it, looks would be counted anew"

    def earlier(self, data: str) -> Look | None:
        """The look at the same data; None if they are new."""
        return next((one for one in self.looks if one.data == data), None)

    def check_alpha(self, alpha: float) -> None:
        """Refuses another alpha than that of the looks so far.

        Raises:
            InputError: It differs.
        """
        for one in self.looks:
            if one.alpha != alpha:
                raise InputError(
                    f"--alpha {alpha:g}: history '{self._path}' was begun with {one.alpha:g}; keep "
                    "it, or begin another history, whose alarms come on top of this one's"
                )

    def add(self, look: Look) -> None:
        """Appends a look.

        Raises:
            InputError: The file can't be written.
        """
        line = look.model_dump_json().encode() + b"\n"
        try:
            self._file.seek(0, os.SEEK_END)
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise InputError(f"history '{self._path}' can't be written: {error.strerror}") from None

    def _look(self, number: int, line: bytes) -> Look:
        try:
            return Look.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise self._damaged(
                number, f"{where}: {first['msg']}" if where else "no JSON"
            ) from None

    def _damaged(self, number: int, why: str) -> InputError:
        return InputError(f"history '{self._path}', line {number} is damaged: {why}; {self._mend}")


@contextlib.contextmanager
def opened(path: str, verdict: str) -> Iterator[History]:
    """The history, locked until the block ends; an absent file is begun.

    Raises:
        InputError: The file can't be written, is damaged, or in use.
    """
    there = Path(path).exists()
    try:
        file = open(path, "a+b")  # noqa: SIM115
    except OSError as error:
        raise InputError(
            f"history '{path}' can't be written: {error.strerror}; name another by --history"
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"history '{path}': another monitor is using it") from None
        file.seek(0)
        try:
            yield History(file, path, verdict)
        finally:
            # Nothing was looked at: leave no empty file behind.
            if not there and not os.path.getsize(path):
                os.unlink(path)
