"""Bounds that the assumed model does not meet: no number of patients shows that it does."""

from __future__ import annotations

from collections.abc import Iterator

from scipy import special

from components.model_gate.planning import truths
from components.model_gate.planning.truths import Truth, Truths
from components.model_gate.policy.settings import GateSettings, SliceRule
from schemas import features


def unreachable(assumed: Truths, settings: GateSettings) -> list[str]:
    """A line for each bound that the truth does not meet with room to spare."""
    found: list[str] = []
    for domain, truth in assumed.items():
        rules = getattr(settings, domain)
        found += _above(domain, "AUC", truth.auc, rules.min_auc)
        found += _above(domain, "sensitivity", truth.sensitivity, rules.min_sensitivity)
        found += _above(domain, "specificity", truth.specificity, rules.min_specificity)
        if settings.subgroups.required_groups:
            found += _above(f"{domain}, groups", "AUC", truth.auc, settings.subgroups.min_auc)
        if truth.baseline_auc is not None:
            better = truth.auc - truth.baseline_auc
            found += _above(
                domain, "AUC minus the baseline's", better, -settings.max_regression, always=True
            )
        found += _points(domain, truth, settings)
        found += _calibration(domain, settings)
        for rule in settings.slices:
            if rule.domain == domain:
                found += _slice(rule, truth)
    if len(assumed) == len(features.DOMAINS) and settings.max_gap < 1:
        gap = assumed[features.IN_DISTRIBUTION].auc - assumed[features.SHIFTED].auc
        found += _below("both domains", "AUC lost under shift", gap, settings.max_gap)
    return found


def _points(domain: str, truth: Truth, settings: GateSettings) -> Iterator[str]:
    """Floors at operating points, in distribution, where the thresholds are chosen."""
    if domain != features.IN_DISTRIBUTION:
        return
    for point in settings.operating_points:
        held = point.rule.at_least
        other = float(special.ndtr(truths.distance(truth.auc) - special.ndtri(held)))
        by_rule = point.rule.rule == "sensitivity"
        sensitivity, specificity = (held, other) if by_rule else (other, held)
        where = f"{domain}, operating point {point.name}"
        bounds = point.in_distribution
        yield from _above(where, "sensitivity", sensitivity, bounds.min_sensitivity)
        yield from _above(where, "specificity", specificity, bounds.min_specificity)


def _above(
    where: str, what: str, value: float, floor: float, *, always: bool = False
) -> Iterator[str]:
    if (floor > 0 or always) and not value > floor:
        yield (
            f"{where}: {what} {value:.4g} is assumed, the floor is {floor:g}: no number of "
            "patients shows that it is reached"
        )


def _below(where: str, what: str, value: float, ceiling: float) -> Iterator[str]:
    if not value < ceiling:
        yield (
            f"{where}: {what} {value:.4g} is assumed, the ceiling is {ceiling:g}: no number of "
            "patients shows that it is kept"
        )


def _calibration(domain: str, settings: GateSettings) -> Iterator[str]:
    rules = getattr(settings, domain)
    for name, value, bounds in (
        ("slope", 1.0, rules.calibration_slope),
        ("intercept", 0.0, rules.calibration_intercept),
    ):
        if bounds is not None and not bounds[0] < value < bounds[1]:
            yield (
                f"{domain}: calibration {name} {value:g} is assumed, the range is {bounds[0]:g} to "
                f"{bounds[1]:g}: no number of patients shows that it is kept"
            )
    yield from _below(domain, "calibration error", 0.0, rules.max_calibration_error)


def _slice(rule: SliceRule, truth: Truth) -> Iterator[str]:
    value = truth.metrics.get(rule.metric)
    where = f"{rule.domain}, {rule.group}" if rule.group else rule.domain
    if value is None:
        return
    if rule.at_least is not None:
        yield from _above(where, rule.metric, value, rule.at_least, always=True)
    else:
        yield from _below(where, rule.metric, value, rule.threshold)
