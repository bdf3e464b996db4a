"""The verdict as a document: the one that the report, the runner and CI systems read."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from components.model_gate.policy.settings import GateSettings
from components.model_gate.rules.domain_rules import Verdict
from components.model_gate.rules.evidence import Evidence
from components.model_gate.rules.groups import JUDGED, Group
from components.model_gate.rules.operating_points import Chosen
from components.statistics.intervals import Interval
from components.statistics.thresholds.net_benefit import Curve
from schemas import features
from schemas.documents.gate import (
    Baseline,
    Bounds,
    ChosenThreshold,
    DecisionCurve,
    GateVerdict,
    JudgedMetric,
    OperatingPoint,
    Serving,
    Subgroup,
)

NOT_TRIED = Serving(ok=False, message="not tried")


def verdict_document(
    verdict: Verdict, evidence: Evidence | None, settings: GateSettings
) -> GateVerdict:
    """Everything that was measured and decided; nothing was measured without evidence."""
    return GateVerdict(
        blessed=verdict.blessed,
        outcome=verdict.outcome,
        warnings=tuple(verdict.warnings),
        reasons=tuple(verdict.reasons),
        rules=tuple(verdict.rules),
        settings=settings.model_dump(mode="json"),
        **(_measured(evidence, settings) if evidence else _NOTHING),
    )


_NOTHING: dict[str, Any] = {
    "metrics": {},
    "unlabelled": {},
    "subgroups": (),
    "worst_groups": {},
    "delong": {},
    "gap": None,
    "baseline": Baseline(version=None, difference={}),
    "serving": NOT_TRIED,
}


def _measured(evidence: Evidence, settings: GateSettings) -> dict[str, Any]:
    baseline = evidence.baseline
    return {
        "metrics": {
            domain: {name: _metric(one) for name, one in metrics.items()}
            for domain, metrics in evidence.metrics.items()
        },
        "unlabelled": evidence.unlabelled,
        "subgroups": tuple(_group(group, settings) for group in evidence.groups),
        "worst_groups": {
            domain: _group(group, settings)
            for domain in features.DOMAINS
            if (group := _worst(evidence.groups, domain)) is not None
        },
        "delong": {domain: _varied(one) for domain, one in evidence.delong.items()},
        "operating_points": tuple(_point(one) for one in evidence.points),
        "decision_curves": tuple(
            _curve(domain, one)
            for domain in features.DOMAINS
            for one in evidence.curves.get(domain, ())
        ),
        "gap": _bounds(evidence.gap) if evidence.gap else None,
        "baseline": Baseline(
            version=baseline.version,
            difference={domain: _bounds(one) for domain, one in baseline.differences.items()},
        ),
        "serving": evidence.serving or NOT_TRIED,
        "confusion": evidence.confusion,
        "reference": evidence.reference,
    }


def _worst(groups: Sequence[Group], domain: str) -> Group | None:
    """The judged group of the lowest AUC."""
    judged = [one for one in groups if one.domain == domain and one.status == JUDGED]
    return min(judged, key=lambda one: one.auc.value, default=None)


def _group(group: Group, settings: GateSettings) -> Subgroup:
    """Figures of a judged group; of one that is not, they could be those of a few patients."""
    judged, auc = group.status == JUDGED, group.auc
    by_patient = group.metrics.get("auc_by_patient") if judged else None
    return Subgroup(
        domain=group.domain,
        column=group.column,
        value=group.value,
        auc=auc.value if judged else None,
        lower=auc.lower if judged else None,
        upper=auc.upper if judged else None,
        patients=auc.patients,
        examples=auc.examples,
        by_patient=by_patient.value if by_patient else None,
        status=group.against(settings.subgroups.min_auc)[0] if judged else group.status,
    )


def _varied(one: Interval) -> Bounds:
    """No bounds where the method finds no variance, as of scores that never err: it is not sure."""
    width = one.upper - one.lower
    return _bounds(one if width > 0 else dataclasses.replace(one, lower=math.nan, upper=math.nan))


def _bounds(one: Interval) -> Bounds:
    return Bounds(value=one.value, lower=one.lower, upper=one.upper)


def _metric(one: Interval) -> JudgedMetric:
    return JudgedMetric(
        value=one.value,
        lower=one.lower,
        upper=one.upper,
        patients=one.patients,
        examples=one.examples,
        by_class=dict(one.by_class),
        effective=one.effective,
    )


def _point(one: Chosen) -> OperatingPoint:
    rule = one.point.rule
    return OperatingPoint(
        name=one.point.name,
        rule="sensitivity" if rule.rule == "sensitivity" else "specificity",
        at_least=rule.at_least,
        thresholds=tuple(
            ChosenThreshold(
                finding=target,
                threshold=threshold.value,
                patients=threshold.patients,
                sensitivity=_bounds(threshold.sensitivity),
                specificity=_bounds(threshold.specificity),
            )
            for target, threshold in one.thresholds.items()
        ),
        problem=one.lack.reason if one.lack else "",
    )


def _curve(domain: features.Domain, curve: Curve) -> DecisionCurve:
    """The curve by columns, to six decimals: net benefit has no use for more."""
    value, lower, upper = (_six(column) for column in zip(*curve.model, strict=True))
    over, over_lower, over_upper = (_six(column) for column in zip(*curve.over_all, strict=True))
    return DecisionCurve(
        domain=domain,
        finding=curve.target,
        prevalence=curve.prevalence,
        given=curve.given,
        thresholds=curve.thresholds,
        net_benefit=value,
        lower=lower,
        upper=upper,
        treat_all=_six(curve.treat_all),
        over_all=over,
        over_all_lower=over_lower,
        over_all_upper=over_upper,
    )


def _six(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(one, 6) for one in values)
