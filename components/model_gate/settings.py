"""Settings of the model gate: what a model must show before it is pushed."""

from __future__ import annotations

from pydantic import Field

from trainer_modules.settings import Settings


class DomainRules(Settings):
    """Floors on the lower bounds of patient-clustered intervals, and a calibration ceiling."""

    required: bool = Field(True, description="false: not judged when there is no such data")
    min_auc: float = Field(0.7, ge=0, le=1, description="floor of the interval's lower bound")
    min_sensitivity: float = Field(0.0, ge=0, le=1, description="floor of the lower bound; 0: none")
    min_specificity: float = Field(0.0, ge=0, le=1, description="floor of the lower bound; 0: none")
    max_ece: float = Field(
        1.0, ge=0, le=1, description="ceiling of the calibration error; 1: not asked for"
    )
    min_patients: int = Field(20, ge=2, description="fewer: not enough data to judge")


class SubgroupRules(Settings):
    """Floor for each value of each subgroup and site, within each domain."""

    min_auc: float = Field(0.5, ge=0, le=1, description="floor of the point value")
    min_patients: int = Field(20, ge=2, description="smaller groups are listed, not judged")
    max_regression: float = Field(
        1.0,
        ge=0,
        le=1,
        description="non-inferiority margin in AUC to the last pushed model within each group, "
        "Holm-corrected over the groups; 1: not asked for",
    )


class GateSettings(Settings):
    """The verdict's rules."""

    in_distribution: DomainRules = DomainRules()
    shifted: DomainRules = DomainRules(min_auc=0.6)
    max_gap: float = Field(
        0.25,
        ge=0,
        le=1,
        description="ceiling of the upper bound of ID minus shifted AUC; 1: not asked for",
    )
    max_regression: float = Field(
        0.05, ge=0, le=1, description="non-inferiority margin in AUC to the last pushed model"
    )
    subgroups: SubgroupRules = SubgroupRules()
    require_evaluator: bool = Field(True, description="TFMA's own thresholds must pass too")
    require_serving: bool = Field(
        True, description="the exported model must pass the load-and-call check"
    )
    resamples: int = Field(1000, ge=200)
    confidence: float = Field(0.95, gt=0.5, lt=1)
    serving_examples: int = Field(16, ge=1, description="images of the load-and-call check")
    serving_tolerance: float = Field(
        1e-4, gt=0, lt=1, description="largest difference of served and judged probabilities"
    )
