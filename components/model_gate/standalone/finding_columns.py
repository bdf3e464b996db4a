"""Names of the columns of one finding, or of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from schemas.errors import InputError

LABEL, SCORE, BASELINE = "label", "score", "baseline_score"
DECISION = "decision"


class TargetColumns(NamedTuple):
    """Columns of one finding."""

    label: str
    score: str
    baseline: str
    decision: str


def targets_of(columns: Sequence[str]) -> dict[str, TargetColumns]:
    """Columns by finding: `label` and `score`, or `label/NAME` and `score/NAME` of each.

    Raises:
        InputError: There are none, both kinds, or one without the other.
    """
    prefix = f"{LABEL}/"
    names = [name.removeprefix(prefix) for name in columns if name.startswith(prefix)]
    if names and (LABEL in columns or SCORE in columns):
        raise InputError(
            f"predictions: columns '{LABEL}' or '{SCORE}' beside '{prefix}{names[0]}'; accepted: "
            f"{LABEL} and {SCORE}, or {LABEL}/NAME and {SCORE}/NAME of each finding"
        )
    if not names:
        return {LABEL: TargetColumns(LABEL, SCORE, BASELINE, DECISION)}
    found = {
        name: TargetColumns(
            f"{LABEL}/{name}", f"{SCORE}/{name}", f"{BASELINE}/{name}", f"{DECISION}/{name}"
        )
        for name in names
    }
    known = {column for one in found.values() for column in one}
    for name in columns:
        if name.startswith((f"{SCORE}/", f"{BASELINE}/")) and name not in known:
            raise InputError(f"predictions: column '{name}' has no column '{LABEL}/...' of it")
    given = [one.baseline for one in found.values() if one.baseline in columns]
    if given and len(given) < len(found):
        raise InputError(f"predictions: '{BASELINE}/...' of every finding or of none is needed")
    return found
