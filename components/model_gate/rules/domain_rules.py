"""The rules of the gate: pure functions from evidence and settings to a verdict with reasons.

A rule passes only on evidence. What can't be judged is `not_enough_data` and does not count as
passed, and comparisons are written so that NaN never passes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from components.model_gate.rules import slice_rules
from components.model_gate.rules.evidence import Baseline, Evidence
from components.model_gate.rules.groups import JUDGED, Group
from components.model_gate.rules.outcomes import (
    FAIL,
    NOT_ENOUGH_DATA,
    NOT_REQUIRED,
    PASS,
    lacking_reason,
    not_asked,
    numbers,
    plain,
    result,
    served,
)
from components.model_gate.rules.settings import DomainRules, GateSettings
from components.statistics.intervals import Interval
from schemas import features
from schemas.documents.gate import SUBGROUP_FLOOR, Rule


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Blessed or not, and why."""

    blessed: bool
    reasons: Sequence[str]
    rules: Sequence[Rule]


def judge(evidence: Evidence, settings: GateSettings) -> Verdict:
    """Applies every rule; blesses only if each passes or is not required."""
    rules = [_probabilities(evidence)]
    for domain, domain_rules in _domains(settings):
        rules += _domain(domain, evidence.metrics.get(domain, {}), domain_rules)
    rules.append(_gap(evidence, settings))
    rules += _groups(evidence.groups, settings)
    rules += slice_rules.judged(evidence, settings)
    rules += _non_inferiority(evidence, settings)
    rules += _group_non_inferiority(evidence.baseline, settings)
    rules.append(_evaluator(evidence, settings))
    rules += _serving(evidence, settings)
    refusals = [rule for rule in rules if rule.status not in (PASS, NOT_REQUIRED)]
    # Every model must pass at least the probability rule; no rules at all prove nothing.
    blessed = not refusals and any(rule.status == PASS for rule in rules)
    return Verdict(blessed, [rule.message for rule in refusals], rules)


def refused(reason: str) -> Verdict:
    """The verdict on a model that could not be judged."""
    rule = plain("judgement", FAIL, reason)
    return Verdict(False, [reason], [rule])


def _domains(settings: GateSettings) -> Iterator[tuple[str, DomainRules]]:
    yield features.IN_DISTRIBUTION, settings.in_distribution
    yield features.SHIFTED, settings.shifted


def _probabilities(evidence: Evidence) -> Rule:
    bad, records = evidence.not_probabilities, evidence.records
    if not records:
        return plain("probabilities", NOT_ENOUGH_DATA, "there are no predictions to judge")
    if bad:
        return plain(
            "probabilities", FAIL, f"{bad} of {records} predictions are NaN or outside 0 to 1"
        )
    return plain("probabilities", PASS, f"all {records} predictions lie in 0 to 1")


def _domain(domain: str, metrics: Mapping[str, Interval], rules: DomainRules) -> Iterator[Rule]:
    for metric, floor in (
        ("auc", rules.min_auc),
        ("sensitivity", rules.min_sensitivity),
        ("specificity", rules.min_specificity),
    ):
        name = f"{metric} floor"
        # The AUC is always judged: a model without one has no evidence.
        if floor == 0 and metric != "auc":
            yield not_asked(name, domain, metric, metrics.get(metric), "no floor is set")
        else:
            yield _bounded(name, domain, metric, metrics, rules, floor)
    if rules.max_ece == 1:
        yield not_asked("ece ceiling", domain, "ece", metrics.get("ece"), "no ceiling is set")
    else:
        yield _bounded("ece ceiling", domain, "ece", metrics, rules, rules.max_ece, ceiling=True)


def _bounded(
    name: str,
    domain: str,
    metric: str,
    metrics: Mapping[str, Interval],
    rules: DomainRules,
    threshold: float,
    *,
    ceiling: bool = False,
) -> Rule:
    """A floor under the lower bound, or a ceiling over the value.

    The ceiling is for the calibration error. Resampling inflates it, so its value is judged.
    """
    interval = metrics.get(metric)
    lacking = lacking_reason(metrics, metric, rules.min_patients)
    if interval is None or lacking:
        status = NOT_ENOUGH_DATA if rules.required else NOT_REQUIRED
        return result(
            name, domain, metric, interval, threshold, status, f"{domain} {metric}: {lacking}"
        )
    if ceiling:
        passed, judged, bound = interval.value <= threshold, "value", interval.value
        relation = f"at most {threshold:g}" if passed else f"above the ceiling {threshold:g}"
    else:
        passed, judged, bound = interval.lower >= threshold, "lower bound", interval.lower
        relation = f"at least {threshold:g}" if passed else f"below the floor {threshold:g}"
    message = f"{domain} {metric}: {judged} {bound:.3f} is {relation} ({numbers(interval)})"
    return result(name, domain, metric, interval, threshold, PASS if passed else FAIL, message)


def _gap(evidence: Evidence, settings: GateSettings) -> Rule:
    name, where, interval = "gap ceiling", "in_distribution - shifted", evidence.gap
    if settings.max_gap == 1:
        return not_asked(name, where, "auc", interval, "no ceiling is set")
    required = settings.in_distribution.required and settings.shifted.required
    lacking = [
        f"{domain} {lacking_reason(evidence.metrics.get(domain, {}), 'auc', rules.min_patients)}"
        for domain, rules in _domains(settings)
        if lacking_reason(evidence.metrics.get(domain, {}), "auc", rules.min_patients)
    ]
    if lacking or interval is None or not interval.judged:
        status = NOT_ENOUGH_DATA if required else NOT_REQUIRED
        message = f"gap between the domains: {'; '.join(lacking) or 'undefined'}"
        return result(name, where, "auc", interval, settings.max_gap, status, message)
    passed = interval.upper <= settings.max_gap
    relation = "at most" if passed else "above the ceiling"
    message = (
        f"gap between the domains: upper bound {interval.upper:.3f} of the AUC lost under shift is "
        f"{relation} {settings.max_gap:g} ({numbers(interval)})"
    )
    status = PASS if passed else FAIL
    return result(name, where, "auc", interval, settings.max_gap, status, message)


def _groups(groups: Sequence[Group], settings: GateSettings) -> Iterator[Rule]:
    floor = settings.subgroups.min_auc
    for group in groups:
        if group.status != JUDGED:
            continue  # only listed in the report: a small group neither passes nor fails the model
        where = f"{group.domain}, {group.column}={group.value}"
        passed = group.auc.value >= floor
        relation = "at least" if passed else "below"
        message = f"{where} auc: {group.auc.value:.3f} is {relation} {floor:g}"
        message += f" ({numbers(group.auc)})"
        status = PASS if passed else FAIL
        yield result(SUBGROUP_FLOOR, where, "auc", group.auc, floor, status, message)


def _non_inferiority(evidence: Evidence, settings: GateSettings) -> Iterator[Rule]:
    name, baseline, margin = "non-inferiority", evidence.baseline, settings.max_regression
    if baseline.problem:
        version = f" {baseline.version}" if baseline.version else ""
        yield plain(name, FAIL, f"pushed model{version} can't be compared: {baseline.problem}")
        return
    if baseline.version is None:
        yield plain(name, NOT_REQUIRED, "no other model was pushed before")
        return
    for domain, rules in _domains(settings):
        interval = baseline.differences.get(domain)
        metrics = evidence.metrics.get(domain, {})
        lacking = lacking_reason(metrics, "auc", rules.min_patients)
        if lacking or interval is None or not interval.judged:
            status = NOT_ENOUGH_DATA if rules.required else NOT_REQUIRED
            why = lacking or "the difference is undefined"
            message = f"{domain} difference to pushed model {baseline.version}: {why}"
        else:
            passed = interval.lower >= -margin
            status = PASS if passed else FAIL
            relation = "at least" if passed else "below"
            message = (
                f"{domain} AUC minus that of pushed model {baseline.version}: lower bound "
                f"{interval.lower:+.3f} is {relation} {-margin:g} ({numbers(interval, '+.3f')})"
            )
        yield result(name, domain, "auc", interval, -margin, status, message)


def _group_non_inferiority(baseline: Baseline, settings: GateSettings) -> Iterator[Rule]:
    """Requires evidence that no group is worse by more than the margin, corrected over all."""
    name, margin = "subgroup non-inferiority", settings.subgroups.max_regression
    alpha = (1 - settings.confidence) / 2
    for group in baseline.groups:
        where = f"{group.domain}, {group.column}={group.value}"
        if not group.auc.judged:  # as with the floors: no verdict on too few of a class
            yield not_asked(name, where, "auc", group.auc, "too few examples of a class")
            continue
        passed = group.p_value <= alpha
        relation = "shown" if passed else "not shown"
        message = (
            f"{where} AUC minus that of model {baseline.version}: {relation} to be above "
            f"{-margin:g}, Holm-corrected p {group.p_value:.2g} against {alpha:g} "
            f"({numbers(group.auc, '+.3f')})"
        )
        yield result(name, where, "auc", group.auc, -margin, PASS if passed else FAIL, message)


def _evaluator(evidence: Evidence, settings: GateSettings) -> Rule:
    name = "tfma thresholds"
    if not settings.require_evaluator:
        return plain(name, NOT_REQUIRED, "TFMA's thresholds are not required")
    if evidence.evaluator_blessed is None:
        return plain(name, NOT_ENOUGH_DATA, "TFMA gave no verdict")
    if evidence.evaluator_blessed:
        return plain(name, PASS, "TFMA's thresholds passed")
    return plain(name, FAIL, "TFMA's thresholds did not pass (see the Evaluator's output)")


def _serving(evidence: Evidence, settings: GateSettings) -> Iterator[Rule]:
    name, serving = "serving check", evidence.serving
    if serving is None and not settings.require_serving:
        yield plain(name, NOT_REQUIRED, "a serving check is not required")
        return
    if serving is None:
        yield plain(name, NOT_ENOUGH_DATA, "the exported model was not called")
        return
    yield plain(name, PASS if serving.ok else FAIL, serving.message)
    size = None if serving.size_bytes is None else serving.size_bytes / 1e6
    for name, value, ceiling, unit in (
        ("latency ceiling", serving.latency_ms, settings.serving_max_ms, "ms"),
        ("size ceiling", size, settings.serving_max_mb, "MB"),
    ):
        if ceiling is not None:
            yield _served(name, value, ceiling, unit)


def _served(name: str, value: float | None, ceiling: float, unit: str) -> Rule:
    if value is None:
        status, message = NOT_ENOUGH_DATA, f"{name}: the model was not served"
    elif value <= ceiling:
        status, message = PASS, f"{name}: {value:.1f} {unit} is at most {ceiling:g} {unit}"
    else:
        status, message = FAIL, f"{name}: {value:.1f} {unit} is above {ceiling:g} {unit}"
    return served(name, unit, value, ceiling, status, message)
