"""Histograms of patients, and the test of two of them against SciPy and enumeration."""

import numpy as np
import pytest
from scipy import stats

from components.statistics import histograms


def test_patients_count_once_however_many_images_they_have():
    patient = np.array([0, 1, 1, 2, 2, 2, 2])
    weight = histograms.equal_weights(patient)
    assert weight.tolist() == [1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25]
    held = histograms.counts(np.array([1, 1, 3, 3, 3, 0, 2.0]), weight, np.array([2.0]))
    # A value at an edge belongs above it.
    assert held.tolist() == [1.75, 1.25]


@pytest.mark.parametrize("patients", [4, 19, 20, 57, 1000])
@pytest.mark.parametrize("images", [1, 3])
def test_bins_are_of_equal_weight_and_never_of_a_few_patients(patients, images):
    random = np.random.default_rng(patients)
    patient = np.repeat(np.arange(patients), images)
    values = random.normal(size=len(patient))
    weight = histograms.equal_weights(patient)
    edges = histograms.edges(values, weight)
    held = histograms.counts(values, weight, edges)
    assert held.sum() == pytest.approx(patients)
    number = min(12, patients // 10)
    assert len(held) == max(1, number)
    if number > 1:
        assert held.min() >= 5
        assert np.abs(held - patients / number).max() <= 2


def test_bins_grow_until_five_patients_are_in_them():
    """An edge of ties leaves three patients alone: they join the bin above them."""
    values = np.repeat([1.0, 2.0, 3.0], [3, 30, 7])
    weight = np.ones(40)
    edges = histograms.edges(values, weight)
    held = histograms.counts(values, weight, edges)
    assert held.tolist() == [33, 0, 7]


def test_a_constant_has_a_bin_of_its_own_and_its_change_is_seen():
    values = np.full(100, 224.0)
    edges = histograms.edges(values, np.ones(100))
    held = histograms.counts(values, np.ones(100), edges)
    assert held.tolist() == [0, 100, 0]
    same = histograms.counts(np.full(30, 224.0), np.ones(30), edges)
    other = histograms.counts(np.full(30, 256.0), np.ones(30), edges)
    assert histograms.compare(held, same, 0.01).p_value == 1
    assert histograms.compare(held, other, 0.01).p_value <= 0.01


def test_distance_and_higher_are_those_of_scipy():
    random = np.random.default_rng(3)
    edges = np.array([-1.0, 0, 0.5, 1])
    first, second = random.normal(size=90), 0.4 + random.normal(size=60)
    held = [histograms.counts(one, np.ones(len(one)), edges) for one in (first, second)]
    binned = [np.searchsorted(edges, one, side="right") for one in (first, second)]
    found = histograms.compare(*held, 0.05)
    assert found.distance == pytest.approx(stats.ks_2samp(*binned).statistic)
    wins = stats.mannwhitneyu(binned[1], binned[0]).statistic / (90 * 60)
    assert found.higher == pytest.approx(wins)


@pytest.mark.parametrize("new", [[12, 8], [7, 13], [3, 17]])
def test_p_value_of_two_bins_is_beta_binomial(new):
    """The share below the 41st of 60 values is Beta(41, 20), whatever their distribution."""
    chosen = np.arange(21)
    probability = stats.betabinom(20, 41, 20).pmf(chosen)
    as_far = np.abs(chosen / 20 - 40 / 60) >= abs(new[0] / 20 - 40 / 60) - 1e-9
    expected = probability[as_far].sum()
    found = histograms.compare(np.array([40.0, 20.0]), np.array(new, float), 1e-5)
    # 50 exceedances decide: a relative error of 0.14 is one standard deviation.
    assert found.p_value == pytest.approx(expected, rel=0.5)


@pytest.mark.slow
@pytest.mark.parametrize("images", [1, 4])
def test_without_drift_small_p_values_are_as_rare_as_they_say(images):
    """Patients whose images are alike, but not the same, make the test cautious, never bold."""
    random = np.random.default_rng(11)
    found = []
    for _ in range(600):
        held, edges = [], None
        for patients in (80, 50):
            patient = np.repeat(np.arange(patients), images)
            values = random.normal(size=patients)[patient] + 0.5 * random.normal(size=len(patient))
            weight = histograms.equal_weights(patient)
            edges = histograms.edges(values, weight) if edges is None else edges
            held.append(histograms.counts(values, weight, edges))
        found.append(histograms.compare(*held, 0.05).p_value)
    # Three standard deviations above the level.
    for level in (0.05, 0.2):
        assert np.mean(np.array(found) <= level) <= level + 3 * np.sqrt(level * (1 - level) / 600)


def test_a_shift_of_one_standard_deviation_is_found():
    random = np.random.default_rng(5)
    first, second = random.normal(size=200), 1 + random.normal(size=60)
    edges = histograms.edges(first, np.ones(200))
    held = [histograms.counts(one, np.ones(len(one)), edges) for one in (first, second)]
    assert histograms.compare(*held, 1e-3).p_value <= 1e-3


def test_shown_bins_of_few_patients_join_their_neighbors():
    edges = histograms.pooled(np.array([1.0, 2, 3, 4]), np.array([2.0, 4, 0, 9, 1]))
    # 2 + 4 patients, none, 9 + 1.
    assert edges.tolist() == [2, 3]
