"""Each rule at its very bound, and each setting at the rule and the domain that it is for."""

import dataclasses

import pytest

from components.model_gate.rules import domain_rules
from components.model_gate.rules.evidence import Baseline, Evidence
from components.model_gate.rules.groups import JUDGED, Group, GroupDifference
from components.model_gate.rules.settings import (
    DomainRules,
    GateSettings,
    SliceRule,
    SubgroupRules,
)
from components.statistics.intervals import Interval
from schemas.documents.gate import Serving

# No two alike, and all of them exact in binary: a setting that reaches another rule shows, and a
# bound that is met is met exactly.
SETTINGS = GateSettings(
    in_distribution=DomainRules(
        min_auc=0.75, min_sensitivity=0.625, min_specificity=0.6875, max_ece=0.125, min_patients=40
    ),
    shifted=DomainRules(
        min_auc=0.5625, min_sensitivity=0.375, min_specificity=0.4375, max_ece=0.25, min_patients=30
    ),
    max_gap=0.3125,
    max_regression=0.0625,
    subgroups=SubgroupRules(min_auc=0.53125, max_regression=0.09375),
    slices=(
        SliceRule(domain="shifted", metric="auc", group="sex=F", at_least=0.515625),
        SliceRule(domain="in_distribution", metric="brier", at_most=0.15625),
        SliceRule(domain="in_distribution", metric="ece/edema", at_most=0.109375),
    ),
    confidence=0.9375,
    serving_max_ms=8.0,
    serving_max_mb=2.0,
)
STEP = 2.0**-20
DOMAINS = ("in_distribution", "shifted")
WIDE = Interval(0.9, 0.01, 0.99, 100, 200)
GOOD = Interval(0.98, 0.97, 0.99, 100, 200)
LOW = Interval(0.02, 0.01, 0.03, 100, 200)
WOMEN = Group("shifted", "subgroup/sex", "F", GOOD, JUDGED, {"auc": GOOD})


def with_metric(domain, metric, interval):
    """Evidence of a good model, one metric aside."""
    metrics = {
        name: {
            "auc": GOOD,
            "sensitivity": GOOD,
            "specificity": GOOD,
            "ece": LOW,
            "ece/edema": LOW,
            "brier": LOW,
        }
        for name in DOMAINS
    }
    if domain:
        metrics[domain][metric] = interval
    return Evidence(
        metrics=metrics,
        groups=[WOMEN],
        gap=LOW,
        baseline=Baseline(),
        serving=Serving(ok=True, message="fine", latency_ms=1.0, size_bytes=1000),
        evaluator_blessed=True,
        records=400,
        not_probabilities=0,
    )


def replaced(**changes):
    return dataclasses.replace(with_metric(None, None, None), **changes)


def lower(value):
    return dataclasses.replace(WIDE, lower=value)


def upper(value):
    return dataclasses.replace(WIDE, upper=value)


def exactly(value):
    return dataclasses.replace(WIDE, value=value)


def group(value):
    one = Group("shifted", "site", "b", exactly(value), JUDGED, {"auc": exactly(value)})
    return replaced(groups=[WOMEN, one])


def against(domain, value):
    differences = dict.fromkeys(DOMAINS, lower(0.0)) | {domain: lower(value)}
    return replaced(baseline=Baseline("7", differences=differences))


def difference(p_value):
    one = GroupDifference("shifted", "site", "b", WIDE, p_value)
    differences = dict.fromkeys(DOMAINS, lower(0.0))
    return replaced(baseline=Baseline("7", differences=differences, groups=[one]))


def in_slice(value):
    metrics = {"auc": lower(value)}
    return replaced(groups=[Group("shifted", "subgroup/sex", "F", GOOD, JUDGED, metrics)])


def served(**changes):
    return replaced(serving=Serving(**({"ok": True, "message": "fine"} | changes)))


# Rule, slice, the bound of SETTINGS, evidence with a value there, and on which side it passes.
CASES = [
    *(
        (
            f"{metric} floor",
            domain,
            bound,
            lambda v, d=domain, m=metric: with_metric(d, m, lower(v)),
        )
        for domain, bounds in (
            ("in_distribution", (0.75, 0.625, 0.6875)),
            ("shifted", (0.5625, 0.375, 0.4375)),
        )
        for metric, bound in zip(("auc", "sensitivity", "specificity"), bounds, strict=True)
    ),
    ("subgroup floor", "shifted, site=b", 0.53125, group),
    ("non-inferiority", "in_distribution", -0.0625, lambda v: against("in_distribution", v)),
    ("non-inferiority", "shifted", -0.0625, lambda v: against("shifted", v)),
    ("slice floor", "shifted, sex=F", 0.515625, in_slice),
]
CEILINGS = [
    *(
        ("ece ceiling", domain, bound, lambda v, d=domain: with_metric(d, "ece", exactly(v)))
        for domain, bound in (("in_distribution", 0.125), ("shifted", 0.25))
    ),
    (
        "gap ceiling",
        "in_distribution - shifted",
        0.3125,
        lambda v: replaced(gap=upper(v)),
    ),
    ("subgroup non-inferiority", "shifted, site=b", 0.03125, difference),
    (
        "slice ceiling",
        "in_distribution",
        0.15625,
        lambda v: with_metric("in_distribution", "brier", upper(v)),
    ),
    (
        "slice ceiling",
        "in_distribution",
        0.109375,
        lambda v: with_metric("in_distribution", "ece/edema", exactly(v)),
    ),
    ("latency ceiling", "", 8.0, lambda v: served(latency_ms=v, size_bytes=1)),
    ("size ceiling", "", 2.0, lambda v: served(latency_ms=1.0, size_bytes=v * 1e6)),
]


def failures(evidence):
    verdict = domain_rules.judge(evidence, SETTINGS)
    failed = [(rule.name, rule.slice) for rule in verdict.rules if rule.status == "fail"]
    assert verdict.blessed == (not failed)
    return failed


@pytest.mark.parametrize(("rule", "where", "floor", "planted"), CASES)
def test_a_floor_that_is_met_passes_and_a_hair_less_fails(rule, where, floor, planted):
    assert failures(planted(floor)) == []
    assert failures(planted(floor - STEP)) == [(rule, where)]


@pytest.mark.parametrize(("rule", "where", "ceiling", "planted"), CEILINGS)
def test_a_ceiling_that_is_met_passes_and_a_hair_more_fails(rule, where, ceiling, planted):
    assert failures(planted(ceiling)) == []
    assert failures(planted(ceiling + STEP)) == [(rule, where)]


@pytest.mark.parametrize(("domain", "fewest"), [("in_distribution", 40), ("shifted", 30)])
def test_as_many_patients_as_asked_for_are_enough(domain, fewest):
    def statuses(patients):
        planted = with_metric(domain, "auc", dataclasses.replace(GOOD, patients=patients))
        rules = domain_rules.judge(planted, SETTINGS).rules
        found = {(rule.name, rule.slice): rule.status for rule in rules}
        other = DOMAINS[domain == DOMAINS[0]]
        return found["auc floor", domain], found["auc floor", other]

    assert statuses(fewest) == ("pass", "pass")
    assert statuses(fewest - 1) == ("not_enough_data", "pass")


@pytest.mark.parametrize(
    ("section", "rule", "off"),
    [
        ({"min_sensitivity": 0.0}, "sensitivity floor", True),
        ({"min_sensitivity": 0.001}, "sensitivity floor", False),
        ({"min_specificity": 0.0}, "specificity floor", True),
        ({"min_specificity": 0.001}, "specificity floor", False),
        ({"max_ece": 1.0}, "ece ceiling", True),
        ({"max_ece": 0.999}, "ece ceiling", False),
        ({"min_auc": 0.0}, "auc floor", False),  # always judged
    ],
)
def test_only_the_end_of_its_range_switches_a_rule_off(section, rule, off):
    settings = SETTINGS.model_copy(update={"shifted": DomainRules(**section)})
    verdict = domain_rules.judge(with_metric(None, None, None), settings)
    statuses = {(one.name, one.slice): one.status for one in verdict.rules}
    assert statuses[rule, "shifted"] == ("not_required" if off else "pass")
    assert statuses[rule, "in_distribution"] == "pass"


@pytest.mark.parametrize(("ceiling", "off"), [(1.0, True), (0.999, False)])
def test_only_a_ceiling_of_one_switches_the_gap_off(ceiling, off):
    settings = SETTINGS.model_copy(update={"max_gap": ceiling})
    verdict = domain_rules.judge(replaced(gap=upper(0.99)), settings)
    (gap,) = (rule for rule in verdict.rules if rule.name == "gap ceiling")
    assert gap.status == ("not_required" if off else "pass")


@pytest.mark.parametrize(
    ("required", "status"),
    [
        ((True, True), "not_enough_data"),
        ((False, True), "not_required"),
        ((True, False), "not_required"),
    ],
)
def test_a_missing_gap_counts_where_both_domains_are_required(required, status):
    domains = {
        name: getattr(SETTINGS, name).model_copy(update={"required": one})
        for name, one in zip(DOMAINS, required, strict=True)
    }
    verdict = domain_rules.judge(replaced(gap=None), SETTINGS.model_copy(update=domains))
    (gap,) = (rule for rule in verdict.rules if rule.name == "gap ceiling")
    assert gap.status == status


def test_outcomes_hold_the_numbers_that_decided():
    planted = with_metric("shifted", "auc", Interval(0.5, 0.25, 0.625, 50, 80))
    rules = domain_rules.judge(planted, SETTINGS).rules
    (floor,) = (rule for rule in rules if (rule.name, rule.slice) == ("auc floor", "shifted"))
    assert (floor.metric, floor.threshold) == ("auc", 0.5625)
    assert (floor.value, floor.lower, floor.upper) == (0.5, 0.25, 0.625)
    for text in ("0.250", "0.5625", "0.500", "0.625", "50 patients", "80 images"):
        assert text in floor.message
