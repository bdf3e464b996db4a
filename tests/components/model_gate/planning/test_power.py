"""How often the gate blesses, against closed forms and the gate on the same rows as a table."""

import math

import numpy as np
import pandas as pd
import pytest

from components.model_gate.planning import formulas, truths
from components.model_gate.planning.patients import TASK, as_table
from components.model_gate.planning.power import Design, Key, Simulation, Tally, Work, judged
from components.model_gate.planning.truths import Truth, skewed
from components.model_gate.policy.settings import GateSettings
from components.model_gate.rules import domain_rules
from components.model_gate.rules.evidence import Baseline, collect
from schemas import features

TRUTH = Truth(auc=0.9, sensitivity=0.85, specificity=0.8, prevalence=0.4)
NOTHING = {
    "min_auc": 0,
    "calibration_slope": None,
    "calibration_intercept": None,
    "max_calibration_error": 1,
    "min_patients": 2,
}


def policy(in_distribution, **more) -> GateSettings:
    given = {
        "in_distribution": {**NOTHING, **in_distribution},
        "shifted": {**NOTHING, "required": False},
        "max_gap": 1,
        "subgroups": {"min_auc": 0},
        "require_evaluator": False,
        "require_serving": False,
        "resamples": 200,
    }
    return GateSettings.model_validate({**given, **more})


def simulated(settings, patients, number, **domains) -> Tally:
    design = Design(domains or {"in_distribution": TRUTH}, settings)
    return Simulation(design).judged(patients, number)


@pytest.mark.slow
@pytest.mark.parametrize("patients", [100, 250])
def test_power_of_a_sensitivity_floor_is_the_binomials(patients):
    """One image a patient: Clopper and Pearson's bound among the patients with the finding."""
    number, floor = 400, 0.75
    found = simulated(
        policy({"min_sensitivity": floor}), {"in_distribution": patients}, number
    ).passing(Key("sensitivity floor", "in_distribution", "sensitivity"))
    expected = formulas.rate_power(0.85, floor, TRUTH.size(patients).positive, 0.95)
    assert found == pytest.approx(expected, abs=3 * math.sqrt(0.25 / number))


@pytest.mark.slow
def test_power_of_an_auc_floor_is_near_obuchowskis():
    """The gate's intervals are wider than the formula's, and less so with many patients."""
    number, floor = 200, 0.82
    patients = math.ceil(formulas.auc_patients(TRUTH, floor, 0.95, 0.8))
    assert patients > 150
    key = Key("auc floor", "in_distribution", "auc")
    found = simulated(policy({"min_auc": floor}), {"in_distribution": patients}, number)
    assert found.passing(key) == pytest.approx(0.8, abs=0.12)


@pytest.mark.slow
def test_at_its_floor_a_model_is_as_good_as_never_blessed():
    found = simulated(policy({"min_auc": 0.9}), {"in_distribution": 150}, 200)
    assert found.blessed_share < 0.08


def as_tables(work: Work, number: int) -> domain_rules.Verdict:
    """The same rows as the gate gets them from a file."""
    random = np.random.default_rng([work.design.seed, *work.patients.values(), number])
    drawn = {
        domain: truths.draw(truth, truth.size(work.patients[domain]), random)
        for domain, truth in work.design.truths.items()
    }
    table, other = (
        pd.concat(
            [as_table(getattr(one, part), domain, one.groups) for domain, one in drawn.items()],
            ignore_index=True,
        )
        for part in ("model", "other")
    )
    evidence = collect(
        table,
        TASK,
        (),
        work.design.settings,
        baseline_table=other,
        baseline=Baseline("other"),
    )
    return domain_rules.judge(evidence, work.design.settings)


@pytest.mark.parametrize("unit", ["image", "patient"])
def test_without_a_table_the_verdict_is_the_gates(unit):
    settings = GateSettings(
        unit=unit, require_evaluator=False, require_serving=False, resamples=200
    )
    truth = Truth(0.85, 0.8, 0.8, 0.3, images=skewed(3), baseline_auc=0.84)
    design = Design({"in_distribution": truth, "shifted": truth}, settings)
    work = Work(design, {"in_distribution": 50, "shifted": 60}, range(6))
    blessed, blocked = 0, 0
    for number in work.numbers:
        verdict = as_tables(work, number)
        blessed += verdict.blessed
        blocked += sum(rule.effect in ("refuse", "inconclusive") for rule in verdict.rules)
    found = judged(work)
    assert (found.blessed, sum(found.blocked.values())) == (blessed, blocked)
    assert blocked > 0


def test_required_groups_are_judged():
    truth = Truth(0.9, 0.85, 0.8, 0.4, groups={"sex": {"F": 0.5, "M": 0.5}})
    settings = policy({}, subgroups={"min_auc": 0.7, "required_groups": ["sex"]})
    found = simulated(settings, {"in_distribution": 60}, 10, in_distribution=truth)
    groups = [key for key in found.rules if key.name == "subgroup floor"]
    assert {key.slice for key in groups} == {
        f"in_distribution, {features.subgroup('sex')}={value}" for value in "FM"
    }
    assert {key.domain for key in groups} == {"in_distribution"}
    # Groups of about 12 patients with the finding: too few more often than not.
    assert found.blessed_share < 0.9


def test_tables_are_judged_once_and_the_same_each_time():
    settings = policy({"min_auc": 0.75})
    design = Design({"in_distribution": TRUTH}, settings, seed=3)
    one, other = Simulation(design), Simulation(design)
    first = one.judged({"in_distribution": 40}, 10).blessed
    assert one.judged({"in_distribution": 40}, 10).tables == 10
    together = one.judged({"in_distribution": 40}, 25)
    assert together.tables == 25
    assert other.judged({"in_distribution": 40}, 25).blessed == together.blessed >= first
