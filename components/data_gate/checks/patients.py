"""What the patients at hand can't give: what the model gate requires, and the splits' fractions.

Both are known once the images are ingested. Without these checks, they would show after training:
as a model that the gate can't bless.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping

from schemas import features
from schemas.documents.data_gate import Check, Severity
from schemas.documents.ingest import IngestReport, PatientsByClass
from schemas.errors import some_of
from trainer_modules.settings import Settings

_JUDGED = {features.IN_DISTRIBUTION: features.TEST, features.SHIFTED: features.SHIFTED}
_DIVIDED = (features.UNLABELED, features.TRAIN, features.VALIDATION, features.TEST)
_LABELED = (features.TRAIN, features.VALIDATION, features.TEST)
_NOBODY = PatientsByClass(labeled=0, labels={})
# A larger test split would leave too little to learn from.
_LARGEST_TEST = 0.5
_listed = functools.partial(some_of, most=4)


class DomainNeeds(Settings):
    """What the model gate requires of a domain; the values are those of its policy."""

    required: bool
    min_patients: int
    min_patients_per_class: int


class GateNeeds(Settings):
    """What the model gate requires of the data before it judges a model."""

    in_distribution: DomainNeeds
    shifted: DomainNeeds


def gate_requirements(report: IngestReport, needs: GateNeeds | None, action: Severity) -> Check:
    """Domains, patients and classes without which the model gate blesses no model.

    Args:
        report: of the ingestion.
        needs: of the model gate; None if none follows.
        action: what a lack does.
    """
    name = "gate_requirements"
    if needs is None:
        message = "no model gate follows, so nothing is required for it"
        return Check(name=name, passed=True, action=action, message=message, details=())
    lacks = [
        (domain, lack)
        for domain in features.DOMAINS
        if getattr(needs, domain).required
        for lack in _lacks(domain, getattr(needs, domain), report)
    ]
    details = tuple({"domain": domain, "lack": lack} for domain, lack in lacks)
    message = "the model gate has the domains, patients and classes that it requires"
    if lacks:
        message = f"the model gate could bless no model: {_listed([lack for _, lack in lacks])}"
    return Check(name=name, passed=not lacks, action=action, message=message, details=details)


def _lacks(domain: str, needs: DomainNeeds, report: IngestReport) -> Iterator[str]:
    """What a domain lacks, with what to do about it."""
    split = _JUDGED[domain]
    patients = report.patients.get(split, _NOBODY)
    otherwise = f"set gate.{domain}.required=false"
    if not report.splits[split].examples:
        yield f"there are no {split} images; {_how_to_get(domain)}, or {otherwise}"
        return
    if not patients.labeled:
        yield f"no {split} image has a label; label some, or {otherwise}"
        return
    if patients.labeled < needs.min_patients:
        yield (
            f"{split} has {_people(patients.labeled)} with labels, fewer than "
            f"gate.{domain}.min_patients {needs.min_patients}; "
            f"{_how_to_get_more(domain, needs.min_patients, report)}"
        )
    for label, classes in patients.labels.items():
        for value, count in classes.items():
            if not count:
                yield (
                    f"{split} has no image with {label}={value}; add some, leave {label} out of "
                    f"task.labels, or {otherwise}"
                )
            elif count < needs.min_patients_per_class:
                yield (
                    f"{split} has {_people(count)} with {label}={value}, fewer than "
                    f"gate.min_patients_per_class {needs.min_patients_per_class}; add patients "
                    "of this class, or lower that setting"
                )


def _how_to_get(domain: str) -> str:
    if domain == features.SHIFTED:
        return (
            "name sites in data.shifted_sites, write domain=shifted in the manifest's rows, or "
            "add a part with the role shifted to data.parts"
        )
    return "give split=test to some rows, or leave the split empty for data.split to divide"


def _how_to_get_more(domain: str, wanted: int, report: IngestReport) -> str:
    """A fraction that gives as many test patients, if there is one."""
    lower = f"lower gate.{domain}.min_patients"
    now = report.fractions.get(features.TEST)
    total = sum(report.splits[split].patients for split in _DIVIDED)
    if domain == features.SHIFTED or not now:
        return f"add patients, or {lower}"
    fraction = math.ceil(100 * wanted / total) / 100
    if fraction <= _LARGEST_TEST:
        return f"raise data.split.test from {now:g} to {fraction:g} of {total} patients, or {lower}"
    return f"at data.split.test {now:g} this takes {math.ceil(wanted / now)} patients, not {total}"


def split_fractions(report: IngestReport, action: Severity) -> Check:
    """Fractions of `data.split` that are less than a patient, in all or of a class.

    Labels of the unlabeled split are unread, so classes are counted over the others.

    Args:
        report: of the ingestion.
        action: what such a fraction does.
    """
    name = "split_fractions"
    if not report.fractions:
        message = "the source gives the splits, so data.split divides nobody"
        return Check(name=name, passed=True, action=action, message=message, details=())
    total = sum(report.splits[split].patients for split in _DIVIDED)
    labeled = {s: f for s, f in report.fractions.items() if s in _LABELED and f}
    groups = [("in distribution", total, {s: f for s, f in report.fractions.items() if f})]
    groups += [(f"with {title}", count, labeled) for title, count in _classes(report, labeled)]
    found = [short for group in groups if (short := _short(*group))]
    details = tuple(dict(entry) for _, entry in found)
    message = "the patients of every class suffice for the fractions of data.split"
    if found:
        message = (
            f"too few patients for the fractions of data.split: {_listed([m for m, _ in found])}; "
            "add patients, raise the fraction, or merge classes"
        )
    return Check(name=name, passed=not found, action=action, message=message, details=details)


def _classes(report: IngestReport, splits: Mapping[str, float]) -> Iterator[tuple[str, int]]:
    """Each class with its patients in some splits, which share none."""
    counts: dict[str, int] = {}
    for split in splits:
        for label, classes in report.patients.get(split, _NOBODY).labels.items():
            for value, count in classes.items():
                title = f"{label}={value}"
                counts[title] = counts.get(title, 0) + count
    return iter(counts.items())


def _short(
    who: str, patients: int, fractions: Mapping[str, float]
) -> tuple[str, dict[str, object]] | None:
    """The split that gets less than a patient, if there is one, and how many patients it takes."""
    split, fraction = min(fractions.items(), key=lambda item: item[1])
    part = fraction / sum(fractions.values())
    least = math.ceil(1 / part - 1e-9)
    if patients >= least:
        return None
    entry = {"patients": who, "count": patients, "split": split, "fraction": part, "least": least}
    return f"{_people(patients)} {who}, {split} takes {least}", entry


def _people(count: int) -> str:
    return "1 patient" if count == 1 else f"{count} patients"
