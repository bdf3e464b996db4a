"""Outcomes of findings: functions of plain values that decide whether the run must stop."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from components.data_gate.checks.findings import (
    Anomaly,
    NearDuplicates,
    Pair,
    Shared,
)
from schemas import features
from schemas.documents.data_gate import Check, DataGateReport, Distance, Severity, Shortcut
from schemas.errors import some_of

NEW_COLUMN = "SCHEMA_NEW_COLUMN"
_listed = functools.partial(some_of, most=3)
_DETAILED = 1000
_SEVEREST: tuple[Severity, ...] = ("stop", "report", "ignore")


def looked_for(name: str, severity: Severity, check: Callable[[], Check]) -> Check:
    """Outcome of a check, which is skipped if its severity is `ignore`."""
    if severity == "ignore":
        return _not_checked(name, severity, f"skipped: data_gate.{name} is ignore")
    return check()


def anomalies(
    found: Sequence[Anomaly],
    task_features: Collection[str],
    empty_splits: Collection[str],
    severity: Severity,
    by_kind: Mapping[str, Severity],
) -> Check:
    """Schema anomalies, except two kinds that are no evidence against the data.

    A label or subgroup of the task that the curated schema does not name is new by design,
    and a split without examples misses every column.

    Args:
        found: what ExampleValidator wrote.
        task_features: labels, weights and subgroups of the task.
        empty_splits: splits without examples.
        severity: of kinds that `by_kind` does not name.
        by_kind: an anomaly of several kinds is as severe as its worst.
    """
    judged = [
        (_worst([by_kind.get(kind, severity) for kind in anomaly.types] or [severity]), anomaly)
        for anomaly in found
        if anomaly.split not in empty_splits
        and not (anomaly.feature in task_features and set(anomaly.types) == {NEW_COLUMN})
    ]
    counted = [(action, anomaly) for action, anomaly in judged if action != "ignore"]
    # Names first what stops the run.
    counted.sort(key=lambda pair: _SEVEREST.index(pair[0]))
    details = tuple(
        {
            "split": a.split,
            "feature": a.feature,
            "kinds": list(a.types),
            "severity": action,
            "description": a.description,
        }
        for action, a in counted
    )
    if not counted:
        return _outcome("anomalies", True, severity, "no anomalies")
    shown = _listed([f"{a.split}: {a.feature}: {a.description}" for _, a in counted])
    message = f"{len(counted)} anomalies against the schema: {shown}"
    return _outcome("anomalies", False, counted[0][0], message, details)


def _worst(severities: Sequence[Severity]) -> Severity:
    return min(severities, key=_SEVEREST.index)


def patient_overlap(
    shared: Sequence[Shared], action: Severity, unknown: int = 0, images: int = 0
) -> Check:
    """Patients with images in more than one split.

    Args:
        shared: by splits.
        action: what they do.
        unknown: how many images have no known patient, which nobody can look for.
        images: all there are.
    """
    return _overlap("patient_overlap", "patient", "patients", shared, action, unknown, images)


def study_overlap(
    shared: Sequence[Shared], action: Severity, unknown: int = 0, images: int = 0
) -> Check:
    """Studies with images in more than one split, under two patients or one."""
    return _overlap("study_overlap", "study", "studies", shared, action, unknown, images)


def slide_overlap(
    shared: Sequence[Shared], action: Severity, unknown: int = 0, images: int = 0
) -> Check:
    """Slides with tiles in more than one split."""
    return _overlap("slide_overlap", "slide", "slides", shared, action, unknown, images)


def duplicates(shared: Sequence[Shared], action: Severity) -> Check:
    """The same pixels in more than one split."""
    return _overlap("duplicates", "image", "images", shared, action)


def near_duplicates(found: NearDuplicates, action: Severity) -> Check:
    """Images of two splits that look alike: resized, recompressed, brighter."""
    name = "near_duplicates"
    if not found.count:
        return _outcome(name, True, action, "no image looks like one of another split")
    details = tuple(
        {"bits": pair.bits, "looks": [dataclasses.asdict(look) for look in pair.looks]}
        for pair in found.pairs
    )
    shown = _listed([_alike(pair) for pair in found.pairs], total=found.count)
    count = "1 pair of images looks" if found.count == 1 else f"{found.count} pairs look"
    return _outcome(name, False, action, f"{count} alike across splits: {shown}", details)


def _alike(pair: Pair) -> str:
    sides = [
        f"{look.split} ({'row' if look.count == 1 else 'rows'} {', '.join(map(str, look.rows))})"
        for look in pair.looks
    ]
    return f"{' and '.join(sides)}, {pair.bits} bits apart"


def _overlap(
    name: str,
    noun: str,
    plural: str,
    shared: Sequence[Shared],
    action: Severity,
    unknown: int = 0,
    images: int = 0,
) -> Check:
    details = tuple(
        {noun: s.value, "splits": dict(s.splits), "rows": list(s.rows), "images": list(s.images)}
        for s in shared
    )
    some = f"{unknown} of {images} images have no known {noun}"
    if not shared and unknown:
        if unknown == images:
            return _not_checked(name, action, f"not checked: no image has a known {noun}")
        rest = f"no {noun} of the others is in two splits"
        return _not_checked(name, action, f"not checked: {some}; {rest}")
    if not shared:
        return _outcome(name, True, action, f"no {noun} is in two splits")
    count = f"1 {noun} is" if len(shared) == 1 else f"{len(shared)} {plural} are"
    shown = _listed(
        [f"{' and '.join(s.splits)} (rows {', '.join(map(str, s.rows))})" for s in shared]
    )
    message = f"{count} in more than one split: {shown}" + (f"; {some}" if unknown else "")
    return _outcome(name, False, action, message, details)


def class_counts(
    counts: Mapping[str, Mapping[str, Mapping[str, int]]],
    examples: Mapping[str, int],
    min_per_class: int,
    action: Severity,
) -> Check:
    """Examples of every class in each split for training or evaluation.

    Args:
        counts: split -> label -> class -> examples, with `unknown` among the classes.
        examples: split -> examples; shifted data are optional, so an empty split is no finding.
        min_per_class: 0 asks for nothing.
        action: what too few of them do.
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
        return _outcome(
            "class_counts",
            True,
            action,
            f"every class has {min_per_class} or more examples",
        )
    shown = _listed(
        [f"{d['split']} has {d['examples']} of {d['label']}={d['class']}" for d in details]
    )
    message = f"fewer than data_gate.min_per_class {min_per_class} examples: {shown}"
    return _outcome("class_counts", False, action, message, details[:_DETAILED])


def subgroup_counts(
    counts: Mapping[tuple[str, str, str], int], min_per_subgroup: int, action: Severity
) -> Check:
    """Examples of every value of a subgroup in each split for evaluation.

    Args:
        counts: (split, subgroup, value) -> examples; splits that do not judge are left out of it.
        min_per_subgroup: 0 asks for nothing.
        action: what too few of them do.
    """
    details = tuple(
        {"split": split, "subgroup": name, "value": value, "examples": count}
        for (split, name, value), count in sorted(counts.items())
        if count < min_per_subgroup
    )
    if not details:
        message = f"every subgroup has {min_per_subgroup} or more examples"
        return _outcome("subgroup_counts", True, action, message)
    shown = _listed(
        [f"{d['split']} has {d['examples']} of {d['subgroup']}={d['value']}" for d in details]
    )
    message = f"fewer than data_gate.min_per_subgroup {min_per_subgroup} examples: {shown}"
    return _outcome("subgroup_counts", False, action, message, details)


def identifying_metadata(
    names: Collection[str],
    accepted: Collection[str],
    raw_identities: Mapping[str, int],
    action: Severity,
) -> Check:
    """Features outside contract and schema, and ids that are not pseudonyms.

    Args:
        names: features found in the records.
        accepted: features of the contract and of the curated schema.
        raw_identities: id column -> how many of its values are not keyed hashes.
        action: what either does.
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
    message = "; ".join(reasons) or "records hold only the features of the contract"
    return _outcome("identifying_metadata", not details, action, message, details)


def shortcuts(found: Sequence[Shortcut], auc: float, action: Severity) -> Check:
    """Sites, domains and labels that image statistics alone predict.

    Args:
        found: entries of `shortcuts.shortcuts`.
        auc: from which an entry is a finding.
        action: what a finding does.
    """
    over = sorted((e for e in found if e.auc >= auc), key=lambda e: e.auc, reverse=True)
    if not over:
        message = f"no column can be predicted from image statistics alone with an AUC of {auc:g}"
        return _outcome("shortcuts", True, action, message)
    shown = _listed([f"{_told(e)} by {e.figures} (AUC {e.auc:.3f})" for e in over])
    columns = len({entry.target for entry in over})
    count = "1 column is predictable" if columns == 1 else f"{columns} columns are predictable"
    details = tuple(entry.model_dump() for entry in over)
    return _outcome("shortcuts", False, action, f"{count}: {shown}", details)


def _told(entry: Shortcut) -> str:
    return f"{entry.target}={entry.value}" if entry.value else entry.target


def drift(name: str, distances: Sequence[Distance] | None, against: str, action: Severity) -> Check:
    """Features whose distance exceeds the threshold.

    Args:
        name: of the check.
        distances: all that was measured; None where there is nothing to compare with.
        against: what with, in words.
        action: what drift does.
    """
    if distances is None:
        return _not_checked(name, action, f"not compared with {against}: there are no such data")
    over = sorted((d for d in distances if d.beyond), key=lambda d: d.value or 0.0, reverse=True)
    if not over:
        message = f"no feature is far from {against}; {len(distances)} distances measured"
        return _outcome(name, True, action, message)
    shown = _listed([f"{d.split}: {d.feature} ({d.measure} {d.value:.3f})" for d in over])
    count = "1 distance is" if len(over) == 1 else f"{len(over)} distances are"
    message = f"{count} beyond the threshold, against {against}: {shown}"
    return _outcome(name, False, action, message, tuple(d.model_dump() for d in over))


def to_report(checks: Sequence[Check], shown: Mapping[str, Any]) -> DataGateReport:
    """The report; `shown` holds the fields beside the checks."""
    stopped = any(check.stops for check in checks)
    return DataGateReport(passed=not stopped, checks=tuple(checks), **shown)


def reasons(checks: Sequence[Check]) -> list[str]:
    """Why the run stops; empty if it may continue."""
    return [f"{check.name}: {check.message}" for check in checks if check.stops]


def _not_checked(name: str, action: Severity, message: str) -> Check:
    return Check(name=name, passed=True, action=action, message=message, details=(), checked=False)


def _outcome(
    name: str,
    passed: bool,
    action: Severity,
    message: str,
    details: tuple[dict[str, Any], ...] = (),
) -> Check:
    return Check(name=name, passed=passed, action=action, message=message, details=details)
