"""Names of the columns of one finding, of several, or of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from schemas.errors import InputError

LABEL, SCORE, BASELINE = "label", "score", "baseline_score"
DECISION = "decision"


class TargetColumns(NamedTuple):
    """Columns of one finding or class; classes share `label` and `decision`."""

    label: str
    score: str
    baseline: str
    decision: str


def targets_of(columns: Sequence[str]) -> dict[str, TargetColumns]:
    """Columns by finding: `label` and `score`, or `label/NAME` and `score/NAME` of each.

    Of classes, of which each image has one, there are one `label` and a `score/NAME` of each.

    Raises:
        InputError: There are none, both kinds, or one without the other.
    """
    if classes := _classes(columns):
        return classes
    prefix = f"{LABEL}/"
    names = [name.removeprefix(prefix) for name in columns if name.startswith(prefix)]
    if names and (LABEL in columns or SCORE in columns):
        raise InputError(
            f"predictions: columns '{LABEL}' or '{SCORE}' beside '{prefix}{names[0]}'; accepted: "
            f"{LABEL} and {SCORE}; {LABEL}/NAME and {SCORE}/NAME of each finding; or {LABEL} and "
            f"{SCORE}/NAME of each class"
        )
    if not names:
        return {LABEL: TargetColumns(LABEL, SCORE, BASELINE, DECISION)}
    found = {
        name: TargetColumns(
            f"{LABEL}/{name}", f"{SCORE}/{name}", f"{BASELINE}/{name}", f"{DECISION}/{name}"
        )
        for name in names
    }
    _check_names(names)
    known = {column for one in found.values() for column in one}
    for name in columns:
        if name.startswith((f"{SCORE}/", f"{BASELINE}/")) and name not in known:
            raise InputError(f"predictions: column '{name}' has no column '{LABEL}/...' of it")
    given = [one.baseline for one in found.values() if one.baseline in columns]
    if given and len(given) < len(found):
        raise InputError(f"predictions: '{BASELINE}/...' of every finding or of none is needed")
    return found


def are_classes(targets: Mapping[str, TargetColumns]) -> bool:
    """Whether the targets are classes, of which each image has one."""
    return len({one.label for one in targets.values()}) < len(targets)


def _classes(columns: Sequence[str]) -> dict[str, TargetColumns]:
    """Columns by class, in the order of the table; none if the table is not one of classes."""
    names = [name.removeprefix(f"{SCORE}/") for name in columns if name.startswith(f"{SCORE}/")]
    if LABEL not in columns or not names or any(one.startswith(f"{LABEL}/") for one in columns):
        return {}
    for name in columns:
        if name in (SCORE, BASELINE) or name.startswith(f"{DECISION}/"):
            raise InputError(
                f"predictions: column '{name}' beside '{SCORE}/{names[0]}' and '{LABEL}'; of "
                f"classes, accepted are {LABEL} and {DECISION}, which hold a class's name, and "
                f"{SCORE}/NAME and {BASELINE}/NAME of each class"
            )
    if len(names) < 2:
        raise InputError(
            f"predictions: column '{SCORE}/{names[0]}' alone; accepted: {LABEL} and {SCORE}, or "
            f"{SCORE}/NAME of two or more classes"
        )
    _check_names(names)
    others = {name.removeprefix(f"{BASELINE}/") for name in columns if _of_baseline(name)}
    if others and others != set(names):
        one = min(others ^ set(names))
        raise InputError(
            f"predictions: '{BASELINE}/{one}' and '{SCORE}/{one}' are needed both or neither; give "
            f"'{BASELINE}/...' of every class or of none"
        )
    return {
        name: TargetColumns(LABEL, f"{SCORE}/{name}", f"{BASELINE}/{name}", DECISION)
        for name in names
    }


def _of_baseline(name: str) -> bool:
    return name.startswith(f"{BASELINE}/")


def _check_names(names: Sequence[str]) -> None:
    """Refuses names that mean something else, here or in the table that is judged."""
    for name in names:
        if name.lower() in ("", "nan"):
            raise InputError(
                f"predictions: a finding or class is called '{name}', which stands for an unknown "
                "value; give it another name"
            )
        if name.removesuffix("/weight") in names and name.endswith("/weight"):
            raise InputError(
                f"predictions: '{name}' beside '{name.removesuffix('/weight')}': a name that is "
                "another one and '/weight' is taken; give it another name"
            )
