"""The verdict as a document: every number at its place, and nothing where nothing was measured."""

import dataclasses

import pytest

from components.model_gate.policy.settings import GateSettings, SubgroupRules
from components.model_gate.rules import domain_rules
from components.model_gate.rules.evidence import Baseline, Evidence
from components.model_gate.rules.groups import JUDGED, NOT_ENOUGH_DATA, Group
from components.model_gate.rules.verdict_document import verdict_document
from components.statistics.intervals import Interval
from schemas.documents.gate import Serving

SETTINGS = GateSettings(subgroups=SubgroupRules(min_auc=0.5))


def interval(start: float, **more) -> Interval:
    """No two numbers alike."""
    return Interval(start + 0.02, start + 0.01, start + 0.03, round(1000 * start), 77, **more)


def group(domain, value, start, status=JUDGED, by_patient=None) -> Group:
    metrics = {} if by_patient is None else {"auc_by_patient": by_patient}
    return Group(domain, "site", value, interval(start), status, metrics)


GROUPS = [
    group("shifted", "a", 0.7),
    group("shifted", "b", 0.6, by_patient=interval(0.4)),
    group("shifted", "c", 0.1, NOT_ENOUGH_DATA, by_patient=interval(0.2)),
    group("in_distribution", "a", 0.3),
]
EVIDENCE = Evidence(
    metrics={
        "in_distribution": {"auc": interval(0.9, by_class={"positive": 5}, effective=4.5)},
        "shifted": {"auc": interval(0.8), "brier": interval(0.2)},
    },
    groups=GROUPS,
    gap=interval(0.11),
    baseline=Baseline("7", differences={"shifted": interval(0.05)}),
    serving=Serving(ok=True, message="fine", latency_ms=5.0, size_bytes=1000),
    evaluator_blessed=True,
    records=400,
    not_probabilities=0,
    delong={"shifted": interval(0.81)},
)
VERDICT = domain_rules.Verdict(
    "inconclusive", ["a reason"], domain_rules.refused("a rule").rules, ["a warning"]
)


def bounds(one) -> tuple[float, float, float]:
    return one.value, one.lower, one.upper


def test_everything_that_was_measured_is_at_its_place():
    document = verdict_document(VERDICT, EVIDENCE, SETTINGS)
    assert set(document.metrics) == {"in_distribution", "shifted"}
    for domain, metrics in EVIDENCE.metrics.items():
        assert set(document.metrics[domain]) == set(metrics)
        for name, expected in metrics.items():
            found = document.metrics[domain][name]
            assert bounds(found) == bounds(expected)
            assert (found.patients, found.examples) == (expected.patients, 77)
    auc = document.metrics["in_distribution"]["auc"]
    assert (dict(auc.by_class), auc.effective) == ({"positive": 5}, 4.5)
    assert bounds(document.gap) == bounds(EVIDENCE.gap)
    assert {name: bounds(one) for name, one in document.delong.items()} == {
        "shifted": bounds(EVIDENCE.delong["shifted"])
    }
    assert document.baseline.version == "7"
    assert {name: bounds(one) for name, one in document.baseline.difference.items()} == {
        "shifted": bounds(EVIDENCE.baseline.differences["shifted"])
    }
    assert document.serving == EVIDENCE.serving


def test_groups_with_the_outcome_of_their_floor_and_the_worst_of_those_judged():
    document = verdict_document(VERDICT, EVIDENCE, SETTINGS)
    found = [(one.domain, one.column, one.value, one.status) for one in document.subgroups]
    assert found == [
        ("shifted", "site", "a", "pass"),
        ("shifted", "site", "b", "fail"),  # by patient it lies below the floor
        ("shifted", "site", "c", "not_enough_data"),
        ("in_distribution", "site", "a", "fail"),
    ]
    for one, expected in zip(document.subgroups, GROUPS, strict=True):
        judged = expected.status == JUDGED  # the others could be a few patients
        numbers = bounds(expected.auc) if judged else (None, None, None)
        assert (one.auc, one.lower, one.upper) == numbers
        assert (one.patients, one.examples) == (expected.auc.patients, 77)
    assert [one.by_patient for one in document.subgroups] == [None, pytest.approx(0.42), None, None]
    assert document.worst_groups == {
        "shifted": document.subgroups[1],
        "in_distribution": document.subgroups[3],
    }


@pytest.mark.parametrize(
    ("outcome", "blessed"), [("blessed", True), ("refused", False), ("inconclusive", False)]
)
def test_the_verdict_with_its_reasons_rules_and_warnings(outcome, blessed):
    verdict = dataclasses.replace(VERDICT, outcome=outcome)
    document = verdict_document(verdict, EVIDENCE, SETTINGS)
    assert (document.outcome, document.blessed) == (outcome, blessed)
    assert (document.reasons, document.warnings) == (("a reason",), ("a warning",))
    assert document.rules == tuple(VERDICT.rules)
    assert document.settings == SETTINGS.model_dump(mode="json")


def test_a_model_that_could_not_be_judged_has_the_reason_alone():
    document = verdict_document(domain_rules.refused("it is broken"), None, SETTINGS)
    assert (document.outcome, document.blessed) == ("refused", False)
    assert (document.reasons, document.warnings) == (("it is broken",), ())
    (rule,) = document.rules
    assert (rule.name, rule.status, rule.effect) == ("judgement", "fail", "refuse")
    assert (rule.message, rule.slice, rule.metric) == ("it is broken", "", "")
    assert (rule.value, rule.lower, rule.upper, rule.threshold) == (None, None, None, None)
    assert (document.metrics, document.subgroups, document.worst_groups) == ({}, (), {})
    assert (document.delong, document.gap) == ({}, None)
    assert (document.baseline.version, document.baseline.difference) == (None, {})
    assert (document.serving.ok, document.serving.message) == (False, "not tried")


def test_without_a_gap_a_call_or_a_judged_group_nothing_is_made_up():
    evidence = dataclasses.replace(EVIDENCE, gap=None, serving=None, groups=GROUPS[2:3])
    document = verdict_document(VERDICT, evidence, SETTINGS)
    assert document.gap is None
    assert document.worst_groups == {}
    assert (document.serving.ok, document.serving.message) == (False, "not tried")


def test_a_method_that_finds_no_variance_has_no_bounds():
    sure = dataclasses.replace(interval(0.0), value=1.0, lower=1.0, upper=1.0)
    found = dataclasses.replace(EVIDENCE, delong={"shifted": sure})
    delong = verdict_document(VERDICT, found, SETTINGS).delong["shifted"]
    assert bounds(delong) == (1, None, None)
