"""report.json of ImageExampleGen: what was read, kept and quarantined."""

from __future__ import annotations

from typing import ClassVar, Literal

from schemas.documents.document import Document, Part


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


class IngestReport(Document):
    """Counts of an ingestion; `quarantined` and `flagged` list only the first.

    `ranges` counts images by the way their range of gray levels was found (docs/intensity.md);
    `listing` counts what the source holds beside images: files left aside, rows without a file.
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
    ranges: dict[str, int]
    listing: dict[str, int]
    splits: dict[str, SplitCounts]
    sites: dict[str, dict[str, int]]
    patients: dict[str, PatientsByClass]
    fractions: dict[str, float]

    @property
    def own_patients(self) -> int:
        """How many images count as their own patient, because nobody knows theirs."""
        return sum(counts.own_patients for counts in self.splits.values())
