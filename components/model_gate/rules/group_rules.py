"""Rules for sites and subgroups: floors, and the comparison with the baseline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from components.model_gate.policy.settings import GateSettings
from components.model_gate.rules import shortage
from components.model_gate.rules.evidence import Baseline
from components.model_gate.rules.groups import JUDGED, Group
from components.model_gate.rules.outcomes import (
    FAIL,
    INCONCLUSIVE,
    NOT_ENOUGH_DATA,
    PASS,
    REFUSE,
    Least,
    effect,
    lack,
    not_asked,
    numbers,
    plain,
    result,
)
from schemas import features
from schemas.documents.gate import SUBGROUP_FLOOR, Rule


def floors(groups: Sequence[Group], settings: GateSettings) -> Iterator[Rule]:
    """Each judged group's floor; a required one that can't be judged, or is not there, refuses."""
    floor = settings.subgroups.min_auc
    for group in groups:
        where = f"{group.domain}, {group.column}={group.value}"
        unclear = _unclear(group.column, group.value, settings)
        if group.status == JUDGED:
            status, relation, interval = group.against(floor)
            message = f"{where} {relation} ({numbers(interval)})"
            done = effect(status, unclear)
            short = shortage.of_interval(interval, floor, None)
            yield result(
                SUBGROUP_FLOOR, where, "auc", interval, floor, status, message, done, short
            )
        elif unclear == REFUSE:
            metrics = group.metrics or {"auc": group.auc}
            least = Least(settings.subgroups.min_patients, settings.min_patients_per_class)
            lacking = lack(metrics, "auc", least, group=True)
            message = f"{where} auc: {lacking.reason if lacking else 'undefined'}"
            lacks, done = NOT_ENOUGH_DATA, effect(NOT_ENOUGH_DATA, unclear)
            short = lacking.shortage if lacking else None
            yield result(SUBGROUP_FLOOR, where, "auc", None, floor, lacks, message, done, short)
        # Else only listed in the report: a small group neither passes nor fails the model.
    yield from _unknown(groups, settings)


def non_inferiority(baseline: Baseline, settings: GateSettings) -> Iterator[Rule]:
    """Every group is to be shown to be worse by no more than the margin, each at its own level.

    The model is blessed without a warning only if all are: an intersection-union test, whose level
    is that of each part. A correction for their number would cost power and protect nobody.
    """
    name, margin = "subgroup non-inferiority", settings.subgroups.max_regression
    alpha = (1 - settings.confidence) / 2
    for group in baseline.groups:
        where = f"{group.domain}, {group.column}={group.value}"
        if not group.auc.judged:  # as with the floors: no verdict on too few of a class
            yield not_asked(name, where, "auc", group.auc, "too few examples of a class")
            continue
        status = INCONCLUSIVE
        if group.p_value <= alpha:
            status = PASS
        elif group.p_value >= 1 - alpha:
            status = FAIL
        relation = {PASS: "shown", INCONCLUSIVE: "not shown", FAIL: "shown not"}[status]
        message = (
            f"{where} AUC minus that of model {baseline.version}: {relation} to be above "
            f"{-margin:g}, p {group.p_value:.2g} against {alpha:g} "
            f"({numbers(group.auc, '+.3f')})"
        )
        done = effect(status, _unclear(group.column, group.value, settings))
        short = shortage.of_interval(group.auc, -margin, None)
        yield result(name, where, "auc", group.auc, -margin, status, message, done, short)


def unjudged(groups: Sequence[Group]) -> Iterator[str]:
    """A warning for each column of which no group can be judged in a domain."""
    found: dict[tuple[str, str], list[bool]] = {}
    for group in groups:
        judged = found.setdefault((group.domain, group.column), [])
        judged.append(group.status == JUDGED)
    for (domain, column), judged in found.items():
        if not any(judged):
            number = f"none of {len(judged)} groups" if len(judged) > 1 else "the only group"
            verb = "has" if len(judged) > 1 else "does not have"
            yield f"{domain}, {_name(column)}: {number} {verb} enough patients to be judged"


def _unknown(groups: Sequence[Group], settings: GateSettings) -> Iterator[Rule]:
    """Groups that are required and are in no domain: most likely, a name is misspelled."""
    names = {_name(group.column) for group in groups}
    values = {f"{_name(group.column)}={group.value}" for group in groups}
    for required in settings.subgroups.required_groups:
        if required not in names | values:
            message = (
                f"required group '{required}': no domain has labeled images of five of its patients"
            )
            yield plain(SUBGROUP_FLOOR, NOT_ENOUGH_DATA, message)


def _name(column: str) -> str:
    """A group's column as settings name it."""
    return column.removeprefix(features.subgroup(""))


def _unclear(column: str, value: str, settings: GateSettings) -> str:
    """What an inconclusive outcome of a group does."""
    name = _name(column)
    named = {name, f"{name}={value}"} & set(settings.subgroups.required_groups)
    return REFUSE if named else settings.inconclusive.groups
