"""The plan of a test set as a document: how many patients a policy takes."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from schemas.documents.document import Document, Number, Part
from schemas.features import Domain


class Assumption(Part):
    """What is taken for true.

    Attributes:
        name: What it is.
        domain: Where.
        value: As it is used, in words.
        origin: `given` by an option, estimated from the `pilot`, or a `guess`.
        note: What the guess goes by, or how sure the pilot is.
    """

    name: str
    domain: Domain
    value: str
    origin: Literal["given", "pilot", "guess"]
    note: str = ""


class PlannedSize(Part):
    """Patients of a domain, with the finding and without.

    Attributes:
        at_most: Fewer may do, but the policy judges no fewer.
    """

    patients: int
    with_finding: int
    without_finding: int
    at_most: bool = False


class PlannedRule(Part):
    """What one rule takes.

    Attributes:
        name: The rule.
        slice: The data that it judges.
        metric: The metric; empty for a required count.
        threshold: The floor, ceiling or count; null of a range.
        needed: The least patients by domain; empty if beyond what is simulated.
        passes: Share of the tables of the planned size that it does not keep the model back on;
            null if it was not simulated.
    """

    name: str
    slice: str
    metric: str
    threshold: Number
    needed: dict[Domain, PlannedSize]
    passes: Number = None


class GatePlan(Document):
    """What `python -m components.model_gate plan` says.

    Attributes:
        outcome: `planned`; `unreachable`: the assumed model does not meet a bound, no number of
            patients helps; `beyond`: it takes more patients than are simulated.
        power: Share of the tables that are to be blessed.
        assumptions: What is taken for true.
        rules: What each rule takes alone.
        suggested: Patients by domain for the whole policy.
        blessed: Share of the simulated tables of this size that are blessed.
        error: Monte Carlo error of `blessed`.
        tables: How many were simulated.
        seed: Of the simulation.
        drivers: The rules that take the most patients, in words.
        reasons: Why nothing is suggested.
        notes: What is not planned for.
    """

    FILE: ClassVar[str] = "plan.json"

    version: Literal[1] = 1
    outcome: Literal["planned", "unreachable", "beyond"]
    power: float
    assumptions: tuple[Assumption, ...]
    rules: tuple[PlannedRule, ...] = ()
    suggested: dict[Domain, PlannedSize] = Field(default_factory=dict)
    blessed: Number = None
    error: Number = None
    tables: int = 0
    seed: int = 0
    drivers: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
