"""Looks at new data of a released model, a line each in a file, and what each may spend of alpha.

Look k may raise a false alarm with chance alpha / (k (k + 1)); over any number of looks, these add
up to alpha at most. The bound needs no independence: all looks share the blessed table, whose error
they have in common, so that e-values of single looks could not simply be multiplied.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pydantic import ValidationError

from schemas import locked_lines
from schemas.documents.monitoring import Look
from schemas.errors import InputError

FILE = "monitor_history.jsonl"
_WHAT = "history"


def spent(alpha: float, look: int) -> float:
    """What a look may spend."""
    return alpha / (look * (look + 1))


class History:
    """The looks at new data of one verdict; its file is locked while it is open."""

    def __init__(self, handle: int, path: str, verdict: str):
        """Reads the file.

        Raises:
            InputError: A line is damaged.
        """
        self._handle, self._path = handle, path
        lines = locked_lines.read(path, _WHAT, handle)
        looks = [self._look(number, line) for number, line in enumerate(lines, start=1)]
        self.looks = tuple(one for one in looks if one.verdict == verdict)
        for place, one in enumerate(self.looks, start=1):
            if one.look != place:
                number = looks.index(one) + 1
                raise self._damaged(number, f"look {one.look} is in the place of look {place}")

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
        line = look.model_dump_json().encode()
        locked_lines.append(self._path, _WHAT, self._handle, line)

    def _look(self, number: int, line: bytes) -> Look:
        try:
            return Look.model_validate_json(line)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            where = ".".join(map(str, fault["loc"]))
            raise self._damaged(number, f"{where}: {fault['msg']}".lstrip(": ")) from None

    def _damaged(self, number: int, why: str) -> InputError:
        return locked_lines.damaged(self._path, _WHAT, number, why)


@contextlib.contextmanager
def opened(path: str, verdict: str) -> Iterator[History]:
    """The history, locked until the block ends; an absent file is begun.

    Raises:
        InputError: The file can't be written, is damaged, or in use.
    """
    with locked_lines.locked(path, _WHAT) as handle:
        yield History(handle, path, verdict)
