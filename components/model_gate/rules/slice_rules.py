"""Rules for a named metric in a named slice (`gate.slices`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from components.model_gate.rules.evidence import Evidence
from components.model_gate.rules.outcomes import (
    FAIL,
    NOT_ENOUGH_DATA,
    PASS,
    lacking_reason,
    numbers,
    result,
)
from components.model_gate.rules.settings import GateSettings, SliceRule
from components.statistics.intervals import Interval
from schemas.documents.gate import Rule


def judged(evidence: Evidence, settings: GateSettings) -> Iterator[Rule]:
    """One outcome per rule; a missing slice or metric counts as lacking data."""
    for rule in settings.slices:
        yield _judged(_metrics(evidence, rule), rule)


def _metrics(evidence: Evidence, rule: SliceRule) -> Mapping[str, Interval]:
    if not rule.group:
        return evidence.metrics.get(rule.domain, {})
    wanted = (rule.domain, rule.column, rule.value)
    for group in evidence.groups:
        if (group.domain, group.column, group.value) == wanted:
            return group.metrics
    return {}


def _judged(metrics: Mapping[str, Interval], rule: SliceRule) -> Rule:
    floor = rule.at_least is not None
    name = "slice floor" if floor else "slice ceiling"
    threshold = rule.threshold
    where = f"{rule.domain}, {rule.group}" if rule.group else rule.domain
    interval = metrics.get(rule.metric)
    lacking = lacking_reason(metrics, rule.metric, rule.min_patients)
    if metrics and interval is None:
        lacking = f"there is no such metric; there are {', '.join(metrics)}"
    if interval is None or lacking:
        message = f"{where} {rule.metric}: {lacking}"
        return result(name, where, rule.metric, interval, threshold, NOT_ENOUGH_DATA, message)
    if floor:
        what, bound, passed = "lower bound", interval.lower, interval.lower >= threshold
        relation = "at least" if passed else "below the floor"
    else:
        # Resampling inflates the calibration error, so its value is judged, as in a domain.
        exact = rule.metric.partition("/")[0] == "ece"
        what, bound = ("value", interval.value) if exact else ("upper bound", interval.upper)
        passed = bound <= threshold
        relation = "at most" if passed else "above the ceiling"
    message = (
        f"{where} {rule.metric}: {what} {bound:.3f} is {relation} {threshold:g} "
        f"({numbers(interval)})"
    )
    status = PASS if passed else FAIL
    return result(name, where, rule.metric, interval, threshold, status, message)
