"""Numbers by formula against closed forms of others."""

import math

import numpy as np
import pytest
from scipy import stats

from components.model_gate.planning import formulas
from components.model_gate.planning.truths import Truth, skewed

CONFIDENCE, POWER = 0.95, 0.8


def truth(auc=0.9, **more) -> Truth:
    return Truth(
        **{"auc": auc, "sensitivity": 0.85, "specificity": 0.85, "prevalence": 0.5, **more}
    )


def hanley_mcneil(auc: float, positive: float, negative: float) -> float:
    """The variance of an AUC by Hanley and McNeil (1982), from exponential scores."""
    first, second = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc)
    spread += (positive - 1) * (first - auc**2) + (negative - 1) * (second - auc**2)
    return spread / (positive * negative)


@pytest.mark.parametrize("auc", [0.7, 0.8, 0.9])
def test_variance_of_an_auc_is_near_hanley_and_mcneils(auc):
    """With as many of each class: their scores' two classes differ in spread, ours do not."""
    theirs = hanley_mcneil(auc, 500, 500)
    ours = formulas.variance_of_one(truth(auc), auc) / 1000
    assert ours == pytest.approx(theirs, rel=0.15)


def test_variance_of_an_auc_is_that_of_simulated_scores():
    random, auc, number = np.random.default_rng(0), 0.85, 200
    shift = math.sqrt(2) * stats.norm.ppf(auc)
    found = []
    for _ in range(2000):
        positive, negative = (
            random.normal(shift, 1, number // 4),
            random.normal(size=3 * number // 4),
        )
        won = stats.rankdata(np.concatenate([positive, negative]))[: number // 4].sum()
        found.append((won / (number // 4) - (number // 4 + 1) / 2) / (3 * number // 4))
    ours = formulas.variance_of_one(truth(auc, prevalence=0.25), auc) / number
    assert ours == pytest.approx(np.var(found), rel=0.1)


def test_patients_for_an_auc_by_hand():
    """On the log odds: (z.975 + z.8)^2 times the variance there, over the squared distance."""
    auc, floor = 0.9, 0.8
    variance = hanley_mcneil(auc, 1e5, 1e5) * 2e5 / (auc * (1 - auc)) ** 2
    room = math.log(9) - math.log(4)
    by_hand = (1.959964 + 0.841621) ** 2 * variance / room**2
    found = formulas.auc_patients(truth(auc), floor, CONFIDENCE, POWER)
    assert found == pytest.approx(by_hand, rel=0.15)


def test_images_that_are_alike_add_little():
    one = formulas.auc_patients(truth(), 0.8, CONFIDENCE, POWER)
    four = {"images": (4,)}
    alike = formulas.auc_patients(truth(correlation=1, **four), 0.8, CONFIDENCE, POWER)
    apart = formulas.auc_patients(truth(correlation=0, **four), 0.8, CONFIDENCE, POWER)
    assert alike == pytest.approx(one)
    assert apart == pytest.approx(one / 4)
    # Few patients with most of the images: less than one image each says.
    assert formulas.auc_patients(truth(images=skewed(4)), 0.8, CONFIDENCE, POWER) > one


@pytest.mark.parametrize(
    ("rate", "floor", "number"), [(0.9, 0.8, 60), (0.95, 0.85, 100), (0.6, 0.5, 37)]
)
def test_power_of_a_rate_is_the_binomials(rate, floor, number):
    """SciPy's exact test is the other half of Clopper and Pearson's interval."""
    hits = np.arange(number + 1)
    lower = [
        stats.binomtest(int(one), number).proportion_ci(CONFIDENCE, "exact").low for one in hits
    ]
    expected = stats.binom.pmf(hits[np.array(lower) >= floor], number, rate).sum()
    assert formulas.rate_power(rate, floor, number, CONFIDENCE) == pytest.approx(expected)


def test_patients_of_a_rate_reach_the_power_and_one_less_does_not():
    number = int(formulas.rate_patients(0.9, 0.8, CONFIDENCE, POWER))
    assert formulas.rate_power(0.9, 0.8, number, CONFIDENCE) >= POWER
    assert formulas.rate_power(0.9, 0.8, number - 1, CONFIDENCE) < POWER


@pytest.mark.parametrize(("value", "floor"), [(0.8, 0.8), (0.7, 0.8)])
def test_what_is_not_above_its_floor_takes_infinitely_many(value, floor):
    assert formulas.auc_patients(truth(value), floor, CONFIDENCE, POWER) == math.inf
    assert formulas.rate_patients(value, floor, CONFIDENCE, POWER) == math.inf


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_no_floor_takes_nobody(value):
    assert formulas.auc_patients(truth(value), 0, CONFIDENCE, POWER) == 0
    assert formulas.rate_patients(value, 0, CONFIDENCE, POWER) == 0


def test_a_perfect_model_takes_some():
    assert 0 < formulas.auc_patients(truth(1.0), 0.9, CONFIDENCE, POWER) < 100
    # All of n are found; the lower bound is (1 - confidence) / 2 to the power 1/n.
    least = math.ceil(math.log(0.025) / math.log(0.9))
    assert formulas.rate_patients(1.0, 0.9, CONFIDENCE, POWER) == least
