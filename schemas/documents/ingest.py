"""report.json of ImageExampleGen: what was read, kept and quarantined."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar, Literal

from schemas.documents.document import Document, Part

Pictures = Literal["all", "pairs", "none"]
QUALITY_FLAGS = ("blank", "blurred", "dark", "low_information", "odd_aspect")
"""Flags of images that show little; the others say what was guessed of the gray levels."""


class SplitCounts(Part):
    """Size of one split; `labels` counts each value of each label, `unknown` among them.

    `own_patients` counts images whose patient nobody knows: each is one of the `patients`.
    """

    examples: int
    patients: int
    own_patients: int = 0
    labels: dict[str, dict[str, int]]


class PatientsByClass(Part):
    """Patients of one split: with any label, and with an image of each class of each label."""

    labeled: int
    labels: dict[str, dict[str, int]]


class Quarantined(Part):
    """One excluded image: its row in the manifest, its pseudonym and the reason."""

    row: int
    image_id: str
    reason: str
    detail: str


class Flagged(Part):
    """One image that was kept although its file gives cause for concern."""

    row: int
    image_id: str
    flag: str


class FlaggedBy(Part):
    """Images with one flag: by site, and by `LABEL=VALUE` for known labels."""

    sites: dict[str, int]
    classes: dict[str, int]


class IngestReport(Document):
    """Counts of an ingestion; `quarantined` and `flagged` list only the first.

    `ranges` counts images by the way their range of gray levels was found (docs/intensity.md);
    `listing` counts what the source holds beside images: files left aside, rows without a file.
    `flagged_by` counts the images of each flag by site and class. `pictures` says which images may
    appear in a report: `all`, only `pairs` of duplicates, or `none`.
    `fractions` are those of `data.split`, for patients whose split the source doesn't give; it is
    empty if the source gives all.
    """

    FILE: ClassVar[str] = "report.json"

    version: Literal[1] = 1
    source: str
    synthetic: bool
    folders: tuple[str, ...]
    images: int
    kept: int
    quarantined_count: int
    quarantined: tuple[Quarantined, ...]
    reasons: dict[str, int]
    flags: dict[str, int]
    flagged: tuple[Flagged, ...]
    flagged_by: dict[str, FlaggedBy]
    pictures: Pictures
    ranges: dict[str, int]
    listing: dict[str, int]
    splits: dict[str, SplitCounts]
    sites: dict[str, dict[str, int]]
    patients: dict[str, PatientsByClass]
    fractions: dict[str, float]

    @property
    def by_site(self) -> Counter[str]:
        """How many images each site has."""
        return sum(map(Counter, self.sites.values()), Counter())

    @property
    def by_class(self) -> Counter[str]:
        """How many images each `LABEL=VALUE` has, `unknown` among the values."""
        found: Counter[str] = Counter()
        for split in self.splits.values():
            for label, values in split.labels.items():
                found.update({f"{label}={value}": count for value, count in values.items()})
        return found

    @property
    def own_patients(self) -> int:
        """How many images count as their own patient, because nobody knows theirs."""
        return sum(counts.own_patients for counts in self.splits.values())
