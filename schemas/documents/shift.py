"""shift.json: where a model gets worse under shift, and what its embedding encodes."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from schemas.documents.document import Document, Number, Part
from schemas.features import Domain


class WorstSlice(Part):
    """A slice of the metadata against the rest of its domain.

    Attributes:
        domain: The domain.
        where: Columns and values, all of which hold.
        patients: Patients with a known label.
        examples: Records with a known label.
        auc: Mean AUC over the targets.
        rest: The same on the rest of the domain.
        p_value: Of ranking no worse than on the rest, one-sided, Holm-corrected over all slices.
    """

    domain: Domain
    where: dict[str, str]
    patients: int
    examples: int
    auc: float
    rest: float
    p_value: float


class WorstSlices(Part):
    """The worst slices first; how many were compared, and how many had too few patients."""

    slices: tuple[WorstSlice, ...]
    looked_at: int
    too_small: int


class DomainInRange(Part):
    """A domain's images in a part of the range of an image statistic."""

    share: Number
    patients: int
    auc: Number
    lower: Number
    upper: Number
    status: Literal["judged", "not_enough_data"]


class Range(Part):
    """A part of the range of an image statistic; no start or end if it is open."""

    start: Number = Field(alias="from")
    end: Number = Field(alias="to")
    in_distribution: DomainInRange
    shifted: DomainInRange


class ImageFigure(Part):
    """Performance by an image statistic.

    `drift` is the Kolmogorov-Smirnov distance between the domains, null if one is missing.
    """

    figure: str
    drift: Number
    parts: tuple[Range, ...]


class DomainAndLabel(Part):
    """AUCs of linear probes of an embedding; null if there are too few patients.

    Attributes:
        images: Number of probed images.
        domain: How well the embedding tells the domains apart (0.5: not at all).
        label_in_distribution: A probe of the label, fitted in distribution.
        label_shifted: The same probe on shifted patients.
        domain_by_label_probe: How well that probe's score tells the domains apart, among patients
            of the same label.
        label_by_domain_probe: How well the domain's probe orders in-distribution patients by label.
        confusion: Twice the larger distance of the last two from 0.5: 0 to 1.
    """

    images: int
    domain: Number
    label_in_distribution: Number
    label_shifted: Number
    domain_by_label_probe: Number
    label_by_domain_probe: Number
    confusion: Number


class ShiftAnalysis(Document):
    """The whole analysis; a part without its input is null. `probes` are by target."""

    FILE: ClassVar[str] = "shift.json"

    version: Literal[1] = 1
    worst_slices: WorstSlices
    image_figures: tuple[ImageFigure, ...] | None
    probes: dict[str, DomainAndLabel] | None
