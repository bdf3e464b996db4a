"""The part of a verdict that says what it was made from, and which look at the test set it is."""

from __future__ import annotations

from typing import Any, Literal

from schemas.documents.document import Part

ReuseRule = Literal["divide", "planned", "none"]


class Digests(Part):
    """SHA-256 of what was judged, in hexadecimal; docs/provenance.md defines each.

    Attributes:
        predictions: The table of predictions as it was given, whatever the order of rows and
            columns; None for a model that was called on record files.
        test_set: Patients, domains and labels of the judged images, without scores: the same for
            every model judged on them.
        scores: The test set with the model's scores and decisions: the model, as far as it shows.
        model: The model's files; None for a table.
        policy: The settings in effect.
    """

    predictions: str | None
    test_set: str
    scores: str
    model: str | None
    policy: str


class Reuse(Part):
    """Which look at the test set this is, and what that does to the intervals.

    Attributes:
        counted: Whether a ledger counted it.
        refused: Whether the policy allows no further model, so that nothing was measured.
        look: This is the model's number among those judged on the test set; None if not counted.
        rule: How alpha is spent.
        alpha: What this look may spend: 1 minus the level of its intervals.
        confidence: Level of the intervals, in place of the policy's.
        message: One sentence.
        entry: SHA-256 of the ledger's line; empty if not counted.
    """

    counted: bool
    refused: bool
    look: int | None
    rule: ReuseRule
    alpha: float
    confidence: float
    message: str
    entry: str


class Provenance(Part):
    """What the verdict was made from.

    Attributes:
        digests: Of table, test set, model and policy.
        version: Of this software.
        code: SHA-256 of the gate's and the statistics' source.
        seed: Of the draws for the interval of the calibration error.
        judged_at: UTC; a run that reuses a cached verdict keeps the time of its judgement.
        libraries: Versions of what computes the figures.
        task: What is predicted.
        subgroups: Columns judged by.
    """

    digests: Digests
    version: str
    code: str
    seed: int
    judged_at: str
    libraries: dict[str, str]
    task: dict[str, Any]
    subgroups: tuple[str, ...]
