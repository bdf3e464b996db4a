"""Output of DataGate: its report, and the label counts for the next run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from schemas.documents.document import Document, Number, Part

Severity = Literal["stop", "report", "ignore"]


class Check(Part):
    """Outcome of one check. `details` are for people: no program reads their fields.

    A check that could not be made, for example for lack of ids, passes without `checked`.
    """

    name: str
    passed: bool
    action: Severity
    message: str
    details: tuple[dict[str, Any], ...]
    checked: bool = True

    @property
    def stops(self) -> bool:
        """Whether the run must stop."""
        return not self.passed and self.action == "stop"


class DomainShift(Part):
    """A statistic of a feature in one domain, or a distance between both."""

    feature: str
    statistic: str
    value: Number


class Shortcut(Part):
    """How well image statistics alone predict a column; of several values, the best told one.

    `value` is that one; it is empty where the column has two values.
    """

    target: str
    figures: str
    auc: float
    images: int
    value: str = ""


class Distance(Part):
    """The distance of a feature in one split from its reference, and the threshold."""

    split: str
    feature: str
    measure: str
    value: Number
    threshold: float

    @property
    def beyond(self) -> bool:
        """Whether the distance exceeds the threshold."""
        return self.value is not None and self.value > self.threshold


class Side(Part):
    """An image of a pair: its split (if known), row in the manifest and pseudonym."""

    split: str | None
    row: int
    image: str


class AlikePair(Part):
    """Two identical or similar images, and the check that found them."""

    check: str
    sides: tuple[Side, ...]


class FlaggedImage(Part):
    """One of the worst images with a flag of quality: split, row in the manifest, pseudonym."""

    flag: str
    split: str
    row: int
    image: str


class DataGateReport(Document):
    """All checks and their details; `thumbnails` are base64 PNGs by pseudonym."""

    FILE: ClassVar[str] = "report.json"

    version: Literal[1] = 1
    passed: bool
    checks: tuple[Check, ...]
    drift: tuple[DomainShift, ...]
    distances: dict[Literal["domain_drift", "previous_drift"], tuple[Distance, ...]]
    shortcuts: tuple[Shortcut, ...]
    pairs: tuple[AlikePair, ...]
    worst: tuple[FlaggedImage, ...]
    thumbnails: dict[str, str]


class PassedImages(Part):
    """Images of a split: statistic -> bin -> images, and kind of file -> images."""

    numbers: dict[str, dict[str, int]]
    formats: dict[str, int]


class PassedLabels(Document):
    """Split -> label -> class -> examples of the last run whose data passed; and its images.

    A file of before the images were kept has none, and nothing of them is compared.
    """

    FILE: ClassVar[str] = "label_counts.json"

    version: Literal[1] = 1
    splits: dict[str, dict[str, dict[str, int]]]
    images: dict[str, PassedImages] = Field(default_factory=dict)


class DataGateStopped(Exception):
    """The data are not fit for training (exit status 3).

    TFX deletes the artifacts of a failed execution, so the report travels on the exception.
    """

    def __init__(self, reasons: Sequence[str], report: DataGateReport):
        super().__init__(list(reasons), report)
        self.reasons = list(reasons)
        self.report = report

    def __str__(self) -> str:
        return "DataGate stopped the run: " + "; ".join(self.reasons)
