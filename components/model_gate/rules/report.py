"""The verdict as JSON: the one document that the report, the runner and CI systems read."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from components.model_gate.rules.domain_rules import Verdict
from components.model_gate.rules.evidence import Evidence
from components.model_gate.rules.groups import JUDGED, Group
from components.model_gate.rules.outcomes import FAIL, PASS
from components.model_gate.rules.settings import GateSettings
from components.statistics.intervals import Interval
from schemas import features

FILE_NAME = "verdict.json"


def verdict_document(
    verdict: Verdict, evidence: Evidence | None, settings: GateSettings
) -> dict[str, Any]:
    """Everything that was measured and decided; numbers that are not finite become null."""
    document: dict[str, Any] = {
        "blessed": verdict.blessed,
        "reasons": list(verdict.reasons),
        "rules": [dataclasses.asdict(rule) for rule in verdict.rules],
        "settings": settings.model_dump(mode="json"),
        "metrics": {},
        "subgroups": [],
        "worst_groups": {},
        "delong": {},
        "gap": None,
        "baseline": {"version": None, "difference": {}},
        "serving": {
            "ok": False,
            "message": "not tried",
            "latency_ms": None,
            "size_bytes": None,
            "max_difference": None,
        },
    }
    if evidence is not None:
        document |= _measured(evidence, settings)
    return _finite(document)


def _measured(evidence: Evidence, settings: GateSettings) -> dict[str, Any]:
    measured: dict[str, Any] = {
        "metrics": {
            domain: {
                name: {**_bounds(one), "patients": one.patients, "examples": one.examples}
                for name, one in metrics.items()
            }
            for domain, metrics in evidence.metrics.items()
        },
        "subgroups": [_group(group, settings) for group in evidence.groups],
        "worst_groups": {
            domain: _group(group, settings)
            for domain in features.DOMAINS
            if (group := _worst(evidence.groups, domain)) is not None
        },
        "delong": {domain: _bounds(one) for domain, one in evidence.delong.items()},
        "gap": _bounds(evidence.gap) if evidence.gap else None,
        "baseline": {
            "version": evidence.baseline.version,
            "difference": {
                domain: _bounds(one) for domain, one in evidence.baseline.differences.items()
            },
        },
    }
    if evidence.serving is not None:
        measured["serving"] = dataclasses.asdict(evidence.serving)
    return measured


def _worst(groups: Sequence[Group], domain: str) -> Group | None:
    """The judged group of the lowest AUC."""
    judged = [one for one in groups if one.domain == domain and one.status == JUDGED]
    return min(judged, key=lambda one: one.auc.value, default=None)


def _group(group: Group, settings: GateSettings) -> dict[str, Any]:
    return {
        "domain": group.domain,
        "column": group.column,
        "value": group.value,
        "auc": group.auc.value,
        "lower": group.auc.lower,
        "upper": group.auc.upper,
        "patients": group.auc.patients,
        "examples": group.auc.examples,
        "status": _group_status(group.status, group.auc.value, settings),
    }


def _group_status(status: str, value: float, settings: GateSettings) -> str:
    if status != JUDGED:
        return status
    return PASS if value >= settings.subgroups.min_auc else FAIL


def _bounds(interval: Interval) -> dict[str, float]:
    return {"value": interval.value, "lower": interval.lower, "upper": interval.upper}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
