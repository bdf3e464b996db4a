"""Intervals of rates: exact ones for one image a patient, and what clusters make of them."""

import numpy as np
import pytest
from scipy import stats

from components.statistics import rates
from components.statistics.rates import Rate


def of_singles(hits: int, number: int) -> Rate:
    found = np.r_[np.ones(hits), np.zeros(number - hits)]
    return Rate.of(found, np.ones(number), np.arange(number), number)


@pytest.mark.parametrize(("hits", "number"), [(4, 4), (8, 8), (15, 15), (0, 7), (3, 10), (45, 60)])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_one_image_a_patient_gives_clopper_and_pearsons_interval(hits, number, confidence):
    expected = stats.binomtest(hits, number).proportion_ci(confidence, method="exact")
    found = of_singles(hits, number).bounds(confidence)
    assert found == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_four_of_four_is_compatible_with_a_sensitivity_of_two_fifths():
    assert of_singles(4, 4).bounds(0.95)[0] == pytest.approx(0.398, abs=5e-4)


def test_patients_without_a_record_that_counts_change_nothing():
    hits = np.r_[np.ones(7), np.zeros(93)]
    weight = (np.arange(100) < 10).astype(float)
    rate = Rate.of(hits, weight, np.arange(100), 100)
    assert rate.patients == 10
    assert rate.bounds(0.95) == pytest.approx(of_singles(7, 10).bounds(0.95), abs=1e-9)


def test_repeating_every_image_changes_nothing():
    hits = (np.random.default_rng(0).random(40) < 0.7).astype(float)
    three = np.tile(np.arange(40), 3)
    rate = Rate.of(hits[three], np.ones(120), three, 40)
    assert rate.effective == pytest.approx(40)
    expected = of_singles(int(hits.sum()), 40).bounds(0.95)
    assert rate.bounds(0.95) == pytest.approx(expected, abs=1e-9)


def test_independent_images_are_worth_about_their_number():
    random = np.random.default_rng(1)
    patient = np.repeat(np.arange(400), 5)
    hits = (random.random(2000) < 0.7).astype(float)
    rate = Rate.of(hits, np.ones(2000), patient, 400)
    assert 1500 < rate.effective < 2300


def test_one_patient_of_many_images_is_worth_little():
    hits = np.r_[np.ones(1000), np.ones(5), np.zeros(5)]
    patient = np.r_[np.zeros(1000, int), 1 + np.arange(10)]
    rate = Rate.of(hits, np.ones(1010), patient, 11)
    assert rate.effective < 2
    lower, upper = rate.bounds(0.95)
    assert lower < 0.2
    assert upper > 0.99


def test_leaving_out_by_definition():
    random = np.random.default_rng(2)
    patient, weight = random.integers(12, size=50), random.random(50)
    hits = (random.random(50) < 0.6).astype(float)
    rate = Rate.of(hits, weight, patient, 12)
    for one in range(12):
        kept = patient != one
        assert rate.left_out[one] == pytest.approx(np.average(hits[kept], weights=weight[kept]))


def test_mean_of_two_classes_is_wider_than_the_sum_of_their_patients_would_be():
    mean = rates.mean([of_singles(8, 10), of_singles(10, 10)])
    assert mean.value == pytest.approx(0.9)
    assert mean.patients == 10
    lower, upper = mean.bounds(0.95)
    assert of_singles(9, 10).bounds(0.95)[0] < lower < 0.8
    assert upper < 1


@pytest.mark.parametrize("weight", [np.zeros(3), np.array([1.0, 0.0, 0.0])])
def test_fewer_than_two_patients_have_no_interval(weight):
    assert np.isnan(Rate.of(np.ones(3), weight, np.arange(3), 3).bounds(0.95)).all()


def within_patients(hits, patient) -> float:
    """Correlation by the analysis of variance of unequal groups (Donner 1986), group by group."""
    groups = [hits[patient == one] for one in np.unique(patient)]
    number, sizes = len(groups), np.array([len(one) for one in groups])
    between = sum(len(one) * (one.mean() - hits.mean()) ** 2 for one in groups) / (number - 1)
    within = sum(((one - one.mean()) ** 2).sum() for one in groups) / (len(hits) - number)
    typical = (len(hits) - (sizes**2).sum() / len(hits)) / (number - 1)
    return (between - within) / (between + (typical - 1) * within)


@pytest.mark.parametrize("unknown", [0, 30])
def test_correlated_records_of_unequal_patients_are_worth_less(unknown):
    random = np.random.default_rng(6)
    patient = random.choice(25, size=140, p=np.arange(1, 26) / 325)
    hits = (random.random(140) < random.beta(1, 1, size=25)[patient]).astype(float)
    weight = random.uniform(0.5, 2.0, size=140)
    correlation = within_patients(hits, patient)
    assert 0.1 < correlation < 0.9
    sums = np.array([weight[patient == one].sum() for one in range(25)])
    spread = (1 - correlation) * (weight**2).sum() + correlation * (sums**2).sum()
    # Records of weight 0 have no part in it, whatever they are.
    more = [np.r_[one, np.full(unknown, value)] for one, value in ((hits, 1.0), (weight, 0.0))]
    rate = Rate.of(*more, np.r_[patient, np.arange(unknown) % 25], 25)
    assert rate.correlated == pytest.approx(weight.sum() ** 2 / spread)
    assert rate.value == pytest.approx(np.average(hits, weights=weight))
    assert rate.equal_weights == pytest.approx(sums.sum() ** 2 / (sums**2).sum())
