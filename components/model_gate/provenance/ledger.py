"""The ledger beside a test set: JSON lines that count the models judged on it.

It holds digests, numbers and times, no ids. Each line has the digest of the line before, so that a
line that is changed, lost or put in between is found.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from components.model_gate.policy.settings import GateSettings
from components.model_gate.provenance import reuse
from schemas import locked_lines
from schemas.documents.document import Part
from schemas.documents.provenance import Digests, Reuse, ReuseRule
from schemas.errors import InputError
from schemas.version import VERSION

NAME = "gate_ledger.jsonl"
_WHAT = "ledger"

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
    with locked_lines.locked(path, _WHAT) as handle:
        lines = locked_lines.read(path, _WHAT, handle)
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
        locked_lines.append(path, _WHAT, handle, line)
    message = found.message
    if other_policy:
        message += "; it was judged on it before under another policy"
    return found.model_copy(update={"entry": _digest(line), "message": message})


def looks(path: str, digests: Digests) -> list[int]:
    """Numbers of the looks that a model has in a ledger: one, or none.

    Raises:
        InputError: It can't be read, or is damaged.
    """
    with locked_lines.locked(path, _WHAT, create=False) as handle:
        entries = _entries(path, locked_lines.read(path, _WHAT, handle))
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


def _damaged(path: str, number: int, why: str) -> InputError:
    return locked_lines.damaged(path, _WHAT, number, why)


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


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def beside(predictions: str) -> str:
    """The ledger beside a table; empty for what is not a file, such as a pipe."""
    path = Path(predictions)
    return str(path.parent / NAME) if path.is_file() else ""
