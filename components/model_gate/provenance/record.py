"""The record of what a verdict was made from, and the look at the test set that it is."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from components.model_gate.policy.settings import GateSettings
from components.model_gate.provenance import digests, ledger, reuse
from components.statistics import recalibration
from schemas.documents.provenance import Digests, Provenance, Reuse
from schemas.version import VERSION
from trainer_modules.settings import TaskSettings

if TYPE_CHECKING:
    import pandas as pd

_LIBRARIES = ("numpy", "pandas", "pyarrow", "scipy")
_COMPONENTS = Path(__file__).resolve().parents[2]
_JUDGING = ("model_gate", "statistics")


def digests_of(
    table: pd.DataFrame,
    task: TaskSettings,
    settings: GateSettings,
    *,
    given: pd.DataFrame | None = None,
    images: Sequence[str] | None = None,
    model: str | None = None,
) -> Digests:
    """Digests of everything that is judged.

    Args:
        table: Judged predictions, columns as the Predictor writes them.
        task: What is predicted.
        settings: The policy.
        given: The table of predictions as it was given; None for a model.
        images: Ids of the judged images; None if the table has none.
        model: Digest of the model's files; None for a table.
    """
    shared = digests.test_set(table, task.targets, images)
    return Digests(
        predictions=None if given is None else digests.predictions(given),
        test_set=digests.content(shared),
        scores=digests.content(shared | digests.scores(table, task.targets)),
        model=model,
        policy=digests.policy(settings),
    )


def look(place: str, why_not: str, found: Digests, settings: GateSettings) -> Reuse:
    """Which look at the test set this is.

    Args:
        place: The ledger; empty: not counted.
        why_not: Why there is none.
        found: What is judged.
        settings: The policy.

    Raises:
        InputError: The ledger can't be read or written, or is damaged.
    """
    return ledger.counted(place, found, settings) if place else reuse.uncounted(settings, why_not)


def notes(found: Reuse) -> list[str]:
    """What the verdict warns of: a look that is not the first, or that nobody counted."""
    return [] if found.look == 1 else [found.message]


def provenance(found: Digests, task: TaskSettings, subgroups: Sequence[str]) -> Provenance:
    """The record, with this software's versions and the time."""
    return Provenance(
        digests=found,
        version=VERSION,
        code=code(),
        seed=recalibration.SEED,
        judged_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        libraries={"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in _LIBRARIES},
        task=task.model_dump(mode="json"),
        subgroups=tuple(subgroups),
    )


@functools.cache
def code() -> str:
    """SHA-256 over the lines of `sha256sum` of the modules that judge."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(_COMPONENTS)}\n"
        for folder in _JUDGING
        for path in sorted((_COMPONENTS / folder).rglob("*.py"))
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
