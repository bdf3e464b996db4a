"""Settings of decision thresholds: operating points, and the range of the decision curve."""

from __future__ import annotations

import re
from typing import Self

from pydantic import Field, model_validator

from trainer_modules.settings import OperatingPointSettings, Settings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
# A metric at an operating point is METRIC@POINT, as a metric of a finding is METRIC/FINDING.
POINT = "@"
_AT = re.compile(r"(ppv|npv)_at_([0-9.e-]+?)(_by_patient)?")
METRICS = ("sensitivity", "specificity", "ppv", "npv")
METRICS_BY_PATIENT = ("sensitivity_by_patient", "specificity_by_patient")


class PointBounds(Settings):
    """Floors at an operating point in one domain, under lower bounds; by image and by patient."""

    min_sensitivity: float = Field(0.0, ge=0, le=1, description="floor of sensitivity; 0: none")
    min_specificity: float = Field(0.0, ge=0, le=1, description="floor of specificity; 0: none")
    min_ppv: float = Field(
        0.0, ge=0, le=1, description="floor of the PPV at each of `gate.prevalences`; 0: none"
    )
    min_npv: float = Field(
        0.0, ge=0, le=1, description="floor of the NPV at each of `gate.prevalences`; 0: none"
    )

    @property
    def asked(self) -> bool:
        """Whether there is a floor."""
        return any(value > 0 for value in self.model_dump().values())


class OperatingPoint(Settings):
    """A threshold chosen on in-distribution validation rows, and judged in both domains."""

    name: str = Field(description="letters, digits, - and _; metrics there are METRIC@NAME")
    at_sensitivity: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="the most specific threshold that reaches it on validation rows",
    )
    at_specificity: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="the most sensitive threshold that reaches it on validation rows",
    )
    in_distribution: PointBounds = PointBounds()
    shifted: PointBounds = PointBounds()

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"name '{self.name}' is not 1 to 40 letters, digits, - and _, the first of them a "
                "letter or digit"
            )
        if (self.at_sensitivity is None) == (self.at_specificity is None):
            raise ValueError("exactly one of at_sensitivity and at_specificity is needed")
        return self

    @property
    def rule(self) -> OperatingPointSettings:
        """How the threshold is chosen."""
        if self.at_sensitivity is not None:
            return OperatingPointSettings(rule="sensitivity", at_least=self.at_sensitivity)
        return OperatingPointSettings(rule="specificity", at_least=self.at_specificity or 0.0)

    @property
    def asked(self) -> bool:
        """Whether a floor is set in a domain."""
        return self.in_distribution.asked or self.shifted.asked


class DecisionCurveSettings(Settings):
    """Thresholds at which the net benefit is computed."""

    low: float = Field(0.02, gt=0, lt=1, description="lowest threshold")
    high: float = Field(0.98, gt=0, lt=1, description="highest threshold")
    points: int = Field(25, ge=2, le=99, description="number of thresholds, at equal distances")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low {self.low:g} is not less than high {self.high:g}")
        return self

    @property
    def thresholds(self) -> tuple[float, ...]:
        """From low to high."""
        step = (self.high - self.low) / (self.points - 1)
        return tuple(round(self.low + step * place, 6) for place in range(self.points))


def unknown_metric(metric: str, points: set[str], prevalences: set[str]) -> str:
    """Why a slice's metric with a point or a prevalence does not exist; empty if it does.

    Args:
        metric: As the slice names it.
        points: Names of the operating points.
        prevalences: As metrics name them, e.g. `0.01`.
    """
    base, _, point = metric.partition("/")[0].partition(POINT)
    if point and point not in points:
        return f"operating_points has no '{point}', it has {', '.join(sorted(points)) or 'none'}"
    found = _AT.fullmatch(base)
    if found and found[2] not in prevalences:
        return f"prevalences has no {found[2]}, it has {', '.join(sorted(prevalences)) or 'none'}"
    return ""


def is_threshold_metric(metric: str) -> bool:
    """Whether a slice's metric is one at an operating point, or at a prevalence."""
    base, _, point = metric.partition("/")[0].partition(POINT)
    if _AT.fullmatch(base):
        return True
    return bool(point) and base in (*METRICS, *METRICS_BY_PATIENT)
