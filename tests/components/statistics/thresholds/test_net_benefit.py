"""Net benefit: counts by scikit-learn, hand values, and intervals of rates by SciPy."""

import dataclasses

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from components.statistics.judged_rows import JudgedRows
from components.statistics.thresholds import net_benefit

GRID = (0.01, 0.1, 0.3, 0.5, 0.9, 0.99)


def records(label, score, patient=None, weight=None) -> JudgedRows:
    label, score = np.asarray(label, float), np.asarray(score, float)
    if label.ndim == 1:
        label, score = label[:, None], score[:, None]
    patient = np.arange(len(label)) if patient is None else patient
    weight = np.ones_like(label) if weight is None else np.reshape(weight, label.shape)
    targets = tuple("abc"[: label.shape[1]])
    number = int(patient.max()) + 1
    return JudgedRows(targets, False, patient, number, label, weight, score, np.zeros_like(label))


def drawn(images=300, patients=80, seed=0):
    """Scores of one decimal: many lie on a threshold."""
    random = np.random.default_rng(seed)
    label = (random.random(images) < 0.3).astype(float)
    score = np.round(np.clip(0.3 + 0.3 * label + 0.25 * random.normal(size=images), 0, 1), 1)
    return label, score, random.integers(patients, size=images)


def curve(one: JudgedRows, prevalences=()) -> net_benefit.Curve:
    return list(net_benefit.curves(one, GRID, prevalences, 0.95))[-1]


def test_a_case_counted_by_hand():
    # Vickers's form: 1000 people, 80 true and 200 false positives at a threshold of 10 %.
    label = np.r_[np.ones(100), np.zeros(900)]
    score = np.r_[np.full(80, 0.3), np.full(20, 0.05), np.full(200, 0.3), np.full(700, 0.05)]
    found = curve(records(label, score))
    at = GRID.index(0.1)
    assert found.model[at][0] == pytest.approx(0.080 - 0.200 / 9)
    assert found.treat_all[at] == pytest.approx(0.1 - 0.9 / 9)
    assert found.over_all[at][0] == pytest.approx(0.080 - 0.200 / 9)
    assert (found.prevalence, found.given) == (pytest.approx(0.1), False)


@pytest.mark.parametrize("weighted", [False, True])
def test_values_by_confusion_matrices_with_scores_on_the_thresholds(weighted):
    label, score, patient = drawn()
    weight = np.random.default_rng(1).uniform(0.2, 1, len(label)) if weighted else None
    found = curve(records(label, score, patient, weight))
    share = np.average(label, weights=weight)
    for place, threshold in enumerate(GRID):
        counts = sk.confusion_matrix(label, score >= threshold, sample_weight=weight)
        (_, false), (_, true) = counts / counts.sum()
        odds = threshold / (1 - threshold)
        assert found.model[place][0] == pytest.approx(true - false * odds)
        assert found.treat_all[place] == pytest.approx(share - (1 - share) * odds)
        assert found.over_all[place][0] == pytest.approx(
            found.model[place][0] - found.treat_all[place]
        )


def test_at_a_given_prevalence_the_two_rates_are_weighed():
    label, score, patient = drawn()
    found = curve(records(label, score, patient), [0.02])
    assert (found.prevalence, found.given) == (0.02, True)
    for place, threshold in enumerate(GRID):
        sensitivity = (score >= threshold)[label == 1].mean()
        false = (score >= threshold)[label == 0].mean()
        odds = threshold / (1 - threshold)
        assert found.model[place][0] == pytest.approx(0.02 * sensitivity - 0.98 * false * odds)


def test_with_one_image_a_patient_bounds_are_made_of_exact_ones():
    label, score, _ = drawn()
    found = curve(records(label, score), [0.2])
    place, odds = GRID.index(0.3), 3 / 7
    true, sick = int(((score >= 0.3) & (label == 1)).sum()), int(label.sum())
    false, well = int(((score >= 0.3) & (label == 0)).sum()), int((1 - label).sum())
    se = stats.binomtest(true, sick).proportion_ci()
    fp = stats.binomtest(false, well).proportion_ci()
    value = 0.2 * true / sick - 0.8 * odds * false / well
    down = np.hypot(0.2 * (true / sick - se.low), 0.8 * odds * (fp.high - false / well))
    up = np.hypot(0.2 * (se.high - true / sick), 0.8 * odds * (false / well - fp.low))
    # Positives and negatives are different patients, so that the two errors have no correlation.
    assert found.model[place] == pytest.approx((value, value - down, value + up), abs=1e-9)


def test_true_and_false_positives_of_one_sample_count_as_correlated():
    # No true positive is a false one: their numbers are multinomial.
    label, score, _ = drawn(images=20_000)
    found = curve(records(label, score))
    for threshold in (0.3, 0.5):
        odds, place = threshold / (1 - threshold), GRID.index(threshold)
        each = (score >= threshold) * np.where(label == 1, 1.0, -odds)
        error = each.std() / np.sqrt(len(each))
        low, high = stats.norm(each.mean(), error).ppf([0.025, 0.975])
        assert found.model[place][1:] == pytest.approx((low, high), abs=0.05 * (high - low))


def test_repeating_every_image_changes_nothing():
    label, score, _ = drawn()
    three = np.tile(np.arange(300), 3)
    found = curve(records(label[three], score[three], three))
    expected = curve(records(label, score))
    assert np.allclose(found.model, expected.model)
    assert np.allclose(found.over_all, expected.over_all)


def test_no_interval_has_width_zero():
    perfect = curve(records(np.r_[np.ones(20), np.zeros(40)], np.r_[np.ones(20), np.zeros(40)]))
    for value, lower, upper in perfect.model:
        assert value == pytest.approx(1 / 3)
        assert lower < value < upper
    nobody = curve(records(np.r_[np.ones(20), np.zeros(40)], np.zeros(60)))
    assert all(lower < value == 0 < upper for value, lower, upper in nobody.model)


def test_one_patient_may_be_all_of_a_class():
    found = curve(
        records([1.0] * 3 + [0.0] * 20, [0.8] * 3 + [0.2] * 20, np.r_[[0] * 3, 1:21]), [0.1]
    )
    # Two patients are needed for an interval; the value is there.
    assert found.model[2][0] == pytest.approx(0.1)
    assert np.isnan(found.model[2][1])


def test_targets_without_a_class_or_with_nan_have_no_curve():
    label = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 1.0], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    score = np.full((4, 3), 0.5)
    score[0, 2] = np.nan
    found = list(net_benefit.curves(records(label, score), GRID, [], 0.95))
    assert [one.target for one in found] == ["a"]
    unknown = np.ones((4, 3))
    unknown[0, 2] = 0  # the label of the NaN is not known, and the NaN not part of the curve
    found = net_benefit.curves(
        dataclasses.replace(records(label, score), weight=unknown), GRID, [], 0.95
    )
    assert [one.target for one in found] == ["a", "c"]
