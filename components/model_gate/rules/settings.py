"""Settings of the model gate: what a model must show before it is pushed."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from schemas import features
from trainer_modules.settings import Settings

METRICS = ("auc", "sensitivity", "specificity", "ppv", "accuracy", "brier", "ece")


class DomainRules(Settings):
    """Floors on the lower bounds of patient-clustered intervals, and a calibration ceiling."""

    required: bool = Field(
        True, description="false: a domain without data does not refuse the model"
    )
    min_auc: float = Field(0.7, ge=0, le=1, description="floor of the AUC interval's lower bound")
    min_sensitivity: float = Field(
        0.0, ge=0, le=1, description="floor of the sensitivity's lower bound; 0: none"
    )
    min_specificity: float = Field(
        0.0, ge=0, le=1, description="floor of the specificity's lower bound; 0: none"
    )
    max_ece: float = Field(1.0, ge=0, le=1, description="ceiling of the calibration error; 1: none")
    min_patients: int = Field(
        20, ge=2, description="least patients; fewer are not enough data to judge"
    )


class SubgroupRules(Settings):
    """Floor for each value of each subgroup and site, within each domain."""

    min_auc: float = Field(0.5, ge=0, le=1, description="floor of a group's AUC")
    min_patients: int = Field(20, ge=2, description="smaller groups are listed, not judged")
    max_regression: float = Field(
        1.0,
        ge=0,
        le=1,
        description="non-inferiority margin in AUC to the last pushed model within each group, "
        "Holm-corrected over the groups; 1: none",
    )


class SliceRule(Settings):
    """One bound on one metric in one slice, in addition to the general rules.

    A slice named here must have enough data, or the model is refused.
    """

    domain: Literal["in_distribution", "shifted"] = Field(description="where it is judged")
    metric: str = Field(description="one of the gate's metrics; NAME/FINDING: of one finding")
    group: str = Field("", description="COLUMN=VALUE within the domain; empty: the whole domain")
    at_least: float | None = Field(None, description="floor of the interval's lower bound")
    at_most: float | None = Field(
        None, description="ceiling of its upper bound (for ece, of the value)"
    )
    min_patients: int = Field(
        20, ge=2, description="least patients; fewer are not enough data to judge"
    )

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.metric.partition("/")[0] not in METRICS:
            raise ValueError(f"metric '{self.metric}' is not one of {', '.join(METRICS)}")
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("exactly one of at_least and at_most is needed")
        if self.group and not all(self.group.partition("=")):
            raise ValueError(f"group '{self.group}' is not COLUMN=VALUE, for example sex=F")
        return self

    @property
    def threshold(self) -> float:
        """The given floor or ceiling."""
        return next(bound for bound in (self.at_least, self.at_most) if bound is not None)

    @property
    def column(self) -> str:
        """The group's column as predictions name it; empty for the whole domain."""
        name = self.group.partition("=")[0]
        return name if name in ("", features.SITE) else features.subgroup(name)

    @property
    def value(self) -> str:
        """The group's value."""
        return self.group.partition("=")[2]


class GateSettings(Settings):
    """The rules of the verdict."""

    in_distribution: DomainRules = DomainRules()
    shifted: DomainRules = DomainRules(min_auc=0.6)
    max_gap: float = Field(
        0.25,
        ge=0,
        le=1,
        description="ceiling of the upper bound of in-distribution minus shifted AUC; 1: none",
    )
    max_regression: float = Field(
        0.05, ge=0, le=1, description="non-inferiority margin in AUC to the last pushed model"
    )
    subgroups: SubgroupRules = SubgroupRules()
    slices: tuple[SliceRule, ...] = Field((), description="bounds on further metrics and slices")
    require_evaluator: bool = Field(True, description="TFMA's own thresholds must pass too")
    require_serving: bool = Field(
        True, description="the exported model must pass the load-and-call check"
    )
    resamples: int = Field(1000, ge=200, description="draws of patients for the intervals")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="level of the intervals")
    interval: Literal["percentile", "bca"] = Field(
        "percentile", description="bca: corrected for bias and skewness"
    )
    serving_examples: int = Field(16, ge=1, description="images of the load-and-call check")
    serving_max_ms: float | None = Field(
        None, gt=0, description="ceiling of the median time of a call with one image"
    )
    serving_max_mb: float | None = Field(None, gt=0, description="ceiling of the model's size")
    serving_tolerance: float = Field(
        1e-4, gt=0, lt=1, description="largest difference between served and judged probabilities"
    )
