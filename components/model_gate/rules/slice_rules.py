"""Rules for a named metric in a named slice (`gate.slices`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from components.model_gate.policy.operating_points import POINT
from components.model_gate.policy.settings import GateSettings, SliceRule
from components.model_gate.rules import shortage
from components.model_gate.rules.evidence import Evidence
from components.model_gate.rules.outcomes import (
    NOT_ENOUGH_DATA,
    REFUSE,
    Lack,
    Least,
    effect,
    lack,
    numbers,
    result,
    within,
)
from components.statistics.intervals import Interval
from schemas.documents.gate import Rule
from trainer_modules.settings import files as settings_files


def judged(evidence: Evidence, settings: GateSettings) -> Iterator[Rule]:
    """One outcome per rule; a missing slice or metric counts as lacking data."""
    for rule in settings.slices:
        yield _judged(evidence, rule, settings)


def _missing(evidence: Evidence, metrics: Mapping[str, Interval], rule: SliceRule) -> Lack:
    """Why there is no such metric: its operating point may have no threshold."""
    for one in evidence.points:
        base = rule.metric.partition("/")[0]
        if one.lack is not None and base.endswith(f"{POINT}{one.point.name}"):
            reason = f"operating point '{one.point.name}': {one.lack.reason}"
            return dataclasses.replace(one.lack, reason=reason)
    near = settings_files.nearest(rule.metric, list(metrics))
    names = ", ".join(name for name in metrics if "/" not in name)
    return Lack(f"there is no such metric{near}; there are {names}", absent=True)


def _metrics(evidence: Evidence, rule: SliceRule) -> Mapping[str, Interval]:
    if not rule.group:
        return evidence.metrics.get(rule.domain, {})
    wanted = (rule.domain, rule.column, rule.value)
    for group in evidence.groups:
        if (group.domain, group.column, group.value) == wanted:
            return group.metrics
    return {}


def _judged(evidence: Evidence, rule: SliceRule, settings: GateSettings) -> Rule:
    metrics = _metrics(evidence, rule)
    name = "slice floor" if rule.at_least is not None else "slice ceiling"
    where = f"{rule.domain}, {rule.group}" if rule.group else rule.domain
    interval = metrics.get(rule.metric)
    least = Least(rule.min_patients, settings.min_patients_per_class)
    lacking = lack(metrics, rule.metric, least, group=bool(rule.group))
    if metrics and interval is None:
        lacking = _missing(evidence, metrics, rule)
    # A slice is named because it matters: it is judged like a domain, never with a warning.
    unclear = settings.inconclusive.domains if lacking is None else REFUSE
    if interval is None or lacking is not None:
        lacking = lacking or Lack("undefined", absent=True)
        message = f"{where} {rule.metric}: {lacking.reason}"
        status, done = NOT_ENOUGH_DATA, effect(NOT_ENOUGH_DATA, unclear, lacking.absent)
        shown = None if rule.group else interval
        short = lacking.shortage
        return result(name, where, rule.metric, shown, rule.threshold, status, message, done, short)
    status, relation = within(interval, rule.at_least, rule.at_most)
    message = f"{where} {rule.metric}: {relation} ({numbers(interval)})"
    done = effect(status, unclear)
    short = shortage.of_interval(interval, rule.at_least, rule.at_most)
    return result(name, where, rule.metric, interval, rule.threshold, status, message, done, short)
