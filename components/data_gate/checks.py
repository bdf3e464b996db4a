"""The checks, as functions of plain values: each returns what it found and whether that stops."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from trainer_modules import features

Action = Literal["stop", "report"]

NEW_COLUMN = "SCHEMA_NEW_COLUMN"
_SHOWN = 3


@dataclasses.dataclass(frozen=True)
class Check:
    """Outcome of one check; `details` is JSON-ready."""

    name: str
    passed: bool
    action: Action
    message: str
    details: tuple[dict, ...] = ()

    @property
    def stops(self) -> bool:
        """Whether the run must not go on."""
        return not self.passed and self.action == "stop"


@dataclasses.dataclass(frozen=True)
class Anomaly:
    """One finding of ExampleValidator."""

    split: str
    feature: str
    types: tuple[str, ...]
    description: str


@dataclasses.dataclass(frozen=True)
class Shared:
    """A patient or picture that is in several splits: how often, and in which rows (the first)."""

    value: str
    splits: Mapping[str, int]
    rows: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Look:
    """Images of one split with the same perceptual hash: how many, and the first rows."""

    split: str
    images: int
    rows: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two looks of different splits, and how many bits tell them apart."""

    bits: int
    looks: tuple[Look, Look]


@dataclasses.dataclass(frozen=True)
class NearDuplicates:
    """How many pairs there are (up to the limit of a search), and the closest of them."""

    count: int
    pairs: tuple[Pair, ...] = ()


def anomalies(
    found: Sequence[Anomaly],
    task_features: Collection[str],
    empty_splits: Collection[str],
    action: Action,
) -> Check:
    """Schema anomalies, but for two kinds that say nothing against the data.

    A label or subgroup of the task that the curated schema does not name is new to it by design,
    and a split without examples misses every column.
    """
    counted = [
        anomaly
        for anomaly in found
        if anomaly.split not in empty_splits
        and not (anomaly.feature in task_features and set(anomaly.types) == {NEW_COLUMN})
    ]
    details = tuple(
        {"split": a.split, "feature": a.feature, "description": a.description} for a in counted
    )
    shown = _listed([f"{a.split}: {a.feature}: {a.description}" for a in counted])
    message = f"{len(counted)} anomalies against the schema: {shown}" if counted else "no anomalies"
    return Check("anomalies", not counted, action, message, details)


def patient_overlap(shared: Sequence[Shared], action: Action) -> Check:
    """Patients with images in more than one split."""
    return _overlap("patient_overlap", "patient", "patients", shared, action)


def duplicates(shared: Sequence[Shared], action: Action) -> Check:
    """The same pixels in more than one split."""
    return _overlap("duplicates", "image", "images", shared, action)


def near_duplicates(found: NearDuplicates, action: Action) -> Check:
    """Pictures of two splits that look alike: resized, compressed anew, brighter."""
    name = "near_duplicates"
    if not found.count:
        return Check(name, True, action, "no picture looks like one of another split")
    details = tuple(
        {"bits": pair.bits, "looks": [dataclasses.asdict(look) for look in pair.looks]}
        for pair in found.pairs
    )
    shown = _listed([_alike(pair) for pair in found.pairs], found.count)
    count = "1 pair of pictures looks" if found.count == 1 else f"{found.count} pairs look"
    return Check(name, False, action, f"{count} alike across splits: {shown}", details)


def _alike(pair: Pair) -> str:
    sides = [
        f"{look.split} ({'row' if look.images == 1 else 'rows'} {', '.join(map(str, look.rows))})"
        for look in pair.looks
    ]
    return f"{' and '.join(sides)}, {pair.bits} bits apart"


def _overlap(name: str, noun: str, plural: str, shared: Sequence[Shared], action: Action) -> Check:
    details = tuple({noun: s.value, "splits": dict(s.splits), "rows": list(s.rows)} for s in shared)
    if not shared:
        return Check(name, True, action, f"no {noun} is in two splits")
    count = f"1 {noun} is" if len(shared) == 1 else f"{len(shared)} {plural} are"
    shown = _listed(
        [f"{' and '.join(s.splits)} (rows {', '.join(map(str, s.rows))})" for s in shared]
    )
    return Check(name, False, action, f"{count} in more than one split: {shown}", details)


def class_counts(
    counts: Mapping[str, Mapping[str, Mapping[str, int]]],
    examples: Mapping[str, int],
    min_per_class: int,
) -> Check:
    """Examples of every class in each split that is trained on or judged.

    Args:
        counts: split -> label -> class -> examples, with `unknown` among the classes.
        examples: split -> examples; shifted data are optional, so an empty split is no finding.
        min_per_class: 0 asks for nothing.
    """
    splits = [features.TRAIN, features.VALIDATION, features.TEST]
    if examples.get(features.SHIFTED):
        splits.append(features.SHIFTED)
    details = tuple(
        {"split": split, "label": label, "class": name, "examples": count}
        for split in splits
        for label, classes in counts[split].items()
        for name, count in classes.items()
        if name != "unknown" and count < min_per_class
    )
    if not details:
        return Check(
            "class_counts",
            True,
            "stop",
            f"every class has {min_per_class} or more examples",
        )
    shown = _listed(
        [f"{d['split']} has {d['examples']} of {d['label']}={d['class']}" for d in details]
    )
    message = f"fewer than data_gate.min_per_class {min_per_class} examples: {shown}"
    return Check("class_counts", False, "stop", message, details)


def subgroup_counts(counts: Mapping[tuple[str, str, str], int], min_per_subgroup: int) -> Check:
    """Examples of every value of a subgroup where models are judged: reported when few.

    Args:
        counts: (split, subgroup, value) -> examples; splits that do not judge are left out of it.
        min_per_subgroup: 0 asks for nothing.
    """
    details = tuple(
        {"split": split, "subgroup": name, "value": value, "examples": count}
        for (split, name, value), count in sorted(counts.items())
        if count < min_per_subgroup
    )
    if not details:
        message = f"every subgroup has {min_per_subgroup} or more examples"
        return Check("subgroup_counts", True, "report", message)
    shown = _listed(
        [f"{d['split']} has {d['examples']} of {d['subgroup']}={d['value']}" for d in details]
    )
    message = f"fewer than data_gate.min_per_subgroup {min_per_subgroup} examples: {shown}"
    return Check("subgroup_counts", False, "report", message, details)


def identifying_metadata(
    names: Collection[str], accepted: Collection[str], raw_identities: Mapping[str, int]
) -> Check:
    """Features that nobody curated, and ids that are not pseudonyms.

    Args:
        names: features found in the records.
        accepted: features of the contract and of the curated schema.
        raw_identities: id column -> how many of its values are not keyed hashes.
    """
    unknown = sorted(set(names) - set(accepted))
    raw = {column: count for column, count in raw_identities.items() if count}
    details = tuple({"feature": name} for name in unknown) + tuple(
        {"feature": column, "not_pseudonyms": count} for column, count in raw.items()
    )
    reasons = []
    if unknown:
        reasons.append(f"features outside the contract and the schema: {_listed(unknown)}")
    if raw:
        reasons.append(f"values that are not keyed hashes in {', '.join(raw)}")
    message = "; ".join(reasons) or "records hold nothing but the contract's features"
    return Check("identifying_metadata", not details, "stop", message, details)


def to_report(checks: Sequence[Check], reported: Mapping[str, Sequence[dict]]) -> dict:
    """Content of report.json; `reported` are lists of figures that are no checks."""
    return {
        "passed": not any(check.stops for check in checks),
        "checks": [dataclasses.asdict(check) for check in checks],
        **{name: list(entries) for name, entries in reported.items()},
    }


def reasons(checks: Sequence[Check]) -> list[str]:
    """Why the run stops; empty when it may go on."""
    return [f"{check.name}: {check.message}" for check in checks if check.stops]


def _listed(items: Sequence[str], total: int | None = None) -> str:
    more = (len(items) if total is None else total) - _SHOWN
    return "; ".join(items[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
