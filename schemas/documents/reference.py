"""What a verdict keeps of the judged table, so that later tables can be compared with it.

Sums over patients only: no ids, no smallest or largest value, no bin of fewer than five patients.
"""

from __future__ import annotations

import itertools
import math
from typing import Self

from pydantic import model_validator

from schemas.documents.document import Number, Part
from schemas.features import Domain


class Histogram(Part):
    """Patients by value; each patient counts once, divided among its images.

    Attributes:
        edges: Between the bins, ascending; a value at an edge belongs above it. The first and the
            last bin are open.
        patients: Of each bin.
    """

    edges: tuple[float, ...]
    patients: tuple[float, ...]

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        finite = all(map(math.isfinite, (*self.edges, *self.patients)))
        ascending = all(low < high for low, high in itertools.pairwise(self.edges))
        if not finite or not ascending or len(self.patients) != len(self.edges) + 1:
            raise ValueError("edges must ascend, and there must be a bin more than edges")
        if min(self.patients) < 0 or not sum(self.patients) > 0:
            raise ValueError("bins hold patients, not fewer than none")
        return self


class CalibrationBin(Part):
    """Mean score and positive rate of patients with similar scores, five or more of each class."""

    score: float
    positive_rate: float
    patients: float


class CalibrationMap(Part):
    """Log odds of a positive label: intercept + slope * log odds of the score.

    Attributes:
        intercept: Of a logistic regression in which each patient counts once.
        slope: Of the same.
        covariance: Of the two, by leaving out each patient in turn.
        degrees: Patients of the smaller class, by their effective number, less one.
    """

    intercept: float
    slope: float
    covariance: tuple[tuple[float, float], tuple[float, float]]
    degrees: float

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        (first, one), (other, second) = self.covariance
        numbers = (self.intercept, self.slope, first, one, other, second, self.degrees)
        if not all(map(math.isfinite, numbers)) or first < 0 or second < 0 or one != other:
            raise ValueError("a calibration map needs finite numbers and a covariance")
        if self.degrees <= 0:
            raise ValueError("a calibration map needs patients of both classes")
        return self


class TargetReference(Part):
    """One finding or class; nothing of labels where a class has fewer than five patients.

    Attributes:
        scores: The model's.
        threshold: Scores from here on are positive decisions; null where the model decided itself.
        positive_rate: Of patients, each divided among its images.
        calibration: By score, ascending.
        map: What a score means; null without enough labels, or if the scores tell the classes apart
            perfectly.
    """

    scores: Histogram
    threshold: Number
    positive_rate: Number
    calibration: tuple[CalibrationBin, ...]
    map: CalibrationMap | None


class DomainReference(Part):
    """The judged images of a domain.

    Attributes:
        exclusive: Whether the targets are classes, of which each image has one.
        patients: How many.
        images: How many.
        targets: By finding or class.
        statistics: Of images by name, if the table had them.
    """

    exclusive: bool = False
    patients: int
    images: int
    targets: dict[str, TargetReference]
    statistics: dict[str, Histogram]


Reference = dict[Domain, DomainReference]
