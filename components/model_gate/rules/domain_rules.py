"""The rules of the gate: pure functions from evidence and settings to a verdict with reasons.

A rule passes only on evidence. An interval on the right side of a threshold passes, one on the
wrong side fails, one around it is inconclusive; the policy says what that does. What can't be
judged is `not_enough_data` and does not count as passed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from components.model_gate.policy.settings import DomainRules, GateSettings, Range
from components.model_gate.rules import (
    concentration,
    group_rules,
    missing_labels,
    operating_points,
    shortage,
    slice_rules,
)
from components.model_gate.rules.evidence import Evidence
from components.model_gate.rules.outcomes import (
    FAIL,
    INCONCLUSIVE,
    NOT_ENOUGH_DATA,
    NOT_REQUIRED,
    PASS,
    REFUSE,
    WARN,
    Least,
    effect,
    lack,
    measured,
    not_asked,
    numbers,
    plain,
    result,
    within,
)
from components.statistics.intervals import Interval
from schemas import features
from schemas.documents.gate import Rule

Outcome = Literal["blessed", "refused", "inconclusive"]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Blessed or not, and why.

    Attributes:
        outcome: `inconclusive`: no rule refuses the model, but the data are too few to bless it.
        reasons: Why the model is not blessed.
        rules: What each rule found.
        warnings: What does not keep the model from being blessed.
    """

    outcome: Outcome
    reasons: Sequence[str]
    rules: Sequence[Rule]
    warnings: Sequence[str] = ()

    @property
    def blessed(self) -> bool:
        """Whether the model may be pushed."""
        return self.outcome == "blessed"


def judge(evidence: Evidence, settings: GateSettings) -> Verdict:
    """Applies every rule; blesses only if none refuses the model or leaves it undecided."""
    rules = [_probabilities(evidence), *_one_class(evidence)]
    for domain, domain_rules in _domains(settings):
        rules += _domain(domain, evidence.metrics.get(domain, {}), domain_rules, settings)
    rules += missing_labels.judged(evidence.unlabelled, _domains(settings))
    rules += operating_points.judged(evidence.points, evidence.metrics, settings)
    rules.append(_gap(evidence, settings))
    rules += group_rules.floors(evidence.groups, settings)
    rules += slice_rules.judged(evidence, settings)
    rules += _non_inferiority(evidence, settings)
    rules += group_rules.non_inferiority(evidence.baseline, settings)
    rules.append(_evaluator(evidence, settings))
    rules += _serving(evidence, settings)
    warnings = [rule.message for rule in rules if rule.effect == WARN]
    warnings += concentration.warnings(evidence.metrics)
    warnings += operating_points.warnings(evidence.points)
    warnings += group_rules.unjudged(evidence.groups)
    warnings += evidence.notes
    return Verdict(*decided(rules), rules, warnings)


def decided(rules: Sequence[Rule]) -> tuple[Outcome, list[str]]:
    """The outcome that follows from what the rules found, and why the model is not blessed."""
    blocking = [rule for rule in rules if rule.effect in (REFUSE, INCONCLUSIVE)]
    reasons = [rule.message for rule in blocking]
    # Every model must pass at least the probability rule; no rules at all prove nothing.
    if not blocking and any(rule.status == PASS for rule in rules):
        return "blessed", reasons
    if not blocking or any(rule.effect == REFUSE for rule in blocking):
        return "refused", reasons
    return "inconclusive", reasons


def refused(reason: str) -> Verdict:
    """The verdict on a model that could not be judged."""
    rule = plain("judgement", FAIL, reason)
    return Verdict("refused", [reason], [rule])


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


def _one_class(evidence: Evidence) -> Iterator[Rule]:
    """A multiclass model must call one class for each image."""
    name, number, records = "one class per image", evidence.undecided, evidence.records
    if number:
        message = (
            f"the model calls no class, or several, for {number} of {records} images; a "
            "multiclass model calls the class of the highest probability"
        )
        yield plain(name, FAIL, message)
    elif number is not None and records:
        yield plain(name, PASS, "the model calls one class for each image")


def _domain(
    domain: str, metrics: Mapping[str, Interval], rules: DomainRules, settings: GateSettings
) -> Iterator[Rule]:
    for metric, floor in (
        ("auc", rules.min_auc),
        ("sensitivity", rules.min_sensitivity),
        ("specificity", rules.min_specificity),
        ("balanced_accuracy", rules.min_balanced_accuracy),
    ):
        name = f"{metric.replace('_', ' ')} floor"
        # The AUC is always judged: a model without one has no evidence.
        if floor == 0 and metric != "auc":
            yield not_asked(name, domain, metric, metrics.get(metric), "no floor is set")
            continue
        yield _bounded(name, domain, metric, metrics, rules, settings, (floor, None))
        equal = f"{metric}_by_patient"
        if equal in metrics:
            name = f"{name} by patient"
            yield _bounded(name, domain, equal, metrics, rules, settings, (floor, None))
    # The mean of several must not hide one that is bad.
    for metric in metrics:
        if metric.startswith("auc/"):
            unclear = settings.inconclusive.findings
            bound = (rules.min_auc, None)
            yield _bounded("auc floor", domain, metric, metrics, rules, settings, bound, unclear)
    for name, metric, bounds in _calibration(rules):
        if bounds is None:
            yield not_asked(name, domain, metric, metrics.get(metric), "no bound is set")
        else:
            unclear = settings.inconclusive.calibration
            yield _bounded(name, domain, metric, metrics, rules, settings, bounds, unclear)


def _calibration(
    rules: DomainRules,
) -> Iterator[tuple[str, str, tuple[float | None, float | None] | None]]:
    ranges: tuple[tuple[str, Range | None], ...] = (
        ("calibration_slope", rules.calibration_slope),
        ("calibration_intercept", rules.calibration_intercept),
    )
    for metric, bounds in ranges:
        yield f"{metric.replace('_', ' ')} range", metric, bounds
    ceiling = None if rules.max_calibration_error == 1 else (None, rules.max_calibration_error)
    yield "calibration error ceiling", "calibration_error", ceiling


def _bounded(
    name: str,
    domain: str,
    metric: str,
    metrics: Mapping[str, Interval],
    rules: DomainRules,
    settings: GateSettings,
    bounds: tuple[float | None, float | None],
    unclear: str = "",
) -> Rule:
    """A floor, a ceiling, or both, of the whole interval.

    What the policy does where that is inconclusive, or too few data, is `unclear`; by default,
    what it does in domains, and too few data keep the model back.
    """
    interval = metrics.get(metric)
    low, high = bounds
    # Of a range, the bound that the value is nearer to.
    threshold = low if high is None else high
    if low is not None and high is not None and interval is not None:
        threshold = low if interval.value - low < high - interval.value else high
    lacking = lack(metrics, metric, _least(rules, settings))
    if interval is None or lacking is not None:
        reason = lacking.reason if lacking else "undefined"
        message = f"{domain} {metric}: {reason}"
        if not rules.required and not metrics:
            return result(name, domain, metric, interval, threshold, NOT_REQUIRED, message)
        absent = lacking is None or lacking.absent
        status, short = NOT_ENOUGH_DATA, lacking.shortage if lacking else None
        done = effect(status, unclear or REFUSE, absent)
    else:
        status, relation = within(interval, low, high)
        message = f"{domain} {metric}: {relation} ({numbers(interval)})"
        done = effect(status, unclear or settings.inconclusive.domains)
        short = shortage.of_interval(interval, low, high)
    return result(name, domain, metric, interval, threshold, status, message, done, short)


def _least(rules: DomainRules, settings: GateSettings) -> Least:
    return Least(rules.min_patients, settings.min_patients_per_class)


def _gap(evidence: Evidence, settings: GateSettings) -> Rule:
    name, where, interval = "gap ceiling", "in_distribution - shifted", evidence.gap
    ceiling = settings.max_gap
    if ceiling == 1:
        return not_asked(name, where, "auc", interval, "no ceiling is set")
    waived = any(
        not rules.required and domain not in evidence.metrics
        for domain, rules in _domains(settings)
    )
    lacking = {
        domain: found
        for domain, rules in _domains(settings)
        if (found := lack(evidence.metrics.get(domain, {}), "auc", _least(rules, settings)))
    }
    if lacking or interval is None or not interval.judged:
        why = "; ".join(f"{domain} {one.reason}" for domain, one in lacking.items())
        message = f"gap between the domains: {why or 'undefined'}"
        if waived:
            return result(name, where, "auc", interval, ceiling, NOT_REQUIRED, message)
        absent = not lacking or any(one.absent for one in lacking.values())
        done = effect(NOT_ENOUGH_DATA, REFUSE, absent)
        return result(name, where, "auc", interval, ceiling, NOT_ENOUGH_DATA, message, done)
    status, relation = within(interval, high=ceiling)
    relation = relation.replace(" is ", " of the AUC lost under shift is ", 1)
    message = f"gap between the domains: {relation} ({numbers(interval)})"
    done = effect(status, settings.inconclusive.domains)
    short = shortage.of_interval(interval, None, ceiling)
    return result(name, where, "auc", interval, ceiling, status, message, done, short)


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
        lacking = lack(evidence.metrics.get(domain, {}), "auc", _least(rules, settings))
        if lacking or interval is None or not interval.judged:
            why = lacking.reason if lacking else "the difference is undefined"
            message = f"{domain} difference to pushed model {baseline.version}: {why}"
            waived = not rules.required and domain not in evidence.metrics
            status = NOT_REQUIRED if waived else NOT_ENOUGH_DATA
            done = effect(status, REFUSE, lacking is None or lacking.absent)
            short = lacking.shortage if lacking else None
        else:
            status, relation = within(interval, low=-margin)
            message = (
                f"{domain} AUC minus that of pushed model {baseline.version}: {relation} "
                f"({numbers(interval, '+.3f')})"
            )
            done = effect(status, settings.inconclusive.domains)
            short = shortage.of_interval(interval, -margin, None)
        yield result(name, domain, "auc", interval, -margin, status, message, done, short)


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
    if serving is not None:
        yield plain(name, PASS if serving.ok else FAIL, serving.message)
    elif settings.require_serving:
        yield plain(name, NOT_ENOUGH_DATA, "the exported model was not called")
    else:
        yield plain(name, NOT_REQUIRED, "a serving check is not required")
    latency = serving.latency_ms if serving else None
    size = serving.size_bytes / 1e6 if serving and serving.size_bytes is not None else None
    for name, value, ceiling, unit in (
        ("latency ceiling", latency, settings.serving_max_ms, "ms"),
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
    return measured(name, "", unit, value, ceiling, status, message)
