"""Sites and subgroups within each domain: their metrics, and their comparison with the baseline."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

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

if TYPE_CHECKING:
    import pandas as pd

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
    """The known records of a domain: where each group's lie, and the AUCs of all of them.

    Attributes:
        table: Rows with a known label, for the columns of the groups.
        auc: Of the candidate.
        other: Of the baseline; None without one.
    """

    table: pd.DataFrame
    auc: ClusteredAuc
    other: ClusteredAuc | None


def judged(
    domains: Mapping[features.Domain, DomainAucs],
    subgroups: Sequence[str],
    settings: GateSettings,
    points: Sequence[Chosen] = (),
) -> Groups:
    """Judges each group, one in memory at a time.

    Args:
        domains: Records and AUCs by domain.
        subgroups: Names of the subgroup columns.
        settings: Confidence, sizes, margin; no differences without a margin.
        points: Operating points, for the groups that a rule names.
    """
    groups, differences = [], []
    margin = settings.subgroups.max_regression
    wanted: set[tuple[str, str, str]] = {
        (rule.domain, rule.column, rule.value) for rule in settings.slices
    }
    for domain, found in domains.items():
        for column, value, chosen in _rows(found.table, subgroups):
            auc = _part(found.auc, chosen)
            group = _group(domain, column, value, auc, settings)
            if (domain, column, value) in wanted:
                group = _in_full(group, auc, settings, points)
            groups.append(group)
            if found.other is None or margin == 1 or group.status != JUDGED:
                continue
            other = _part(found.other, chosen)
            difference = clustered_auc.difference(auc, other, settings.confidence)
            p_value = clustered_auc.p_below(auc, other, -margin)
            differences.append(GroupDifference(domain, column, value, difference, p_value))
    return Groups(groups, differences)


def _part(auc: ClusteredAuc, chosen: np.ndarray) -> ClusteredAuc:
    """The AUC of some of the records; that of all of them is there already."""
    return auc if chosen.all() else ClusteredAuc.of(auc.records.part(chosen))


def _group(
    domain: str,
    column: str,
    value: str,
    auc: ClusteredAuc,
    settings: GateSettings,
) -> Group:
    records, precision = auc.records, Precision(settings.confidence, settings.resamples)
    if records.examples <= _ALL_METRICS:
        metrics = clustered_metrics.intervals(records, precision, auc)
    else:
        metrics = clustered_metrics.aucs(records, settings.confidence, auc)
    interval = metrics["auc"]
    finite = np.isfinite(records.score[records.weight > 0]).all()
    per_class = min(interval.by_class.values(), default=0)
    # NaN predictions are the model's fault, not a lack of data: they are judged, and fail.
    enough = records.patients >= settings.subgroups.min_patients and (
        (per_class >= settings.min_patients_per_class and interval.judged) or not finite
    )
    status = JUDGED if enough else NOT_ENOUGH_DATA
    return Group(domain, column, value, interval, status, metrics)


def _in_full(
    group: Group, auc: ClusteredAuc, settings: GateSettings, points: Sequence[Chosen]
) -> Group:
    """The group with every metric, those at operating points and prevalences, too."""
    records, metrics = auc.records, group.metrics
    if records.examples > _ALL_METRICS:
        precision = Precision(settings.confidence, settings.resamples)
        metrics = clustered_metrics.intervals(records, precision, auc)
    more = operating_points.measured(records, metrics, points, settings)
    return dataclasses.replace(group, metrics={**metrics, **more})


def _rows(table: pd.DataFrame, subgroups: Sequence[str]) -> Iterator[tuple[str, str, np.ndarray]]:
    """Column, value and rows of each site and subgroup."""
    import pandas as pd

    for column in (features.SITE, *(features.subgroup(name) for name in subgroups)):
        codes, values = pd.factorize(table[column], sort=True)
        for code, value in enumerate(values):
            yield column, str(value), codes == code
