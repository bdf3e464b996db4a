"""monitoring.json: what a table of new predictions says about a model that was released."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from schemas.documents.document import Document, Number, Part
from schemas.documents.gate import Bounds
from schemas.features import Domain

Status = Literal["no_alarm", "alarm", "too_few_data"]


class Shares(Part):
    """Shares of patients by value, of the blessed and of the new table, in the same bins.

    Bins of some, but fewer than five new patients are joined with their neighbors.
    """

    edges: tuple[float, ...]
    reference: tuple[float, ...]
    new: tuple[float, ...]


class Drift(Part):
    """A column of the new table against the blessed one, by patient.

    Attributes:
        column: `score`, `score/NAME` or `statistic/NAME`.
        reference_patients: Patients of the blessed table.
        patients: Patients of the new table with a value.
        distance: Largest difference of the two cumulative shares (Kolmogorov's).
        higher: How often a new patient's value is above a blessed one's; 0.5 without drift.
        p_value: Of both having the same distribution.
        alpha: At or under which the p-value counts.
        status: `small`: there is drift, but of less than the tolerated distance.
        message: One sentence with the numbers.
    """

    column: str
    reference_patients: int
    patients: int
    distance: Number
    higher: Number
    p_value: Number
    alpha: Number
    status: Literal["no_drift", "small", "drift", "not_enough_data"]
    shares: Shares | None
    message: str


class Estimated(Bounds):
    """A metric without labels: what it would be if scores still mean what they meant.

    Attributes:
        target: The finding or class.
        metric: Its name in the verdict, or `positive_rate`.
        reference: Its value in the verdict.
        assumes: What must hold.
        doubtful: Drift was found, so that it may not.
    """

    target: str
    metric: str
    reference: Number
    assumes: str
    doubtful: bool


class Measured(Bounds):
    """A metric of the new table's labels.

    Attributes:
        metric: Its name in the verdict.
        reference: Its value there.
        floor: Of the verdict's policy; of a range, its lower end.
        ceiling: Of a range, its upper end.
        surely_at_most: Upper end at the level of this look: an alarm where it is below the floor.
        surely_at_least: Lower end: an alarm where it is above the ceiling.
        patients: With a label.
        status: `no_bound`: the policy sets none, it is only reported.
        message: One sentence with the numbers.
    """

    metric: str
    reference: Number
    floor: Number
    ceiling: Number
    surely_at_most: Number
    surely_at_least: Number
    patients: int
    status: Literal["no_alarm", "alarm", "not_enough_data", "no_bound"]
    message: str


class Site(Part):
    """How far the scores of a site's patients are from the blessed ones; not tested.

    Sites of fewer than five patients are together, under a name that says so.
    """

    site: str
    target: str
    patients: int
    images: int
    distance: Number
    higher: Number


class Look(Part):
    """A line of the history: what was looked at, at which level, and what was found.

    Attributes:
        version: Of the line.
        look: Its number among the looks at new data of the same verdict, from 1.
        verdict: SHA-256 of the verdict's reference and policy.
        data: SHA-256 of the new table's content and of the options.
        domain: Of the reference.
        time: UTC.
        alpha: Chance of a false alarm in all looks together.
        spent: What this look may spend of it.
        tests: Among which that is divided.
        status: The outcome.
        patients: Of the new table.
        distance: Of each tested column.
        estimated: AUC by target.
        measured: AUC.
    """

    version: Literal[1] = 1
    look: int = Field(ge=1)
    verdict: str
    data: str
    domain: Domain
    time: str
    alpha: float = Field(gt=0, lt=1)
    spent: float
    tests: int
    status: Status
    patients: int
    distance: dict[str, Number]
    estimated: dict[str, Bounds]
    measured: dict[str, Bounds]


class MonitoringReport(Document):
    """The output of `python -m components.model_gate monitor`.

    Attributes:
        status: `too_few_data`: nothing could be tested, and no look was spent.
        alarms: Why there is one.
        warnings: What does not raise an alarm.
        domain: The blessed domain with which the table was compared.
        rows: Images of the new table.
        patients: Patients of it.
        labelled: Images with a label.
        look: This one; null where nothing could be tested.
        repeated: The same data were looked at before, so that nothing is spent again.
        earlier: Looks before this one.
        tolerance: Distance up to which drift raises no alarm.
        drift: Of scores and image statistics.
        estimated: Performance without labels.
        measured: Performance by the labels that are there.
        sites: Of patients of each site.
    """

    FILE: ClassVar[str] = "monitoring.json"

    version: Literal[1] = 1
    status: Status
    alarms: tuple[str, ...]
    warnings: tuple[str, ...]
    domain: Domain
    rows: int
    patients: int
    labelled: int
    look: Look | None
    repeated: bool
    earlier: tuple[Look, ...]
    tolerance: float
    drift: tuple[Drift, ...]
    estimated: tuple[Estimated, ...]
    measured: tuple[Measured, ...]
    sites: tuple[Site, ...]
