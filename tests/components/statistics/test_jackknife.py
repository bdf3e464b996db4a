"""Intervals of the jackknife and of differences, against published and exact figures."""

import math

import numpy as np
import pytest
from scipy import stats

from components.statistics import jackknife
from components.statistics.intervals import Interval


def test_published_difference_of_two_rates():
    """56 of 70 against 48 of 80 (Newcombe 1998, method 10): 0.0524 to 0.3339."""
    parts = []
    for hits, number in ((56, 70), (48, 80)):
        found = stats.binomtest(hits, number).proportion_ci(method="wilson")
        parts.append(Interval(hits / number, found.low, found.high, number, number))
    gap = jackknife.gap(*parts)
    assert (gap.value, gap.lower, gap.upper) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
    assert gap.patients == 150
    assert jackknife.paired_bounds(*parts, 0.0) == pytest.approx((gap.value, gap.lower, gap.upper))


def test_what_two_errors_share_leaves_only_the_difference_of_their_sizes():
    first, second = Interval(0.9, 0.8, 0.95, 50, 50), Interval(0.85, 0.78, 0.9, 50, 50)
    value, lower, upper = jackknife.paired_bounds(first, second, 1.0)
    assert value == pytest.approx(0.05)
    assert value - lower == pytest.approx(0.10 - 0.07)  # down together; up they are alike
    assert upper - value == pytest.approx(0.0, abs=1e-9)

    # The same the other way up: up together, down they are alike.
    first, second = Interval(0.1, 0.05, 0.2, 50, 50), Interval(0.15, 0.1, 0.22, 50, 50)
    value, lower, upper = jackknife.paired_bounds(first, second, 1.0)
    assert upper - value == pytest.approx(0.10 - 0.07)
    assert value - lower == pytest.approx(0.0, abs=1e-9)
    # And where the second errs more: what moves both down moves it further, and the first is ahead.
    value, lower, upper = jackknife.paired_bounds(second, first, 1.0)
    assert (value - lower, upper - value) == pytest.approx((0.10 - 0.07, 0.0), abs=1e-9)


def test_of_a_gap_each_class_has_the_patients_of_the_domain_with_fewer():
    first = Interval(0.9, 0.8, 0.95, 50, 60, by_class={"positive": 9, "negative": 41}, effective=30)
    second = Interval(0.8, 0.7, 0.9, 20, 25, by_class={"positive": 12}, effective=18)
    gap = jackknife.gap(first, second)
    assert gap.by_class == {"positive": 9, "negative": 41}
    assert (gap.patients, gap.examples, gap.effective) == (70, 85, 18)
    assert jackknife.gap(second, first).by_class == {"positive": 9}


def test_an_interval_that_is_not_there_leaves_no_difference():
    first = Interval(0.9, math.nan, math.nan, 1, 1)
    second = Interval(0.8, 0.7, 0.9, 50, 50)
    assert np.isnan(jackknife.paired_bounds(first, second, 0.5)[1:]).all()
    assert not jackknife.gap(first, second).judged


def test_of_a_mean_the_bounds_are_students():
    values = np.random.default_rng(0).normal(size=25)
    left_out = (values.sum() - values) / 24
    expected = stats.t.interval(0.9, 24, values.mean(), stats.sem(values))
    found = jackknife.t_bounds(values.mean(), left_out, 24, 0.9)
    assert found == pytest.approx(tuple(expected))


def test_log_odds_of_a_share():
    """The jackknife's error of the log odds of k of n, to first order 1 / sqrt(n p (1 - p))."""
    hits = np.r_[np.ones(300), np.zeros(100)]
    found = jackknife.LogOdds.of(0.75, (300 - hits) / 399, 1e-6)
    assert found.error == pytest.approx(1 / math.sqrt(400 * 0.75 * 0.25), rel=0.01)
    assert found.center == pytest.approx(math.log(3), abs=0.01)
    lower, upper = found.bounds(1.96)
    assert 0 < lower < 0.75 < upper < 1


@pytest.mark.parametrize(
    ("weights", "number"), [([1, 1, 1], 3), ([2, 2], 2), ([10, 0, 0], 1), ([3, 1], 1.6), ([], 0)]
)
def test_effective_number(weights, number):
    assert jackknife.effective_number(np.array(weights, float)) == pytest.approx(number)


def test_correlation_without_spread_is_0():
    assert jackknife.correlation(np.ones(5), np.arange(5.0)) == 0
    assert jackknife.correlation(np.arange(5.0), 2 * np.arange(5.0)) == pytest.approx(1)
