"""The clustered AUC against definitions pair by pair, exact bounds and quadrature."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import integrate, stats
from sklearn.metrics import roc_auc_score

from components.statistics import clustered_auc
from components.statistics.clustered_auc import ClusteredAuc
from components.statistics.judged_rows import JudgedRows


def records_of(label, score, patient, weight=None) -> JudgedRows:
    label, score = np.atleast_2d(label).T.astype(float), np.atleast_2d(score).T.astype(float)
    names, number = np.unique(patient, return_inverse=True)
    weight = np.ones_like(score) if weight is None else np.atleast_2d(weight).T
    return JudgedRows(("t",), False, number, len(names), label, weight, score, score)


@pytest.fixture
def mixed() -> JudgedRows:
    """Forty patients, most with images of both classes, scores with ties."""
    random = np.random.default_rng(4)
    patient = random.integers(40, size=160)
    label = random.random(160) < 0.4
    score = np.round(label + random.normal(size=40)[patient] + random.normal(size=160), 1)
    return records_of(label, score, patient)


def across_patients(records: JudgedRows, without: int | None = None) -> float:
    """Share of the pairs of two patients' records that the positive one wins, one by one."""
    won = total = 0.0
    label, score, weight = records.label[:, 0], records.score[:, 0], records.weight[:, 0]
    for i in np.flatnonzero(label == 1):
        for j in np.flatnonzero(label == 0):
            owners = {records.patient[i], records.patient[j]}
            if len(owners) == 1 or without in owners:
                continue
            pair = weight[i] * weight[j]
            won += pair * ((score[i] > score[j]) + 0.5 * (score[i] == score[j]))
            total += pair
    return won / total


@pytest.mark.parametrize("by_patient", [False, True])
def test_pairs_within_a_patient_are_left_out_and_each_patient_in_turn(mixed, by_patient):
    records = mixed.by_patient() if by_patient else mixed
    found = ClusteredAuc.of(records)
    expected = roc_auc_score(
        mixed.label[:, 0], mixed.score[:, 0], sample_weight=records.weight[:, 0]
    )
    assert found.value == pytest.approx(expected, abs=1e-12)
    assert found.across == pytest.approx(across_patients(records), abs=1e-12)
    for patient in (0, 17, 38):
        assert found.left_out[patient] == pytest.approx(
            across_patients(records, without=patient), abs=1e-12
        )


def test_weights_by_patient_are_one_over_the_number_of_images(mixed):
    sizes = np.bincount(mixed.patient)
    np.testing.assert_allclose(mixed.by_patient().weight[:, 0], 1 / sizes[mixed.patient])


@pytest.mark.parametrize("auc", [0.3, 0.5, 0.75, 0.9, 0.99])
def test_covariance_of_pairs_is_that_of_the_binormal_model(auc):
    """Two pairs that share a positive of score x are won together with probability Phi(x)^2."""
    shift = math.sqrt(2) * stats.norm.ppf(auc)
    both, _ = integrate.quad(
        lambda x: stats.norm.cdf(x) ** 2 * stats.norm.pdf(x - shift), -12, 12 + shift
    )
    assert clustered_auc._shared(auc) == pytest.approx(both - auc**2, abs=1e-9)


def test_model_variance_is_what_repeated_samples_have():
    random = np.random.default_rng(0)
    shift, patients, images = math.sqrt(2) * stats.norm.ppf(0.8), 60, 4
    patient = np.repeat(np.arange(patients), images)
    label = np.repeat(np.arange(patients) % 3 == 0, images)
    found = []
    for _ in range(400):
        noise = math.sqrt(0.7) * random.normal(size=patients)[patient]
        noise = noise + math.sqrt(0.3) * random.normal(size=patients * images)
        found.append(ClusteredAuc.of(records_of(label, shift * label + noise, patient)))
    spread = np.var([one.across for one in found])
    assert np.mean([one.correlations[0] for one in found]) == pytest.approx(0.7, abs=0.04)
    expected = np.mean([one.figures.model_variance(0.8) for one in found])
    assert expected == pytest.approx(spread, rel=0.15)


@pytest.mark.parametrize("auc", [0.5, 0.75, 0.95])
def test_model_variance_is_of_shared_records_and_of_pairs(mixed, auc):
    """What two pairs share of a record, by quadrature; of one pair, a yes or no less that twice."""
    shift = math.sqrt(2) * stats.norm.ppf(auc)
    both, _ = integrate.quad(
        lambda x: stats.norm.cdf(x) ** 2 * stats.norm.pdf(x - shift), -12, 12 + shift
    )
    found = dataclasses.replace(ClusteredAuc.of(mixed), error=0.25, per_pair=0.125)
    shared = both - auc**2
    expected = 0.25 * shared + 0.125 * (auc * (1 - auc) - 2 * shared)
    assert found.figures.model_variance(auc) == pytest.approx(expected, abs=1e-9)


def test_errors_of_a_mean_of_targets_are_those_of_independent_ones(mixed):
    other = np.random.default_rng(1).permutation(160)
    parts = [mixed, records_of(mixed.label[other, 0], mixed.score[:, 0], mixed.patient)]
    both = dataclasses.replace(
        mixed,
        targets=("a", "b"),
        **{
            name: np.concatenate([getattr(one, name) for one in parts], axis=1)
            for name in ("label", "weight", "score", "decision")
        },
    )
    found, single = ClusteredAuc.of(both), [ClusteredAuc.of(one) for one in parts]
    for name in ("value", "across"):
        mean = np.mean([getattr(one, name) for one in single])
        assert getattr(found, name) == pytest.approx(mean), name
    np.testing.assert_allclose(found.left_out, np.mean([one.left_out for one in single], axis=0))
    # The variance of a mean of two is a quarter of the sum.
    for name in ("error", "per_pair"):
        total = sum(getattr(one, name) for one in single)
        assert getattr(found, name) == pytest.approx(total / 4), name
    for name in ("degrees", "effective"):
        assert getattr(found, name) == min(getattr(one, name) for one in single), name
    assert found.smallest == min(one.smallest for one in single) / 2
    assert found.correlations == tuple(one.correlations[0] for one in single)


def test_bounds_of_the_model_are_where_the_value_is_so_many_errors_away(mixed):
    found = ClusteredAuc.of(mixed)
    for bound in found.figures._model_bounds(2.0):
        allowed = 2.0 * math.sqrt(0.5 * found.figures.model_variance(bound))
        assert abs(found.across - bound) == pytest.approx(allowed, abs=1e-5)


@pytest.mark.parametrize("flipped", [False, True])
def test_perfect_separation_of_few_patients_is_no_proof(flipped):
    """Twelve of twelve: what holds is the exact bound of a share, as of Clopper and Pearson."""
    label = np.arange(60) < 12
    score = 1 - label if flipped else label + 0.0
    found = ClusteredAuc.of(records_of(label, score, np.arange(60))).interval(0.95)
    exact = stats.binomtest(12, 12).proportion_ci(method="exact").low
    assert exact == pytest.approx(0.735, abs=1e-3)
    expected = (0, 0, 1 - exact) if flipped else (1, exact, 1)
    assert (found.value, found.lower, found.upper) == pytest.approx(expected, abs=1e-9)


def test_a_constant_score_has_an_interval_around_a_half():
    label = np.arange(100) % 4 == 0
    found = ClusteredAuc.of(records_of(label, np.full(100, 0.3), np.arange(100))).interval(0.95)
    assert found.value == 0.5
    # No error can be seen: that of a share of 25 patients, at a half.
    assert found.lower == pytest.approx(stats.beta(12.5, 13.5).ppf(0.025))
    assert found.upper == pytest.approx(stats.beta(13.5, 12.5).ppf(0.975))


def test_one_hard_image_among_perfect_ones_is_no_catastrophe():
    """Without its patient all would be told apart: the jackknife alone sees no end of error."""
    label = np.arange(60) < 20
    score = label + 0.001 * np.arange(60)
    score[0] = 0.045  # below the scores of a few negative patients
    found = ClusteredAuc.of(records_of(label, score, np.arange(60)))
    assert 0.98 < found.value < 1
    exact = stats.beta(20 * found.value, 20 * (1 - found.value) + 1).ppf(0.025)
    assert found.interval(0.95).lower == pytest.approx(exact, abs=1e-6)
    assert found.figures.log_odds.bounds(2.1)[0] < 0.5 < exact


def test_repeating_every_image_changes_nothing():
    """The same image three times adds no information: the interval must not shrink."""
    random = np.random.default_rng(2)
    label = random.random(100) < 0.4
    score = label + random.normal(size=100)
    three = np.tile(np.arange(100), 3)
    one = ClusteredAuc.of(records_of(label, score, np.arange(100))).interval(0.95)
    tripled = ClusteredAuc.of(records_of(label[three], score[three], three)).interval(0.95)
    assert (tripled.lower, tripled.upper) == pytest.approx((one.lower, one.upper), abs=1e-9)
    assert tripled.effective == pytest.approx(one.effective)
    assert tripled.effective == pytest.approx(label.sum())


def test_order_of_records_does_not_matter(mixed):
    order = np.random.default_rng(0).permutation(160)
    shuffled = dataclasses.replace(
        mixed,
        **{
            name: getattr(mixed, name)[order]
            for name in ("patient", "label", "weight", "score", "decision")
        },
    )
    one, other = (ClusteredAuc.of(records).interval(0.9) for records in (mixed, shuffled))
    assert (other.lower, other.upper) == pytest.approx((one.lower, one.upper), abs=1e-12)


def test_few_large_patients_weigh_little_by_patient():
    """Twelve easy patients of 300 images beside sixty hard ones of one."""
    random = np.random.default_rng(1)
    label = np.r_[np.repeat(np.arange(12) < 6, 300), random.random(60) < 0.5]
    patient = np.r_[np.repeat(np.arange(12), 300), 12 + np.arange(60)]
    score = np.r_[np.where(label[:3600], 0.95, 0.05), random.random(60)]
    records = records_of(label, score, patient)
    by_image, by_patient = ClusteredAuc.of(records), ClusteredAuc.of(records.by_patient())
    assert by_image.value > 0.99
    assert by_patient.value < 0.75
    assert by_image.effective < 7  # the six easy positive patients, and hardly more


@pytest.mark.parametrize(
    ("label", "score", "patient"),
    [
        ([0, 0, 0], [0.1, 0.2, 0.3], [0, 1, 2]),
        ([0, 1, 1], [0.1, np.nan, 0.3], [0, 1, 2]),
        ([1, 0, 0], [0.9, 0.2, 0.1], [0, 1, 2]),
        ([1, 0, 1, 0], [0.9, 0.2, 0.8, 0.1], [0, 0, 0, 0]),
    ],
)
def test_without_two_patients_of_each_class_there_is_no_interval(label, score, patient):
    found = ClusteredAuc.of(records_of(np.array(label), np.array(score), np.array(patient)))
    interval = found.interval(0.95)
    assert np.isnan([interval.lower, interval.upper]).all()
    assert not interval.judged
    other = clustered_auc.difference(found, found, 0.95)
    assert np.isnan([other.lower, other.upper]).all()
    assert math.isnan(clustered_auc.p_below(found, found, -0.05))


def test_mean_of_targets_of_one_score_is_that_target(mixed):
    twice = JudgedRows(
        ("a", "b"),
        False,
        mixed.patient,
        mixed.patients,
        *(np.repeat(one, 2, axis=1) for one in (mixed.label, mixed.weight, mixed.score)),
        decision=np.repeat(mixed.decision, 2, axis=1),
    )
    one, both = ClusteredAuc.of(mixed), ClusteredAuc.of(twice)
    assert both.value == pytest.approx(one.value)
    np.testing.assert_allclose(both.left_out, one.left_out)
    assert both.error == pytest.approx(one.error / 2)


def two_models(random, patients=80) -> tuple[ClusteredAuc, ClusteredAuc]:
    patient = np.repeat(np.arange(patients), 3)
    label = np.repeat(random.random(patients) < 0.4, 3)
    score = 1.2 * label + random.normal(size=patients)[patient] + random.normal(size=3 * patients)
    other = score + 0.3 * random.normal(size=3 * patients)
    return tuple(ClusteredAuc.of(records_of(label, one, patient)) for one in (score, other))


def test_the_difference_of_two_alike_models_is_far_narrower_than_each():
    first, second = two_models(np.random.default_rng(3))
    found, own = clustered_auc.difference(first, second, 0.95), first.interval(0.95)
    assert found.lower < found.value < found.upper
    assert found.value == pytest.approx(first.value - second.value)
    assert found.upper - found.lower < 0.5 * (own.upper - own.lower)
    same = clustered_auc.difference(first, first, 0.95)
    assert (same.value, same.lower, same.upper) == (0, 0, 0)


def test_two_models_that_tell_all_apart_may_differ():
    """Twelve positive patients, both models right on all: not proof that one is no worse."""
    label = np.arange(60) < 12
    first, second = (
        ClusteredAuc.of(records_of(label, label + step * np.arange(60), np.arange(60)))
        for step in (0.001, 0.002)
    )
    found = clustered_auc.difference(first, second, 0.95)
    assert found.value == 0
    assert found.lower < -0.2


@pytest.mark.parametrize("alpha", [0.001, 0.025, 0.2, 0.6, 0.99])
def test_the_p_value_is_the_level_whose_interval_ends_at_the_bound(alpha):
    first, second = two_models(np.random.default_rng(5))
    interval = clustered_auc.difference(first, second, abs(1 - 2 * alpha))
    bound = interval.lower if alpha < 0.5 else interval.upper
    assert clustered_auc.p_below(first, second, bound) == pytest.approx(alpha, rel=0.01)


def test_no_p_value_is_0():
    first, second = two_models(np.random.default_rng(6))
    assert 0 < clustered_auc.p_below(first, second, -0.9) < 1e-5
    assert 1 - 1e-5 < clustered_auc.p_below(first, second, 0.9) <= 1


def test_equal_weights_give_one_interval_by_image_and_by_patient():
    """Two images of every patient: each patient once, or each image once, is the same."""
    random = np.random.default_rng(0)
    patient = np.repeat(np.arange(40), 2)
    label = (patient % 2).astype(float)
    score = label + 0.4 * random.normal(size=80)
    records = records_of(label, score, patient)
    by_image = ClusteredAuc.of(records).interval(0.95)
    by_patient = ClusteredAuc.of(records.by_patient()).interval(0.95)
    assert by_patient.lower == pytest.approx(by_image.lower)
    assert by_patient.upper == pytest.approx(by_image.upper)
    assert 0.9 < by_image.value < 1
