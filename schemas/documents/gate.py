"""verdict.json: the measurements and decisions of the model gate."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from schemas.documents.document import Document, Number, Part
from schemas.documents.provenance import Provenance, Reuse
from schemas.documents.reference import Reference
from schemas.features import Domain

# The rule that each site and subgroup has; the page counts those that passed.
SUBGROUP_FLOOR = "subgroup floor"
# In the order of the report; each target of several has its own, METRIC/TARGET.
METRICS = (
    "auc",
    "auc_by_patient",
    "sensitivity",
    "sensitivity_by_patient",
    "specificity",
    "specificity_by_patient",
    "ppv",
    "npv",
    "balanced_accuracy",
    "balanced_accuracy_by_patient",
    "accuracy",
    "brier",
    "calibration_error",
    "calibration_slope",
    "calibration_intercept",
)


class Bounds(Part):
    """A value with its interval; null if there are not enough data."""

    value: Number
    lower: Number
    upper: Number


class Metric(Bounds):
    """A metric with its patient-clustered interval, and how many patients and images it is of."""

    patients: int
    examples: int


class JudgedMetric(Metric):
    """A metric as the verdict has it, with what its interval rests on.

    Attributes:
        by_class: Patients with an image of each kind that the metric needs.
        effective: How many patients of one image each would say as much, of the smallest kind.
    """

    by_class: dict[str, int]
    effective: Number


class Needed(Part):
    """Patients with whom a rule that lacks data could decide.

    Attributes:
        patients: How many, in place of those there are.
        of: `positive` or `negative`: with such images; empty: of all.
        estimated: From the width of the interval, if the value stays; else a required count.
    """

    patients: int
    of: Literal["", "positive", "negative"]
    estimated: bool


class Rule(Part):
    """One rule's outcome, with the numbers that decided it.

    Attributes:
        name: The rule.
        slice: The data it judged, e.g. `shifted` or `shifted, site=b`.
        metric: The metric it judged; empty for rules without one.
        value: The metric's value.
        lower: Lower bound of its interval.
        upper: Upper bound.
        threshold: The floor or ceiling.
        status: `inconclusive` where the interval holds the threshold.
        effect: What the outcome does: `refuse` the model, leave the verdict `inconclusive`, `warn`,
            or `none`.
        message: One sentence with the numbers.
        needed: Patients for whose lack it did not decide, if that can be told.
    """

    name: str
    slice: str
    metric: str
    value: Number
    lower: Number
    upper: Number
    threshold: Number
    status: Literal["pass", "fail", "inconclusive", "not_enough_data", "not_required"]
    effect: Literal["none", "warn", "inconclusive", "refuse"]
    message: str
    needed: Needed | None = None


class Subgroup(Part):
    """AUC of one value of one column, in one domain."""

    domain: Domain
    column: str
    value: str
    auc: Number
    lower: Number
    upper: Number
    patients: int
    examples: int
    by_patient: Number
    status: Literal["pass", "fail", "inconclusive", "not_enough_data"]


class Unlabelled(Part):
    """Images of a domain, those without a label, and how the model decides on the latter."""

    images: int
    unlabelled: int
    called: dict[str, int]


class Confusion(Part):
    """How the images of each class of a domain were decided, for classes that exclude each other.

    Attributes:
        classes: Names, in order, of rows and columns.
        counts: Labeled images: a row for the class that they have, a column for the one called.
        rates: The same as fractions of the row; null where the domain has no image of the class.
        undecided: Images of each class for which the model calls no class or several.
    """

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    rates: tuple[tuple[Number, ...], ...]
    undecided: tuple[int, ...]


class ChosenThreshold(Part):
    """A finding's threshold at an operating point, and its rates among those who chose it.

    Attributes:
        finding: The finding.
        threshold: Scores from here on are positive.
        patients: How many chose it, of the class that the point asks for.
        sensitivity: Among them.
        specificity: Among them.
    """

    finding: str
    threshold: Number
    patients: int
    sensitivity: Bounds
    specificity: Bounds


class OperatingPoint(Part):
    """An operating point of the policy; its metrics are METRIC@NAME of each domain.

    Attributes:
        name: Its name.
        rule: What was asked for.
        at_least: How much of it.
        thresholds: One for each finding.
        problem: Why there is none; empty if there is.
    """

    name: str
    rule: Literal["sensitivity", "specificity"]
    at_least: float
    thresholds: tuple[ChosenThreshold, ...]
    problem: str


class DecisionCurve(Part):
    """Net benefit of a finding's scores at each threshold; treating nobody has 0.

    Attributes:
        domain: The domain.
        finding: The finding.
        prevalence: In the domain's images, or the one of the policy.
        given: Whether it is the policy's.
        thresholds: Ascending.
        net_benefit: Of the model; `lower` and `upper` are its bounds.
        treat_all: If every image is called positive.
        over_all: The model's less that, with bounds.
    """

    domain: Domain
    finding: str
    prevalence: float
    given: bool
    thresholds: tuple[float, ...]
    net_benefit: tuple[Number, ...]
    lower: tuple[Number, ...]
    upper: tuple[Number, ...]
    treat_all: tuple[Number, ...]
    over_all: tuple[Number, ...]
    over_all_lower: tuple[Number, ...]
    over_all_upper: tuple[Number, ...]


class Baseline(Part):
    """Paired difference to the last pushed model, by domain; no version if there is none."""

    version: str | None
    difference: dict[Domain, Bounds]


class Serving(Part):
    """Outcome of the load-and-call check of the exported model."""

    ok: bool
    message: str
    latency_ms: Number = None
    size_bytes: int | float | None = None
    max_difference: Number = None


class GateVerdict(Document):
    """The document that the report, the runner and CI systems read.

    `outcome` tells a model that was shown to be too bad, or had nothing to be judged on, from one
    on which there are too few data. `settings` holds the gate's settings, `metrics` each metric by
    domain and name, `confusion` the decisions of a multiclass model by domain, `reference` what
    monitoring compares later tables with.
    """

    FILE: ClassVar[str] = "verdict.json"

    version: Literal[2] = 2
    blessed: bool
    outcome: Literal["blessed", "refused", "inconclusive"]
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    rules: tuple[Rule, ...]
    settings: dict[str, Any]
    metrics: dict[Domain, dict[str, JudgedMetric]]
    unlabelled: dict[Domain, dict[str, Unlabelled]]
    subgroups: tuple[Subgroup, ...]
    worst_groups: dict[Domain, Subgroup]
    delong: dict[Domain, Bounds]
    operating_points: tuple[OperatingPoint, ...] = ()
    decision_curves: tuple[DecisionCurve, ...] = ()
    gap: Bounds | None
    baseline: Baseline
    serving: Serving
    confusion: dict[Domain, Confusion] = Field(default_factory=dict)
    reference: Reference = Field(default_factory=dict)
    provenance: Provenance | None = None
    reuse: Reuse | None = None


class JudgedTable(Part):
    """The table of predictions judged by the stand-alone gate; thresholds are by target.

    Attributes:
        threshold_chosen: How the thresholds were chosen, or the decisions were made.
        classes: Of a multiclass model; it has no thresholds.
    """

    rows: int
    patients: int
    threshold: float | None
    thresholds: dict[str, float]
    threshold_chosen: str
    classes: tuple[str, ...] = ()
    subgroups: tuple[str, ...]
    ignored_columns: tuple[str, ...]


class JudgedModel(Part):
    """The predictions of the model judged by the stand-alone gate."""

    rows: int
    patients: int
    targets: tuple[str, ...]
    subgroups: tuple[str, ...]
    ignored_columns: tuple[str, ...]


class StandaloneVerdict(GateVerdict):
    """The verdict of `python -m components.model_gate`.

    `policy` is the name of the policy, or of its file.
    """

    policy: str
    judged: JudgedTable | JudgedModel
