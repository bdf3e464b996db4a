"""Rules that name a metric and a slice, and the ceilings on serving."""

import dataclasses

import pandas as pd
import pydantic
import pytest

from components.model_gate.policy.operating_points import OperatingPoint
from components.model_gate.policy.settings import (
    DomainRules,
    GateSettings,
    InconclusiveRules,
    SliceRule,
    SubgroupRules,
)
from components.model_gate.rules import domain_rules, verdict_document
from components.model_gate.rules.evidence import Evidence, collect
from components.model_gate.rules.operating_points import Chosen
from components.model_gate.rules.outcomes import Lack
from schemas.documents.gate import Serving
from trainer_modules.settings import TaskSettings

TARGETS = ("edema", "effusion")
TASK = TaskSettings(kind="multilabel", labels=TARGETS)
# The made scores are no probabilities, and one finding is turned round: neither is what is tested.
ORDER_ALONE = {
    "calibration_slope": None,
    "calibration_intercept": None,
    "max_calibration_error": 1.0,
}
LENIENT = GateSettings(
    resamples=200,
    in_distribution=DomainRules(min_auc=0.5, **ORDER_ALONE),
    shifted=DomainRules(min_auc=0.5, **ORDER_ALONE),
    subgroups=SubgroupRules(min_auc=0.3),
    require_evaluator=False,
    require_serving=False,
)


@pytest.fixture(scope="module")
def found(make_table) -> Evidence:
    """Two findings; women's scores for the second are turned round where shifted."""
    tables = [make_table(domain, TARGETS) for domain in ("in_distribution", "shifted")]
    table = pd.concat(tables, ignore_index=True)
    women = (table["subgroup/sex"] == "F") & (table["domain"] == "shifted")
    table.loc[women, "prediction/effusion"] = 1 - table.loc[women, "prediction/effusion"]
    return collect(table, TASK, ("sex",), LENIENT)


def outcome(found, **rule) -> tuple[str, str]:
    settings = LENIENT.model_copy(update={"slices": (SliceRule(**rule),)})
    (one,) = (r for r in domain_rules.judge(found, settings).rules if r.name.startswith("slice"))
    return one.status, one.message


@pytest.mark.parametrize(
    ("rule", "status", "words"),
    [
        ({"metric": "auc/edema", "at_least": 0.7}, "pass", "shifted auc/edema: lower bound"),
        ({"metric": "auc/edema", "at_least": 0.95}, "inconclusive", "below the floor 0.95"),
        ({"metric": "auc/effusion", "at_least": 0.9}, "fail", "below the floor 0.9"),
        ({"metric": "auc/edema", "group": "sex=F", "at_least": 0.4}, "pass", "shifted, sex=F"),
        ({"metric": "auc/effusion", "group": "sex=F", "at_least": 0.5}, "fail", "below the floor"),
        ({"metric": "auc/effusion", "group": "sex=M", "at_least": 0.6}, "pass", "at least 0.6"),
        ({"metric": "brier/effusion", "group": "site=a", "at_most": 0.1}, "fail", "lower bound"),
        ({"metric": "brier/effusion", "group": "site=a", "at_most": 0.3}, "inconclusive", "above"),
        ({"metric": "calibration_error/edema", "at_most": 0.5}, "pass", "upper bound"),
        ({"metric": "auc", "group": "sex=X", "at_least": 0}, "not_enough_data", "no labeled"),
        ({"metric": "auc", "group": "age=5", "at_least": 0}, "not_enough_data", "no labeled"),
        (
            {"metric": "auc/oedema", "at_least": 0},
            "not_enough_data",
            "nearest valid name: 'auc/edema'; there",
        ),
        (
            {"metric": "auc", "group": "sex=F", "at_least": 0, "min_patients": 31},
            "not_enough_data",
            "30 patients are fewer than the required 31",
        ),
    ],
)
def test_slice_rules(found, rule, status, words):
    answered, message = outcome(found, domain="shifted", **rule)
    assert answered == status
    assert words in message


def test_a_named_slice_without_data_refuses_the_model(found):
    lenient = LENIENT.model_copy(update={"max_gap": 1.0})
    assert domain_rules.judge(found, lenient).blessed
    rule = SliceRule(domain="shifted", metric="auc", group="sex=X", at_least=0)
    verdict = domain_rules.judge(found, lenient.model_copy(update={"slices": (rule,)}))
    assert verdict.reasons == ["shifted, sex=X auc: there are no labeled images"]
    assert verdict.outcome == "refused"


@pytest.mark.parametrize(("unclear", "outcome"), [("refuse", "inconclusive"), ("warn", "blessed")])
def test_what_the_policy_does_where_a_slice_is_inconclusive(found, unclear, outcome):
    rule = SliceRule(domain="shifted", metric="auc/edema", at_least=0.95)
    settings = LENIENT.model_copy(
        update={
            "max_gap": 1.0,
            "slices": (rule,),
            "inconclusive": InconclusiveRules(domains=unclear),
        }
    )
    verdict = domain_rules.judge(found, settings)
    assert verdict.outcome == outcome
    told = verdict.warnings if unclear == "warn" else verdict.reasons
    assert any("below the floor 0.95" in line for line in told)


@pytest.mark.parametrize(
    ("rule", "outcome"),
    [
        ({"metric": "auc", "at_least": 0, "min_patients": 61}, "inconclusive"),  # there are 60
        ({"metric": "auc/oedema", "at_least": 0}, "refused"),
        ({"metric": "auc", "group": "sex=X", "at_least": 0}, "refused"),
    ],
)
def test_a_slice_that_lacks_data_is_never_a_warning(found, rule, outcome):
    settings = LENIENT.model_copy(
        update={
            "max_gap": 1.0,
            "slices": (SliceRule(domain="shifted", **rule),),
            "inconclusive": InconclusiveRules(domains="warn"),
        }
    )
    assert domain_rules.judge(found, settings).outcome == outcome


def test_the_outcome_of_a_slice_holds_the_numbers_that_decided(found):
    slices = (SliceRule(domain="shifted", metric="auc/edema", group="sex=F", at_least=0.4),)
    verdict = domain_rules.judge(found, LENIENT.model_copy(update={"slices": slices}))
    (rule,) = (one for one in verdict.rules if one.name == "slice floor")
    assert (rule.slice, rule.metric, rule.threshold) == ("shifted, sex=F", "auc/edema", 0.4)
    (women,) = (
        one.metrics["auc/edema"]
        for one in found.groups
        if (one.domain, one.column, one.value) == ("shifted", "subgroup/sex", "F")
    )
    assert (rule.value, rule.lower, rule.upper) == (women.value, women.lower, women.upper)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"metric": "auk", "at_least": 0.5}, "not one of auc"),
        ({"metric": "auc"}, "exactly one"),
        ({"metric": "auc", "at_least": 0.5, "at_most": 0.9}, "exactly one"),
        ({"metric": "auc", "at_least": 0.5, "group": "women"}, "not COLUMN=VALUE"),
    ],
)
def test_wrong_rules_are_refused(wrong, words):
    with pytest.raises(pydantic.ValidationError, match=words):
        SliceRule(domain="shifted", **wrong)


def test_worst_group_and_delongs_check_are_in_the_document(found):
    document = verdict_document.verdict_document(domain_rules.judge(found, LENIENT), found, LENIENT)
    worst = document.worst_groups["shifted"]
    assert (worst.column, worst.value) == ("subgroup/sex", "F")
    assert worst.auc is not None
    check, drawn = document.delong["shifted"], document.metrics["shifted"]["auc"]
    assert check.value == pytest.approx(drawn.value)
    assert check.lower == pytest.approx(drawn.lower, abs=0.03)


@pytest.mark.parametrize(
    ("limits", "failed"),
    [
        ({"serving_max_ms": 10, "serving_max_mb": 2}, set()),
        ({"serving_max_ms": 4}, {"latency ceiling"}),
        ({"serving_max_mb": 0.5}, {"size ceiling"}),
    ],
)
def test_ceilings_on_latency_and_size(found, limits, failed):
    fine = Serving(ok=True, message="fine", latency_ms=5.0, size_bytes=1_000_000)
    served = dataclasses.replace(found, serving=fine)
    verdict = domain_rules.judge(served, LENIENT.model_copy(update=limits))
    names = {"latency ceiling", "size ceiling"}
    assert {r.name for r in verdict.rules if r.status != "pass"} & names == failed
    refused = Serving(ok=False, message="crashed", size_bytes=1)
    crashed = dataclasses.replace(found, serving=refused)
    verdict = domain_rules.judge(crashed, LENIENT.model_copy(update={"serving_max_ms": 4}))
    assert {r.status for r in verdict.rules if r.name == "latency ceiling"} == {"not_enough_data"}


def test_a_slice_at_an_operating_point_without_a_threshold_says_why(found):
    point = OperatingPoint(name="rule-out", at_sensitivity=0.9)
    short = Chosen(point, {}, Lack("14 patients are fewer than the required 15", absent=False))
    rule = {"metric": "npv_at_0.05@rule-out", "at_least": 0.9}
    found = dataclasses.replace(found, points=[short])
    settings = LENIENT.model_copy(
        update={
            "slices": (SliceRule(domain="shifted", **rule),),
            "operating_points": (point,),
            "prevalences": (0.05,),
        }
    )
    (one,) = (r for r in domain_rules.judge(found, settings).rules if r.name.startswith("slice"))
    status, message = one.status, one.message
    assert status == "not_enough_data"
    assert message == (
        "shifted npv_at_0.05@rule-out: operating point 'rule-out': 14 patients are fewer than the "
        "required 15"
    )
