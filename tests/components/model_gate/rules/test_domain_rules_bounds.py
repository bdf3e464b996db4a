"""Each rule at its very bound, and each setting at the rule and the domain that it is for."""

import dataclasses

import pytest

from components.model_gate.policy.settings import (
    DomainRules,
    GateSettings,
    SliceRule,
    SubgroupRules,
)
from components.model_gate.rules import domain_rules
from components.model_gate.rules.evidence import Baseline, Evidence
from components.model_gate.rules.groups import (
    JUDGED,
    NOT_ENOUGH_DATA,
    Group,
    GroupDifference,
)
from components.statistics.intervals import Interval
from schemas.documents.gate import Serving

# No two alike, and all of them exact in binary: a setting that reaches another rule shows, and a
# bound that is met is met exactly.
SETTINGS = GateSettings(
    in_distribution=DomainRules(
        min_auc=0.75,
        min_sensitivity=0.625,
        min_specificity=0.6875,
        calibration_slope=(0.5, 2.0),
        calibration_intercept=(-0.875, 0.75),
        max_calibration_error=0.125,
        min_patients=40,
    ),
    shifted=DomainRules(
        min_auc=0.5625,
        min_sensitivity=0.375,
        min_specificity=0.4375,
        calibration_slope=(0.25, 4.0),
        calibration_intercept=(-1.5, 1.25),
        max_calibration_error=0.25,
        min_patients=30,
    ),
    max_gap=0.3125,
    max_regression=0.0625,
    subgroups=SubgroupRules(min_auc=0.53125, max_regression=0.09375),
    slices=(
        SliceRule(domain="shifted", metric="auc", group="sex=F", at_least=0.515625),
        SliceRule(domain="in_distribution", metric="brier", at_most=0.15625),
        SliceRule(domain="in_distribution", metric="calibration_error/edema", at_most=0.109375),
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
            "auc_by_patient": GOOD,
            "sensitivity_by_patient": GOOD,
            "specificity_by_patient": GOOD,
            "calibration_slope": GOOD,
            "calibration_intercept": LOW,
            "calibration_error": LOW,
            "calibration_error/edema": LOW,
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


def group(value):
    one = Group("shifted", "site", "b", lower(value), JUDGED, {"auc": lower(value)})
    return replaced(groups=[WOMEN, one])


def group_by_patient(value):
    metrics = {"auc": GOOD, "auc_by_patient": lower(value)}
    return replaced(groups=[WOMEN, Group("shifted", "site", "b", GOOD, JUDGED, metrics)])


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


# Rule, slice, the bound of SETTINGS, and evidence whose interval has a bound there.
FLOORS = [
    *(
        (
            f"{metric} floor{' by patient' * by_patient}",
            domain,
            bound,
            lambda v, d=domain, m=metric + "_by_patient" * by_patient: with_metric(d, m, lower(v)),
        )
        for domain, bounds in (
            ("in_distribution", (0.75, 0.625, 0.6875)),
            ("shifted", (0.5625, 0.375, 0.4375)),
        )
        for metric, bound in zip(("auc", "sensitivity", "specificity"), bounds, strict=True)
        for by_patient in (False, True)
    ),
    *(
        (f"calibration {name} range", domain, low, lambda v, d=domain, n=name: calibrated(d, n, v))
        for domain, lows in (("in_distribution", (0.5, -0.875)), ("shifted", (0.25, -1.5)))
        for name, low in zip(("slope", "intercept"), lows, strict=True)
    ),
    ("subgroup floor", "shifted, site=b", 0.53125, group),
    ("subgroup floor", "shifted, site=b", 0.53125, group_by_patient),
    ("non-inferiority", "in_distribution", -0.0625, lambda v: against("in_distribution", v)),
    ("non-inferiority", "shifted", -0.0625, lambda v: against("shifted", v)),
    ("slice floor", "shifted, sex=F", 0.515625, in_slice),
]
CEILINGS = [
    *(
        (
            "calibration error ceiling",
            domain,
            bound,
            lambda v, d=domain: with_metric(d, "calibration_error", upper(v)),
        )
        for domain, bound in (("in_distribution", 0.125), ("shifted", 0.25))
    ),
    *(
        (
            f"calibration {name} range",
            domain,
            high,
            lambda v, d=domain, n=name: with_metric(d, f"calibration_{n}", within(v)),
        )
        for domain, highs in (("in_distribution", (2.0, 0.75)), ("shifted", (4.0, 1.25)))
        for name, high in zip(("slope", "intercept"), highs, strict=True)
    ),
    ("gap ceiling", "in_distribution - shifted", 0.3125, lambda v: replaced(gap=upper(v))),
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
        lambda v: with_metric("in_distribution", "calibration_error/edema", upper(v)),
    ),
]
SERVED = [
    ("latency ceiling", 8.0, lambda v: served(latency_ms=v, size_bytes=1)),
    ("size ceiling", 2.0, lambda v: served(latency_ms=1.0, size_bytes=v * 1e6)),
]


def within(value):
    return Interval(0.75, 0.6875, value, 100, 200)


def calibrated(domain, name, value):
    return with_metric(domain, f"calibration_{name}", Interval(0.7, value, 0.72, 100, 200))


def missed(evidence):
    """Rules that are not met, with their status and effect; the verdict's outcome."""
    verdict = domain_rules.judge(evidence, SETTINGS)
    found = {
        (rule.name, rule.slice): (rule.status, rule.effect)
        for rule in verdict.rules
        if rule.status not in ("pass", "not_required")
    }
    return found, verdict.outcome


WARNED = ("calibration", "subgroup")


@pytest.mark.parametrize(("rule", "where", "floor", "planted"), FLOORS)
def test_a_floor_that_is_met_passes_and_a_hair_less_is_inconclusive(rule, where, floor, planted):
    assert missed(planted(floor)) == ({}, "blessed")
    found, outcome = missed(planted(floor - STEP))
    warned = rule.startswith(WARNED)
    assert found == {(rule, where): ("inconclusive", "warn" if warned else "inconclusive")}
    assert outcome == ("blessed" if warned else "inconclusive")


@pytest.mark.parametrize(("rule", "where", "ceiling", "planted"), CEILINGS)
def test_a_ceiling_that_is_met_passes_and_a_hair_more_is_inconclusive(
    rule, where, ceiling, planted
):
    assert missed(planted(ceiling)) == ({}, "blessed")
    found, outcome = missed(planted(ceiling + STEP))
    warned = rule.startswith(WARNED)
    assert found == {(rule, where): ("inconclusive", "warn" if warned else "inconclusive")}
    assert outcome == ("blessed" if warned else "inconclusive")


@pytest.mark.parametrize(
    ("rule", "where", "floor", "planted"),
    FLOORS,
)
def test_an_interval_all_of_which_misses_the_floor_is_refused(
    rule, where, floor, planted, monkeypatch
):
    def below(value):
        return Interval(value - 0.1, value - 0.2, value, 100, 200)

    monkeypatch.setattr(f"{__name__}.lower", below)
    monkeypatch.setattr(
        f"{__name__}.calibrated", lambda d, n, v: with_metric(d, f"calibration_{n}", below(v))
    )
    found, outcome = missed(planted(floor - STEP))
    assert found[rule, where] == ("fail", "refuse")
    assert outcome == "refused"


@pytest.mark.parametrize(("rule", "ceiling", "planted"), SERVED)
def test_serving_is_measured_not_estimated(rule, ceiling, planted):
    assert missed(planted(ceiling)) == ({}, "blessed")
    assert missed(planted(ceiling + STEP)) == ({(rule, ""): ("fail", "refuse")}, "refused")


@pytest.mark.parametrize(
    ("p_value", "status", "outcome"),
    [
        (0.03125, None, "blessed"),
        (0.03125 + STEP, ("inconclusive", "warn"), "blessed"),
        (0.96875 - STEP, ("inconclusive", "warn"), "blessed"),
        (0.96875, ("fail", "refuse"), "refused"),
    ],
)
def test_regression_of_a_group_is_judged_at_the_level_of_one_bound(p_value, status, outcome):
    found, given = missed(difference(p_value))
    assert found.get(("subgroup non-inferiority", "shifted, site=b")) == status
    assert given == outcome


def test_many_groups_are_each_judged_at_that_level():
    """An intersection-union test: no correction, whatever their number."""
    differences = dict.fromkeys(DOMAINS, lower(0.0))
    groups = [GroupDifference("shifted", "site", str(n), WIDE, 0.03) for n in range(50)]
    baseline = Baseline("7", differences=differences, groups=groups)
    assert missed(replaced(baseline=baseline)) == ({}, "blessed")


@pytest.mark.parametrize("named", ["sex", "sex=F"])
def test_required_groups_must_be_shown(named):
    women = Group("shifted", "subgroup/sex", "F", WIDE, JUDGED, {"auc": WIDE})
    few = Group("shifted", "subgroup/sex", "F", WIDE, NOT_ENOUGH_DATA, {"auc": WIDE})
    for required, group_, outcome in (
        ((), women, "blessed"),
        ((), few, "blessed"),
        ((named,), women, "inconclusive"),
        ((named,), few, "inconclusive"),
        (("site",), women, "refused"),  # there is no such group: a misspelled name waives nothing
    ):
        rules = SubgroupRules(min_auc=0.53125, required_groups=required)
        settings = SETTINGS.model_copy(update={"subgroups": rules, "slices": ()})
        assert domain_rules.judge(replaced(groups=[group_]), settings).outcome == outcome


@pytest.mark.parametrize(
    ("by_class", "status"),
    [
        ({"positive": 10, "negative": 10}, "pass"),
        ({"positive": 9, "negative": 91}, "not_enough_data"),
        ({"positive": 91, "negative": 9}, "not_enough_data"),
    ],
)
def test_fewer_than_ten_patients_of_a_class_are_not_judged(by_class, status):
    planted = with_metric("shifted", "auc", dataclasses.replace(GOOD, by_class=by_class))
    verdict = domain_rules.judge(planted, SETTINGS)
    found = {(one.name, one.slice): one for one in verdict.rules}
    assert found["auc floor", "shifted"].status == status
    assert verdict.outcome == ("blessed" if status == "pass" else "inconclusive")
    if status != "pass":
        assert "9 patients with" in found["auc floor", "shifted"].message


def test_a_class_that_is_not_there_is_no_matter_of_how_many():
    absent = dataclasses.replace(GOOD, by_class={"positive": 0, "negative": 100})
    assert missed(with_metric("shifted", "auc", absent))[1] == "refused"


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
        ({"max_calibration_error": 1.0}, "calibration error ceiling", True),
        ({"max_calibration_error": 0.999}, "calibration error ceiling", False),
        ({"calibration_slope": None}, "calibration slope range", True),
        ({"calibration_intercept": None}, "calibration intercept range", True),
        ({"calibration_slope": (0.0, 9.0)}, "calibration slope range", False),
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
    """What is not required is waived where the domain is not there, and not where it is."""
    there = with_metric(None, None, None).metrics
    domains = {
        name: getattr(SETTINGS, name).model_copy(update={"required": one})
        for name, one in zip(DOMAINS, required, strict=True)
    }
    settings = SETTINGS.model_copy(update=domains)
    for metrics, expected in (
        ({name: there[name] for name, one in zip(DOMAINS, required, strict=True) if one}, status),
        (there, "not_enough_data"),
    ):
        verdict = domain_rules.judge(replaced(gap=None, metrics=metrics), settings)
        (gap,) = (rule for rule in verdict.rules if rule.name == "gap ceiling")
        assert gap.status == expected


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_domain_that_is_not_required_is_judged_where_it_has_data(domain):
    rules = getattr(SETTINGS, domain).model_copy(update={"required": False})
    settings = SETTINGS.model_copy(update={domain: rules, "slices": ()})
    few = with_metric(domain, "auc", dataclasses.replace(GOOD, patients=rules.min_patients - 1))
    assert domain_rules.judge(few, settings).outcome == "inconclusive"
    metrics = {one: few.metrics[one] for one in DOMAINS if one != domain}
    assert domain_rules.judge(replaced(metrics=metrics, gap=None), settings).blessed


@pytest.mark.parametrize(
    ("auc", "outcome"),
    [(lower(0.5), "blessed"), (dataclasses.replace(LOW, upper=0.5), "refused"), (GOOD, "blessed")],
)
def test_one_bad_finding_is_not_hidden_by_the_mean(auc, outcome):
    verdict = domain_rules.judge(with_metric("shifted", "auc/edema", auc), SETTINGS)
    assert verdict.outcome == outcome
    (rule,) = (one for one in verdict.rules if one.metric == "auc/edema")
    assert rule.threshold == 0.5625
    assert (rule.message in verdict.warnings) == (rule.status == "inconclusive")


@pytest.mark.parametrize(
    ("limit", "name"),
    [({"serving_max_ms": 1.0}, "latency ceiling"), ({"serving_max_mb": 1.0}, "size ceiling")],
)
def test_a_ceiling_on_what_was_not_served_refuses(limit, name):
    given = {"require_serving": False, "serving_max_ms": None, "serving_max_mb": None} | limit
    verdict = domain_rules.judge(replaced(serving=None), SETTINGS.model_copy(update=given))
    assert verdict.outcome == "refused"
    assert verdict.reasons == [f"{name}: the model was not served"]


def test_outcomes_hold_the_numbers_that_decided():
    planted = with_metric("shifted", "auc", Interval(0.5, 0.25, 0.625, 50, 80))
    rules = domain_rules.judge(planted, SETTINGS).rules
    (floor,) = (rule for rule in rules if (rule.name, rule.slice) == ("auc floor", "shifted"))
    assert (floor.metric, floor.threshold) == ("auc", 0.5625)
    assert (floor.value, floor.lower, floor.upper) == (0.5, 0.25, 0.625)
    for text in ("0.250", "0.5625", "0.500", "0.625", "50 patients", "80 images"):
        assert text in floor.message


@pytest.mark.parametrize(("value", "nearer"), [(0.02, 0.75), (-0.0625, 0.75), (-0.07, -0.875)])
def test_of_a_range_the_nearer_bound_is_told(value, nearer):
    # In the middle of -0.875 to 0.75 lies -0.0625.
    planted = with_metric(
        "in_distribution", "calibration_intercept", Interval(value, -1, 1, 50, 80)
    )
    (rule,) = (
        one
        for one in domain_rules.judge(planted, SETTINGS).rules
        if (one.name, one.slice) == ("calibration intercept range", "in_distribution")
    )
    assert rule.threshold == nearer
    assert rule.status == "inconclusive"


@pytest.mark.parametrize(
    ("required", "blessed", "status", "message"),
    [
        (False, False, "not_required", "TFMA's thresholds are not required"),
        (True, None, "not_enough_data", "TFMA gave no verdict"),
        (True, True, "pass", "TFMA's thresholds passed"),
        (True, False, "fail", "TFMA's thresholds did not pass (see the Evaluator's output)"),
    ],
)
def test_tfmas_own_verdict(required, blessed, status, message):
    settings = SETTINGS.model_copy(update={"require_evaluator": required})
    rules = domain_rules.judge(replaced(evaluator_blessed=blessed), settings).rules
    (rule,) = (one for one in rules if one.name == "tfma thresholds")
    assert (rule.status, rule.message) == (status, message)
