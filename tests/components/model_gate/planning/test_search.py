"""The least numbers of patients, on powers that are known without simulation."""

import math

import pytest
from scipy import stats

from components.model_gate.planning import search
from components.model_gate.planning.power import Design, Key, Tally
from components.model_gate.planning.truths import Truth
from components.model_gate.policy.settings import GateSettings

TRUTH = Truth(auc=0.9, sensitivity=0.85, specificity=0.8, prevalence=0.5)
FLOOR = Key("auc floor", "in_distribution", "auc")
OTHER = Key("auc floor", "shifted", "auc")
GAP = Key("gap ceiling", "in_distribution - shifted", "auc")
BOUND = stats.norm.ppf(0.975)


def normal(patients: float, enough: float) -> float:
    """Power of one normal bound, which is 80 % for `enough` patients."""
    away = BOUND + stats.norm.ppf(0.8)
    return float(stats.norm.cdf(away * math.sqrt(patients / enough) - BOUND))


class Known:
    """A simulation whose shares are what they should be, to the nearest table."""

    def __init__(self, **enough: float):
        self.enough = enough
        self.design = Design(
            {domain: TRUTH for domain in enough if domain != "gap"}, GateSettings()
        )
        self.asked: list[dict[str, int]] = []

    def judged(self, patients, tables_wanted: int) -> Tally:
        self.asked.append(dict(patients))
        found = Tally(tables=tables_wanted)
        blessed = 1.0
        for key in (FLOOR, OTHER, GAP):
            if key.domain in patients:
                share = normal(patients[key.domain], self.enough[key.domain])
            elif key is GAP and "gap" in self.enough and len(patients) == 2:
                share = normal(sum(patients.values()), self.enough["gap"])
            else:
                continue
            blessed *= share
            found.rules[key] = tables_wanted
            found.blocked[key] = round((1 - share) * tables_wanted)
            found.domains[key.domain] = found.blocked[key]
        found.blessed = round(blessed * tables_wanted)
        return found


@pytest.mark.parametrize("enough", [40, 137, 1000, 15_000])
def test_the_least_number_of_a_rule_is_found(enough):
    known = Known(in_distribution=enough)
    found = search.search(known, 0.8, lambda line: None)
    assert found.rules[FLOOR]["in_distribution"].patients == pytest.approx(enough, rel=0.06)
    # What is suggested passes surely, and not with many more.
    patients = found.patients["in_distribution"]
    assert normal(patients, enough) >= 0.8
    assert patients < 1.4 * enough
    assert len(known.asked) < 25


def test_what_passes_with_the_fewest_that_are_judged_takes_no_search():
    found = search.search(Known(in_distribution=5), 0.8, lambda line: None)
    least = found.rules[FLOOR]["in_distribution"]
    assert (least.patients, least.at_most) == (30, True)
    assert found.patients == {"in_distribution": 30}


def test_a_domain_that_takes_few_does_not_grow_with_the_other():
    found = search.search(Known(in_distribution=10, shifted=900), 0.8, lambda line: None)
    assert found.patients["in_distribution"] < 60
    assert found.patients["shifted"] > 900


def test_a_bound_of_both_domains_enlarges_both():
    found = search.search(Known(in_distribution=50, shifted=60, gap=1200), 0.8, lambda line: None)
    needed = found.rules[GAP]
    assert sum(least.patients for least in needed.values()) == pytest.approx(1200, rel=0.1)
    assert sum(found.patients.values()) > 1150


def test_what_is_beyond_the_simulation_ends():
    known = Known(in_distribution=10_000_000)
    found = search.search(known, 0.8, lambda line: None)
    assert (found.patients, found.tally) == ({}, None)
    assert found.rules[FLOOR]["in_distribution"].patients == math.inf
    assert len(known.asked) < 25


def test_more_power_takes_more_patients():
    sizes = [
        search.search(Known(in_distribution=200), power, lambda line: None).patients
        for power in (0.6, 0.8, 0.95)
    ]
    assert sizes == sorted(sizes, key=lambda one: one["in_distribution"])
    assert sizes[0] != sizes[1] != sizes[2]


@pytest.mark.parametrize(("share", "tables"), [(0.8, 500), (0.0, 100), (1.0, 100)])
def test_monte_carlo_error(share, tables):
    error = search.error(share, tables)
    assert error > 0
    if 0 < share < 1:
        assert error == pytest.approx(math.sqrt(share * (1 - share) / tables))
    assert search.lowest(share, tables) == pytest.approx(share - 1.644854 * error)


def test_large_tables_are_simulated_less_often():
    assert search.repetitions(100, 100) == 100
    assert 40 <= search.repetitions(5000, 100) < 100
    assert search.repetitions(1e6, 500) == 40
