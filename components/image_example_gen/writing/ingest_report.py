"""Counts of ingestion: merged from shards, written to a report, checked at the end."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from components.image_example_gen.decoding.images import Picture, Rejected
from components.image_example_gen.rows.row import Row
from components.image_example_gen.rows.units import PlannedImage
from components.image_example_gen.settings import DataSettings
from schemas import features
from schemas.documents.ingest import (
    Flagged,
    FlaggedBy,
    IngestReport,
    PatientsByClass,
    Quarantined,
    SplitCounts,
)
from schemas.errors import InputError
from trainer_modules.settings import TaskSettings

INDEX_PATTERN = "index-*.parquet"
_LISTED = 1000
_LISTED_OF_A_FLAG = 100
_INVERTED = ", inverted"
_SHOWN = 5


@dataclasses.dataclass
class Summary:
    """Outcome of some of the images. Its size does not grow with their number."""

    kept: Counter[str] = dataclasses.field(default_factory=Counter)
    labels: Counter[tuple[str, int, float | None]] = dataclasses.field(default_factory=Counter)
    sites: Counter[tuple[str, str]] = dataclasses.field(default_factory=Counter)
    reasons: Counter[str] = dataclasses.field(default_factory=Counter)
    flags: Counter[str] = dataclasses.field(default_factory=Counter)
    ranges: Counter[str] = dataclasses.field(default_factory=Counter)
    quarantined: list[Quarantined] = dataclasses.field(default_factory=list)
    flagged: list[Flagged] = dataclasses.field(default_factory=list)
    flagged_sites: Counter[tuple[str, str]] = dataclasses.field(default_factory=Counter)
    flagged_labels: Counter[tuple[str, int, float]] = dataclasses.field(default_factory=Counter)
    own_patients: Counter[str] = dataclasses.field(default_factory=Counter)

    def keep(self, planned: PlannedImage, split: str) -> None:
        """Counts an image that was written."""
        self.kept[split] += 1
        self.own_patients[split] += planned.own_patient
        self.sites[split, planned.site] += 1
        for place, value in enumerate(planned.labels):
            self.labels[split, place, value] += 1

    def show(self, shown: Picture) -> None:
        """Counts how an image's range of gray levels was found."""
        self.ranges[shown.rule + (_INVERTED if shown.inverted else "")] += 1

    def flag(self, planned: PlannedImage, flag: str) -> None:
        """Counts the flags of an image that was kept."""
        self.flags[flag] += 1
        self.flagged.append(Flagged(row=planned.number, image_id=planned.image_id, flag=flag))
        self.flagged_sites[flag, planned.site] += 1
        for place, value in enumerate(planned.labels):
            if value is not None:
                self.flagged_labels[flag, place, value] += 1

    def reject(self, planned: PlannedImage, rejected: Rejected) -> None:
        """Counts an image that was quarantined."""
        self.reasons[rejected.reason] += 1
        self.quarantined.append(
            Quarantined(
                row=planned.number,
                image_id=planned.image_id,
                reason=rejected.reason,
                detail=rejected.detail,
            )
        )

    def merge(self, other: Summary) -> Summary:
        """Adds another summary to this one; lists only the first quarantined rows."""
        self.kept.update(other.kept)
        self.own_patients.update(other.own_patients)
        self.labels.update(other.labels)
        self.sites.update(other.sites)
        self.reasons.update(other.reasons)
        self.flags.update(other.flags)
        self.ranges.update(other.ranges)
        self.quarantined = _first_listed(self.quarantined + other.quarantined)
        self.flagged = _first_of_each(self.flagged + other.flagged)
        self.flagged_sites.update(other.flagged_sites)
        self.flagged_labels.update(other.flagged_labels)
        return self


def _first_listed(entries: list[Quarantined]) -> list[Quarantined]:
    return sorted(entries, key=lambda entry: entry.row)[:_LISTED]


def _first_of_each(entries: list[Flagged]) -> list[Flagged]:
    """The first entries of each flag, so that a frequent one leaves room for the others."""
    seen: Counter[str] = Counter()
    kept = []
    for entry in sorted(entries, key=lambda entry: entry.row):
        seen[entry.flag] += 1
        if seen[entry.flag] <= _LISTED_OF_A_FLAG:
            kept.append(entry)
    return kept


def build_report(
    summary: Summary,
    patients: Counter[str],
    data: DataSettings,
    task: TaskSettings,
    listing: Mapping[str, int],
    *,
    by_class: Mapping[str, PatientsByClass] = MappingProxyType({}),
    fractions: Mapping[str, float] = MappingProxyType({}),
) -> IngestReport:
    """The report.

    Args:
        summary: counts of all images.
        patients: number of distinct patients by split.
        data: source and its settings.
        task: labels.
        listing: counts of what the source listed besides images.
        by_class: patients by split and class.
        fractions: planned fractions of the patients by split; empty if the source decides.
    """
    kept, lost = sum(summary.kept.values()), sum(summary.reasons.values())
    splits, sites = {}, {}
    for split in features.SPLITS:
        splits[split] = SplitCounts(
            examples=summary.kept[split],
            patients=patients[split],
            own_patients=summary.own_patients[split],
            labels={
                name: _label_counts(summary.labels, split, place, task)
                for place, name in enumerate(task.labels)
            },
        )
        sites[split] = {site: n for (s, site), n in sorted(summary.sites.items()) if s == split}
    return IngestReport(
        source=data.source,
        synthetic=data.has_synthetic,
        folders=[root for root in (data.root, *(part.root for part in data.parts)) if root],
        images=kept + lost,
        kept=kept,
        quarantined_count=lost,
        quarantined=summary.quarantined,
        reasons=dict(sorted(summary.reasons.items())),
        flags=dict(sorted(summary.flags.items())),
        flagged=summary.flagged,
        flagged_by={flag: _flagged_by(summary, flag, task) for flag in sorted(summary.flags)},
        pictures=data.pictures,
        ranges=dict(sorted(summary.ranges.items())),
        listing=dict(listing),
        splits=splits,
        sites=sites,
        patients=dict(by_class),
        fractions=dict(fractions),
    )


def _flagged_by(summary: Summary, flag: str, task: TaskSettings) -> FlaggedBy:
    names = task.classes or ("0", "1")
    return FlaggedBy(
        sites={site: n for (f, site), n in sorted(summary.flagged_sites.items()) if f == flag},
        classes={
            f"{task.labels[place]}={names[int(value)]}": n
            for (f, place, value), n in sorted(summary.flagged_labels.items())
            if f == flag
        },
    )


def _label_counts(
    counts: Counter[tuple[str, int, float | None]], split: str, place: int, task: TaskSettings
) -> dict[str, int]:
    names = task.classes or ("0", "1")
    known = {name: counts[split, place, float(value)] for value, name in enumerate(names)}
    return known | {"unknown": counts[split, place, None]}


def refuse_broken(
    report: IngestReport, max_broken_fraction: float, listed: Iterable[Row] = ()
) -> None:
    """Raises InputError if more images were quarantined than the setting allows.

    Args:
        report: counts.
        max_broken_fraction: the setting.
        listed: rows of the source, which name the images on the user's terminal only.
    """
    lost, images = report.quarantined_count, report.images
    if report.kept and lost <= max_broken_fraction * images:
        return
    reasons = ", ".join(f"{reason} {count}" for reason, count in report.reasons.items())
    first = {entry.row for entry in report.quarantined[:_SHOWN]}
    rows: Sequence[str] = [
        f"row {entry.row} ({entry.reason}: {entry.detail})" for entry in report.quarantined[:_SHOWN]
    ]
    raise InputError(
        f"{lost} of {images} images ({lost / images:.1%}) cannot be used, "
        f"data.max_broken_fraction accepts {max_broken_fraction:.1%}. Reasons: {reasons}. "
        f"First: {'; '.join(rows)}. Repair these files, remove their rows, or raise the setting",
        local=", ".join(f"row {r.number}: '{r.image}'" for r in listed if r.number in first),
    )
