"""The ledger beside a test set: JSON lines that count the models judged on it.

It holds digests, numbers and times, no ids. Each line has the digest of the line before, so that a
line that is changed, lost or put in between is found.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from components.model_gate.policy.settings import GateSettings
from components.model_gate.provenance import reuse
from schemas.documents.document import Part
from schemas.documents.provenance import Digests, Reuse, ReuseRule
from schemas.errors import InputError
from schemas.printable import printable
from schemas.version import VERSION

NAME = "gate_ledger.jsonl"
# Of a hundred thousand looks; anything larger is another file.
MOST_BYTES = 64 << 20
_WAIT_SECONDS = 30.0
_PAUSE_SECONDS = 0.05

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Entry(Part):
    """A line: one model, under one policy, on one test set."""

    version: Literal[1]
    test_set: Sha256
    look: int = Field(ge=1)
    model: Sha256 | None
    scores: Sha256
    policy: Sha256
    rule: ReuseRule
    alpha: float = Field(gt=0, lt=1)
    at: str = Field(max_length=40)
    software: str = Field(max_length=40)
    previous: Sha256 | Literal[""]

    def same_model(self, digests: Digests) -> bool:
        """Whether it is of this model: the same files, or the same scores and decisions."""
        same_files = self.model is not None and self.model == digests.model
        return same_files or self.scores == digests.scores


def counted(path: str, digests: Digests, settings: GateSettings) -> Reuse:
    """Counts a judgement, before it is made, and says at which level it is to be made.

    The same model again is the same look. A look that the policy refuses is not counted, as nothing
    is measured.

    Raises:
        InputError: The ledger can't be read or written, or is damaged.
    """
    with _locked(path) as handle:
        lines = _lines(path, handle)
        entries = _entries(path, lines)
        here = [one for one in entries if one.test_set == digests.test_set]
        mine = [one for one in here if one.same_model(digests)]
        look = mine[0].look if mine else max((one.look for one in here), default=0) + 1
        found = reuse.spent(settings, look, _alphas(here))
        other_policy = bool(mine) and all(one.policy != digests.policy for one in mine)
        if found.refused:
            return found
        known = [one for one in mine if one.policy == digests.policy]
        if known:
            place = entries.index(known[0])
            return found.model_copy(update={"entry": _digest(lines[place])})
        line = _line(digests, settings, found, _digest(lines[-1]) if lines else "")
        _append(path, handle, line)
    message = found.message
    if other_policy:
        message += "; it was judged on it before under another policy"
    return found.model_copy(update={"entry": _digest(line), "message": message})


def looks(path: str, digests: Digests) -> list[int]:
    """Numbers of the looks that a model has in a ledger: one, or none.

    Raises:
        InputError: It can't be read, or is damaged.
    """
    with _locked(path, create=False) as handle:
        entries = _entries(path, _lines(path, handle))
    return sorted(
        {
            one.look
            for one in entries
            if one.test_set == digests.test_set and one.same_model(digests)
        }
    )


def _alphas(entries: Sequence[Entry]) -> dict[int, float]:
    """What each look spent; a model judged under several policies spent the largest."""
    found: dict[int, float] = {}
    for one in entries:
        found[one.look] = max(one.alpha, found.get(one.look, 0.0))
    return found


@contextlib.contextmanager
def _locked(path: str, create: bool = True) -> Iterator[int]:
    """An open ledger that nobody else reads or writes meanwhile."""
    flags = os.O_RDWR | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC | (os.O_CREAT if create else 0)
    try:
        handle = os.open(path, flags if create else os.O_RDONLY | os.O_NONBLOCK, 0o666)
    except OSError as error:
        raise InputError(f"ledger '{path}' can't be opened: {error.strerror}") from None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise InputError(f"ledger '{path}' is not a file")
        _wait(path, handle, fcntl.LOCK_EX if create else fcntl.LOCK_SH)
        yield handle
    finally:
        os.close(handle)


def _wait(path: str, handle: int, kind: int) -> None:
    end = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise InputError(
                    f"ledger '{path}' is locked by another process for {_WAIT_SECONDS:.0f} s"
                ) from None
            time.sleep(_PAUSE_SECONDS)
        except OSError as error:
            raise InputError(f"ledger '{path}' can't be locked: {error.strerror}") from None
        else:
            return


def _lines(path: str, handle: int) -> list[bytes]:
    if os.fstat(handle).st_size > MOST_BYTES:
        raise InputError(f"ledger '{path}' is larger than {MOST_BYTES >> 20} MB: another file?")
    with os.fdopen(os.dup(handle), "rb") as stream:
        stream.seek(0)
        content = stream.read(MOST_BYTES + 1)
    if content and not content.endswith(b"\n"):
        raise _damaged(path, content.count(b"\n") + 1, "the line is not complete")
    return content.split(b"\n")[:-1]


def _entries(path: str, lines: Sequence[bytes]) -> list[Entry]:
    """The ledger's lines, each of which must follow from those before.

    Raises:
        InputError: One does not; the message names it.
    """
    entries: list[Entry] = []
    highest: dict[str, int] = {}
    previous = ""
    for number, line in enumerate(lines, start=1):
        try:
            entry = Entry.model_validate_json(line, strict=True)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            where = ".".join(map(str, fault["loc"]))
            raise _damaged(path, number, f"{where}: {fault['msg']}".lstrip(": ")) from None
        if entry.previous != previous:
            raise _damaged(path, number, "it does not follow the line before")
        most = highest.get(entry.test_set, 0)
        if entry.look > most + 1:
            raise _damaged(path, number, f"look {entry.look} follows look {most}")
        highest[entry.test_set] = max(most, entry.look)
        previous = _digest(line)
        entries.append(entry)
    return entries


def _damaged(path: str, number: int, what: str) -> InputError:
    return InputError(
        f"ledger '{path}' is damaged in line {number}: {printable(what)[:120]}; restore it from a "
        "copy (a new one would count from 1 again)"
    )


def _line(digests: Digests, settings: GateSettings, found: Reuse, previous: str) -> bytes:
    entry = Entry(
        version=1,
        test_set=digests.test_set,
        look=found.look or 1,
        model=digests.model,
        scores=digests.scores,
        policy=digests.policy,
        rule=settings.reuse.rule,
        alpha=found.alpha,
        at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        software=VERSION,
        previous=previous,
    )
    return json.dumps(entry.model_dump(mode="json"), sort_keys=True).encode()


def _append(path: str, handle: int, line: bytes) -> None:
    """Adds a line in one write, or nothing."""
    size = os.fstat(handle).st_size
    try:
        if os.write(handle, line + b"\n") != len(line) + 1:
            os.ftruncate(handle, size)
            raise OSError(0, "no space left")
        os.fsync(handle)
    except OSError as error:
        raise InputError(f"ledger '{path}' can't be written: {error.strerror}") from None


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def beside(predictions: str) -> str:
    """The ledger beside a table; empty for what is not a file, such as a pipe."""
    path = Path(predictions)
    return str(path.parent / NAME) if path.is_file() else ""
