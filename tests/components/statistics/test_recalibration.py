"""Calibration by patient: against scikit-learn, refits, the definition, and known truths."""

import numpy as np
import pytest
from scipy import special, stats
from sklearn.linear_model import LogisticRegression

from components.statistics import recalibration
from components.statistics.judged_rows import JudgedRows


def records_of(label, score, patient, weight=None) -> JudgedRows:
    names, number = np.unique(patient, return_inverse=True)
    weight = np.ones(len(label)) if weight is None else weight
    columns = [np.asarray(one, float)[:, None] for one in (label, weight, score, score)]
    return JudgedRows(("t",), False, number, len(names), *columns)


def calibrated(patients: int, seed: int = 0, images: int = 3) -> JudgedRows:
    """The label is drawn with the probability that the score says."""
    random = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), images)
    log_odds = 1.5 * random.normal(size=patients)[patient] - 0.5
    log_odds = log_odds + 0.5 * random.normal(size=len(patient))
    label = random.random(len(patient)) < special.expit(log_odds)
    return records_of(label, special.expit(log_odds), patient)


def rescaled(records: JudgedRows, factor: float, shift: float = 0.0) -> JudgedRows:
    score = special.expit(factor * special.logit(records.score[:, 0]) + shift)
    return records_of(records.label[:, 0], score, records.patient, records.weight[:, 0])


def test_slope_is_that_of_logistic_regression():
    records = rescaled(calibrated(60).by_patient(), 1.7, 0.4)
    log_odds = special.logit(records.score)
    fit = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(
        log_odds, records.label[:, 0], sample_weight=records.weight[:, 0]
    )
    slope, _ = recalibration.slope_and_intercept(records)
    assert slope.value == pytest.approx(fit.coef_[0, 0], rel=1e-4)


def test_intercept_makes_the_mean_probability_that_of_the_label():
    records = rescaled(calibrated(60), 1.0, 0.8)
    _, intercept = recalibration.slope_and_intercept(records)
    moved = special.expit(special.logit(records.score) + intercept.value)
    assert moved.mean() == pytest.approx(records.label.mean(), abs=1e-9)


def test_without_a_patient_is_close_to_a_refit():
    records = calibrated(40)
    for found in recalibration.slope_and_intercept(records):
        assert found.left_out.mean() == pytest.approx(found.value, abs=0.02)
    slope, intercept = recalibration.slope_and_intercept(records)
    for patient in range(0, 40, 5):
        kept = records.patient != patient
        rest = records_of(records.label[kept, 0], records.score[kept, 0], records.patient[kept])
        again = recalibration.slope_and_intercept(rest)
        assert slope.left_out[patient] == pytest.approx(again[0].value, abs=0.01)
        assert intercept.left_out[patient] == pytest.approx(again[1].value, abs=0.01)


@pytest.mark.parametrize(("factor", "shift"), [(1.0, 0.0), (2.0, 0.0), (0.5, 1.0)])
def test_many_patients_show_the_truth(factor, shift):
    records = rescaled(calibrated(4000), factor, shift)
    freedom = recalibration.degrees(records)
    slope, intercept = recalibration.slope_and_intercept(records)
    lower, upper = slope.bounds(freedom, 0.99)
    assert lower < 1 / factor < upper
    assert upper - lower < 0.2 / factor
    lower, upper = intercept.bounds(freedom, 0.99)
    if factor == 1:
        assert lower < -shift < upper


def test_separated_classes_have_no_slope_and_one_class_no_calibration():
    patient = np.arange(40)
    label = patient < 15
    slope, intercept = recalibration.slope_and_intercept(
        records_of(label, np.where(label, 0.8, 0.3), patient)
    )
    assert np.isnan(slope.value)
    assert np.isnan(slope.bounds(14, 0.95)).all()
    assert np.isfinite(intercept.value)
    one_class = records_of(np.ones(40), np.linspace(0.1, 0.9, 40), patient)
    assert recalibration.degrees(one_class) <= 0
    assert np.isnan(recalibration.error_bounds(one_class, -1.0, 0.95, 200)).all()


def by_definition(label, score) -> float:
    """Kumar et al. 2019, one record a patient: squared gaps less their variance, equal bins."""
    order = np.argsort(score)
    total = 0.0
    for rows in np.array_split(order, recalibration.BINS):
        gap = label[rows] - score[rows]
        total += (gap.mean() ** 2 - gap.var(ddof=1) / len(rows)) * len(rows) / len(label)
    return np.sqrt(max(0.0, total))


def test_error_is_the_debiased_one():
    random = np.random.default_rng(3)
    score = random.random(2000)
    label = (random.random(2000) < score**1.5).astype(float)
    records = records_of(label, score, np.arange(2000))
    value, lower, upper = recalibration.error_bounds(records, 1000, 0.95, 2000)
    assert value == pytest.approx(by_definition(label, score), abs=0.003)
    # The mean over [0, 1] of the squared difference, by integral: 1/3 - 4/7 + 1/4.
    assert lower < np.sqrt(1 / 3 - 4 / 7 + 1 / 4) < upper


def test_error_of_a_calibrated_model_of_few_patients_is_compatible_with_0():
    """Of 15 plain bins it would exceed 0.15 in most samples of 30 patients (SYNTHETIC)."""
    compatible = small = 0
    for seed in range(100):
        records = calibrated(30, seed).by_patient()
        freedom = recalibration.degrees(records)
        value, lower, upper = recalibration.error_bounds(records, freedom, 0.95, 500)
        assert lower <= value <= upper
        compatible += lower == 0
        small += value < 0.15
    assert compatible >= 95
    assert small >= 95


def test_a_constant_at_the_prevalence_is_calibrated_and_one_beside_it_is_not():
    label = np.arange(400) % 4 == 0
    patient = np.arange(400)
    value, lower, _ = recalibration.error_bounds(
        records_of(label, np.full(400, 0.25), patient), 99, 0.95, 500
    )
    assert (value, lower) == (0, 0)
    value, lower, upper = recalibration.error_bounds(
        records_of(label, np.full(400, 0.45), patient), 99, 0.95, 500
    )
    assert value == pytest.approx(0.2, abs=0.01)
    assert 0.13 < lower < upper < 0.27


def test_the_same_records_give_the_same_bounds():
    records = calibrated(30)
    first, again = (recalibration.error_bounds(records, 10, 0.95, 300) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("patients", [20, 200])
def test_scores_that_are_the_labels_leave_open_what_no_patient_shows(patients):
    label = np.arange(patients) % 2.0
    records = records_of(label, label, np.arange(patients))
    value, lower, upper = recalibration.error_bounds(records, patients / 2 - 1, 0.95, 300)
    assert (value, lower) == (0, 0)
    # None of n patients of a kind: its share is below what Clopper and Pearson's bound for 0 of n
    # is, and their error at most 1.
    most = stats.binomtest(0, patients // 2).proportion_ci(0.95, method="exact").high
    assert upper == pytest.approx(np.sqrt(most), rel=1e-9)
