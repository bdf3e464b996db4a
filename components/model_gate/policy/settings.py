"""Settings of the model gate: what a model must show before it is pushed."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from components.model_gate.policy.operating_points import (
    DecisionCurveSettings,
    OperatingPoint,
    is_threshold_metric,
    unknown_metric,
)
from schemas import features
from schemas.documents.gate import METRICS
from trainer_modules.settings import Settings

Unclear = Literal["refuse", "warn"]
Range = tuple[float, float]


class DomainRules(Settings):
    """Floors under the lower bounds of patient-clustered intervals, and what calibration must be.

    Floors hold by image and by patient: neither many images of few patients nor many patients of
    few images carry the others.
    """

    required: bool = Field(
        True, description="false: a domain without data does not refuse the model"
    )
    min_auc: float = Field(0.75, ge=0, le=1, description="floor of the AUC interval's lower bound")
    min_sensitivity: float = Field(
        0.0, ge=0, le=1, description="floor of the sensitivity's lower bound; 0: none"
    )
    min_specificity: float = Field(
        0.0, ge=0, le=1, description="floor of the specificity's lower bound; 0: none"
    )
    min_balanced_accuracy: float = Field(
        0.0,
        ge=0,
        le=1,
        description="floor of the balanced accuracy's lower bound (multiclass: mean sensitivity of "
        "the classes; else mean of sensitivity and specificity); 0: none",
    )
    calibration_slope: Range | None = Field(
        (0.5, 2.0),
        description="range of the calibration slope (1: calibrated, less: overconfident)",
    )
    calibration_intercept: Range | None = Field(
        (-1.0, 1.0), description="range of the calibration intercept, in log odds (0: calibrated)"
    )
    max_calibration_error: float = Field(
        0.15, ge=0, le=1, description="ceiling of the debiased calibration error; 1: none"
    )
    max_unlabelled: float = Field(
        0.1, ge=0, le=1, description="ceiling of the fraction of images without a label"
    )
    min_patients: int = Field(
        30, ge=2, description="least patients; fewer are not enough data to judge"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name in ("calibration_slope", "calibration_intercept"):
            bounds = getattr(self, name)
            if bounds is not None and not bounds[0] <= bounds[1]:
                raise ValueError(f"{name} {list(bounds)} is not a range from low to high")
        return self


class SubgroupRules(Settings):
    """Floor for each value of each subgroup and site, within each domain."""

    min_auc: float = Field(0.6, ge=0, le=1, description="floor of a group's AUC interval")
    required_groups: tuple[str, ...] = Field(
        (), description="COLUMN or COLUMN=VALUE of groups that must be shown to reach it"
    )
    min_patients: int = Field(20, ge=2, description="smaller groups are listed, not judged")
    max_regression: float = Field(
        0.1,
        ge=0,
        le=1,
        description="non-inferiority margin in AUC to the last pushed model within each group; "
        "1: none",
    )


class SliceRule(Settings):
    """One bound on one metric in one slice, in addition to the general rules.

    A slice named here must have enough data, or the model is refused.
    """

    domain: Literal["in_distribution", "shifted"] = Field(description="where it is judged")
    metric: str = Field(
        description="one of the gate's metrics; NAME@POINT: at an operating point; NAME/FINDING: "
        "of one finding"
    )
    group: str = Field("", description="COLUMN=VALUE within the domain; empty: the whole domain")
    at_least: float | None = Field(None, description="floor of the interval's lower bound")
    at_most: float | None = Field(None, description="ceiling of the interval's upper bound")
    min_patients: int = Field(
        20, ge=2, description="least patients; fewer are not enough data to judge"
    )

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        known = self.metric.partition("/")[0] in METRICS or is_threshold_metric(self.metric)
        if not known:
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


class InconclusiveRules(Settings):
    """What the gate does where the data show neither that a bound is met nor that it is missed."""

    domains: Unclear = Field("refuse", description="of floors, gap, slices and regression")
    groups: Unclear = Field("warn", description="of groups that are not in required_groups")
    findings: Unclear = Field(
        "warn", description="of the AUC floor of each finding or class, where there are several"
    )
    calibration: Unclear = Field("warn", description="of slope, intercept and calibration error")


class ReuseRules(Settings):
    """How alpha is spent when several models are judged on one test set."""

    rule: Literal["divide", "planned", "none"] = Field(
        "divide",
        description="alpha of the k-th model: divided by k, divided by the planned number of "
        "looks, or in full",
    )
    looks: int | None = Field(
        None, ge=1, description="models that may be judged on a test set, of rule planned"
    )

    @model_validator(mode="after")
    def _looks_of_a_plan(self) -> Self:
        if (self.rule == "planned") != (self.looks is not None):
            raise ValueError("looks belongs to rule 'planned', which needs it")
        return self


class GateSettings(Settings):
    """The rules of the verdict."""

    in_distribution: DomainRules = DomainRules()
    shifted: DomainRules = DomainRules(
        min_auc=0.65,
        calibration_slope=(0.33, 3.0),
        calibration_intercept=(-1.5, 1.5),
        max_calibration_error=0.25,
    )
    max_gap: float = Field(
        0.2,
        ge=0,
        le=1,
        description="ceiling of the upper bound of in-distribution minus shifted AUC; 1: none",
    )
    max_regression: float = Field(
        0.03, ge=0, le=1, description="non-inferiority margin in AUC to the last pushed model"
    )
    subgroups: SubgroupRules = SubgroupRules()
    slices: tuple[SliceRule, ...] = Field((), description="bounds on further metrics and slices")
    operating_points: tuple[OperatingPoint, ...] = Field(
        (), description="thresholds chosen on validation rows and judged on the others"
    )
    prevalences: tuple[float, ...] = Field(
        (), description="prevalences for which PPV, NPV and net benefit are computed as well"
    )
    decision_curve: DecisionCurveSettings = DecisionCurveSettings()
    min_patients_per_class: int = Field(
        10,
        ge=2,
        description="least patients with a positive, and with a negative image; fewer are not "
        "judged",
    )
    inconclusive: InconclusiveRules = InconclusiveRules()
    unit: Literal["image", "patient", "study", "slide"] = Field(
        "image", description="what counts once; domains must pass by patient as well"
    )
    require_evaluator: bool = Field(True, description="TFMA's own thresholds must pass too")
    require_serving: bool = Field(
        True, description="the exported model must pass the load-and-call check"
    )
    resamples: int = Field(
        2000, ge=200, description="draws for the interval of the calibration error"
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="level of the intervals")
    reuse: ReuseRules = ReuseRules()
    ledger: str | None = Field(
        None,
        description="file that counts the models judged on a test set; null: in the output folder, "
        "beside a table of predictions, on Kubeflow not counted; empty: not counted",
    )
    serving_examples: int = Field(
        16,
        ge=1,
        description="original files of each format in the load-and-call check; number of stored "
        "images where the data set has no files",
    )
    serving_max_ms: float | None = Field(
        None, gt=0, description="ceiling of the median time of a call with one image"
    )
    serving_max_mb: float | None = Field(None, gt=0, description="ceiling of the model's size")
    serving_tolerance: float = Field(
        1e-4, gt=0, lt=1, description="largest difference between served and judged probabilities"
    )

    @field_validator("ledger")
    @classmethod
    def _path(cls, value: str | None) -> str | None:
        if value is not None and "://" in value:
            raise ValueError(f"'{value}' is an address; give the path of a file")
        return value

    @model_validator(mode="after")
    def _thresholds(self) -> Self:
        if not all(0 < one < 1 for one in self.prevalences):
            raise ValueError(f"prevalences {list(self.prevalences)} are not all between 0 and 1")
        names = [point.name for point in self.operating_points]
        if len(set(names)) < len(names):
            raise ValueError(f"operating_points {names}: give every name once")
        for point in self.operating_points:
            for bounds in (point.in_distribution, point.shifted):
                if (bounds.min_ppv or bounds.min_npv) and not self.prevalences:
                    raise ValueError(
                        f"operating point '{point.name}': min_ppv and min_npv need prevalences"
                    )
        for rule in self.slices:
            known = {f"{one:g}" for one in self.prevalences}
            if problem := unknown_metric(rule.metric, set(names), known):
                raise ValueError(f"slice metric '{rule.metric}': {problem}")
        return self
