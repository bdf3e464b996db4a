"""How many more patients a rule that lacks data says that it takes."""

import numpy as np
import pytest

from components.model_gate.policy.settings import GateSettings
from components.model_gate.rules import domain_rules
from components.model_gate.rules.evidence import Baseline, Evidence
from components.model_gate.rules.groups import Group
from components.model_gate.rules.outcomes import Least, lack
from components.model_gate.rules.shortage import of_interval
from components.statistics import rates
from components.statistics.intervals import Interval
from schemas.documents.gate import Needed

SETTINGS = GateSettings.model_validate(
    {
        "in_distribution": {"min_auc": 0.7, "min_sensitivity": 0.7, "min_patients": 20},
        "shifted": {"required": False},
        "subgroups": {"min_auc": 0.7},
        "max_regression": 0.05,
        "require_evaluator": False,
        "require_serving": False,
    }
)
BOTH = {"positive": 30, "negative": 70}


def interval(value, lower, upper, patients=100, by_class=BOTH) -> Interval:
    return Interval(value, lower, upper, patients, 2 * patients, by_class=dict(by_class))


def rules(metrics, **more):
    evidence = Evidence(
        metrics={"in_distribution": metrics},
        gap=None,
        serving=None,
        evaluator_blessed=None,
        records=200,
        not_probabilities=0,
        **{"groups": (), "baseline": Baseline(), **more},
    )
    return domain_rules.judge(evidence, SETTINGS)


def rule(metrics, name, **more):
    return next(one for one in rules(metrics, **more).rules if one.name == name)


@pytest.mark.parametrize(
    ("found", "low", "high", "patients"),
    [
        # Twice as far to the bound as to the floor: four times as many patients.
        (interval(0.8, 0.6, 0.9), 0.7, None, 400),
        (interval(0.8, 0.65, 0.9), 0.7, None, 230),  # 225, rounded up to two digits
        (interval(0.1, 0.0, 0.25), None, 0.2, 230),
        # Of a range, the bound that takes more.
        (interval(1.0, 0.4, 2.2), 0.5, 2.0, 150),
        (interval(1.5, 0.4, 2.5), 0.5, 2.0, 400),
    ],
)
def test_of_an_interval_by_its_width(found, low, high, patients):
    short = of_interval(found, low, high)
    assert short.needed == Needed(patients=patients, of="", estimated=True)
    assert f"about {patients} patients in place of 100" in short.words


@pytest.mark.parametrize(
    ("found", "low", "high"),
    [
        (interval(0.8, 0.7, 0.9), 0.7, None),
        (interval(0.6, 0.5, 0.69), 0.7, None),
        (interval(0.1, 0.05, 0.2), None, 0.2),
        (interval(np.nan, np.nan, np.nan), 0.7, None),
    ],
)
def test_what_is_decided_or_undefined_takes_none(found, low, high):
    assert of_interval(found, low, high) is None


@pytest.mark.parametrize(
    ("value", "low", "high"), [(0.69, 0.7, None), (0.7, 0.7, None), (0.75, None, 0.74)]
)
def test_a_value_on_the_wrong_side_is_refused_by_more(value, low, high):
    short = of_interval(interval(value, 0.5, 0.9), low, high)
    assert short.needed is None
    assert short.words.endswith("more patients would more likely refuse it")


def test_of_a_value_next_to_the_bound_no_number_is_told():
    short = of_interval(interval(0.7001, 0.6, 0.8), 0.7, None)
    assert short.needed is None
    assert "more than 1,000,000 patients in place of 100" in short.words


def test_the_estimate_holds_for_an_exact_interval():
    """Sensitivity of one image a patient: Clopper and Pearson's bound at the number told."""
    value, low = 0.9, 0.8
    lower, upper = rates.clopper_pearson(value, 40, 0.95)
    found = interval(value, lower, upper, by_class={"positive": 40})
    assert lower < low
    needed = of_interval(found, low, None).needed
    assert needed.of == "positive"
    # The interval is lopsided, so the estimate errs, but not by much and to the safe side.
    assert low <= rates.clopper_pearson(value, needed.patients, 0.95)[0] < low + 0.02


def test_the_verdict_says_how_many_patients_of_which_class_in_which_domain():
    metrics = {
        "auc": interval(0.8, 0.6, 0.9),
        "sensitivity": interval(0.8, 0.65, 0.9, by_class={"positive": 30}),
    }
    verdict = rules(metrics)
    assert verdict.outcome == "inconclusive"
    found = {one.metric: one for one in verdict.rules if one.needed}
    assert found["auc"].message.startswith("in_distribution auc: lower bound 0.600 is below")
    assert found["auc"].message.endswith("it takes about 400 patients in place of 100")
    assert found["auc"].message in verdict.reasons
    assert found["sensitivity"].needed == Needed(patients=68, of="positive", estimated=True)
    assert "about 68 patients with positive images in place of 30" in found["sensitivity"].message


def test_what_is_shown_to_fail_says_nothing_of_more():
    found = rule({"auc": interval(0.6, 0.5, 0.65)}, "auc floor")
    assert (found.status, found.needed) == ("fail", None)
    assert found.message.endswith("images)")


@pytest.mark.parametrize(
    ("found", "patients", "of", "words"),
    [
        (interval(0.9, 0.8, 1, patients=19), 20, "", "the required 20; 1 more is needed"),
        (
            interval(0.9, 0.8, 1, by_class={"positive": 4, "negative": 96}),
            10,
            "positive",
            "are fewer than the required 10; 6 more are needed",
        ),
        (
            interval(0.9, 0.8, 1, by_class={"positive": 100, "negative": 0}),
            10,
            "negative",
            "no negative images; 10 more are needed",
        ),
    ],
)
def test_counts_are_exact(found, patients, of, words):
    judged = rule({"auc": found}, "auc floor")
    assert judged.status == "not_enough_data"
    assert judged.needed == Needed(patients=patients, of=of, estimated=False)
    assert judged.message.endswith(words)


def test_whom_the_model_calls_positive_is_not_to_be_recruited():
    few = interval(0.9, 0.8, 1, by_class={"called positive": 3})
    assert lack({"ppv": few}, "ppv", Least(20, 10)).shortage is None
    # More of them come with more patients of any kind.
    wide = interval(0.8, 0.6, 0.9, by_class={"called positive": 30})
    assert of_interval(wide, 0.7, None).needed == Needed(patients=400, of="", estimated=True)


def test_of_a_group_of_fewer_than_five_patients_only_the_requirement_is_told():
    metrics = {"auc": interval(0.9, 0.8, 1, patients=3)}
    short = lack(metrics, "auc", Least(20, 10), group=True).shortage
    assert short.words == ""
    assert short.needed == Needed(patients=20, of="", estimated=False)


def test_groups_and_comparisons_say_it_too():
    wide, worse = interval(0.8, 0.6, 0.9), interval(0.0, -0.1, 0.1)
    found = rule(
        {"auc": interval(0.9, 0.8, 1)},
        "subgroup floor",
        groups=[Group("in_distribution", "site", "a", wide, "judged", {"auc": wide})],
    )
    assert (found.effect, found.needed.patients) == ("warn", 400)
    found = rule(
        {"auc": interval(0.9, 0.8, 1)},
        "non-inferiority",
        baseline=Baseline("7", differences={"in_distribution": worse}),
    )
    assert (found.effect, found.needed.patients) == ("inconclusive", 400)
