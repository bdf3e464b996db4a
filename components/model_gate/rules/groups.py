"""Sites and subgroups within each domain: their metrics, and their comparison with the baseline."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from components.model_gate.policy.settings import GateSettings
from components.model_gate.rules import operating_points
from components.model_gate.rules.operating_points import Chosen
from components.model_gate.rules.outcomes import (
    FAIL,
    INCONCLUSIVE,
    PASS,
    Status,
    within,
)
from components.statistics import clustered_auc, clustered_metrics
from components.statistics.clustered_auc import ClusteredAuc
from components.statistics.clustered_metrics import Precision
from components.statistics.intervals import Interval
from schemas import features

JUDGED = "judged"
NOT_ENOUGH_DATA = "not_enough_data"
# Larger groups have their AUC only, but for those that a rule names: the rest would take as long as
# the whole domain, for every column anew.
_ALL_METRICS = 20_000


@dataclasses.dataclass(frozen=True)
class Group:
    """A value of `site` or of a subgroup column, within one domain.

    Attributes:
        domain: The domain.
        column: `site` or a subgroup column.
        value: Its value.
        auc: The AUC.
        status: `judged` or `not_enough_data`.
        metrics: Every metric by name; of a large group that no rule names, the AUC only.
    """

    domain: str
    column: str
    value: str
    auc: Interval
    status: str
    metrics: Mapping[str, Interval] = dataclasses.field(default_factory=dict)

    def against(self, floor: float) -> tuple[Status, str, Interval]:
        """Whether the AUC reaches a floor by image and by patient: the worse of the two."""
        found = []
        both = (("auc", self.auc), ("auc by patient", self.metrics.get("auc_by_patient")))
        for words, interval in both:
            if interval is not None:
                status, relation = within(interval, low=floor)
                found.append((status, f"{words}: {relation}", interval))
        return min(found, key=lambda one: (FAIL, INCONCLUSIVE, PASS).index(one[0]))


@dataclasses.dataclass(frozen=True)
class GroupDifference:
    """Candidate minus baseline within a group.

    Attributes:
        domain: The domain.
        column: `site` or a subgroup column.
        value: Its value.
        auc: Difference of the AUCs, with its paired interval.
        p_value: Of being worse by more than the margin; NaN if the interval is undefined. Not
            corrected for the number of groups: all of them must be shown to be no worse, and the
            more there are, the harder that is (an intersection-union test).
    """

    domain: str
    column: str
    value: str
    auc: Interval
    p_value: float


class Groups(NamedTuple):
    """All groups, and the differences of those with enough patients."""

    groups: list[Group]
    differences: list[GroupDifference]


@dataclasses.dataclass(frozen=True, eq=False)
class DomainAucs:
    """The known records of a domain: where each group's lie, and the figures of all of them.

    Attributes:
        groups: Number of each record's value in a column of groups, -1 without one, and the values.
        auc: Of the candidate.
        other: Of the baseline; None without one.
        metrics: Of all records.
    """

    groups: Mapping[str, tuple[np.ndarray, Sequence[str]]]
    auc: ClusteredAuc
    other: ClusteredAuc | None
    metrics: Mapping[str, Interval]


def judged(
    domains: Mapping[features.Domain, DomainAucs],
    settings: GateSettings,
    points: Sequence[Chosen] = (),
) -> Groups:
    """Judges each group, one in memory at a time.

    Args:
        domains: Records, figures and groups by domain.
        settings: Confidence, sizes, margin; no differences without a margin.
        points: Operating points, for the groups that a rule names.
    """
    groups, differences = [], []
    margin = settings.subgroups.max_regression
    wanted: set[tuple[str, str, str]] = {
        (rule.domain, rule.column, rule.value) for rule in settings.slices
    }
    for domain, found in domains.items():
        for column, value, chosen in _rows(found):
            auc, metrics = found.auc, found.metrics
            if chosen is not None:
                auc = ClusteredAuc.of(found.auc.records.part(chosen))
                full = (domain, column, value) in wanted
                metrics = _metrics(auc, settings, points if full else None)
            status = _status(auc, metrics["auc"], settings)
            groups.append(Group(domain, column, value, metrics["auc"], status, metrics))
            if found.other is None or margin == 1 or status != JUDGED:
                continue
            other = found.other
            if chosen is not None:
                other = ClusteredAuc.of(found.other.records.part(chosen))
            difference = clustered_auc.difference(auc, other, settings.confidence)
            p_value = clustered_auc.p_below(auc, other, -margin)
            differences.append(GroupDifference(domain, column, value, difference, p_value))
    return Groups(groups, differences)


def _metrics(
    auc: ClusteredAuc, settings: GateSettings, points: Sequence[Chosen] | None
) -> dict[str, Interval]:
    """A group's metrics; with points, every one, also at these and at prevalences."""
    records = auc.records
    if records.examples > _ALL_METRICS and points is None:
        return clustered_metrics.aucs(records, settings.confidence, auc)
    precision = Precision(settings.confidence, settings.resamples)
    metrics = clustered_metrics.intervals(records, precision, auc)
    if points is not None:
        metrics |= operating_points.measured(records, metrics, points, settings)
    return metrics


def _status(auc: ClusteredAuc, interval: Interval, settings: GateSettings) -> str:
    records = auc.records
    finite = np.isfinite(records.score[records.weight > 0]).all()
    per_class = min(interval.by_class.values(), default=0)
    # NaN predictions are the model's fault, not a lack of data: they are judged, and fail.
    enough = records.patients >= settings.subgroups.min_patients and (
        (per_class >= settings.min_patients_per_class and interval.judged) or not finite
    )
    return JUDGED if enough else NOT_ENOUGH_DATA


def _rows(found: DomainAucs) -> Iterator[tuple[str, str, np.ndarray | None]]:
    """Column, value and records of each site and subgroup; None: all records of the domain."""
    for column, (number, values) in found.groups.items():
        sizes = np.bincount(number[number >= 0], minlength=len(values))
        for one, value in enumerate(values):
            if sizes[one]:
                yield column, value, None if sizes[one] == len(number) else number == one
