"""What is drawn is what is assumed."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from components.model_gate.planning.truths import REST, Size, Truth, draw, skewed

TRUTH = Truth(auc=0.85, sensitivity=0.9, specificity=0.7, prevalence=0.25)
MANY = Size(10_000, 30_000)


def drawn(size=MANY, **changed):
    return draw(dataclasses.replace(TRUTH, **changed), size, np.random.default_rng(0))


def auc(rows) -> float:
    return roc_auc_score(rows.label[:, 0], rows.score[:, 0])


def test_the_model_is_as_good_as_assumed():
    rows = drawn().model
    label, decision = rows.label[:, 0], rows.decision[:, 0]
    assert auc(rows) == pytest.approx(0.85, abs=0.01)
    assert decision[label == 1].mean() == pytest.approx(0.9, abs=0.01)
    assert (1 - decision[label == 0]).mean() == pytest.approx(0.7, abs=0.01)
    # Calibrated: among scores near p, a share of p is positive.
    score = rows.score[:, 0]
    for low in (0.05, 0.2, 0.4, 0.7):
        near = (score > low) & (score < low + 0.1)
        assert label[near].mean() == pytest.approx(score[near].mean(), abs=0.03)


def test_as_many_patients_of_each_class_as_asked_for():
    rows = drawn(Size(7, 12), images=(1, 2, 5), positive_images=0.3).model
    has = np.bincount(rows.patient, rows.label[:, 0]) > 0
    assert (rows.patients, has.sum()) == (19, 7)


def test_some_images_of_a_patient_with_the_finding_do_not_show_it():
    rows = drawn(Size(4000, 10), images=(5,), positive_images=0.25).model
    # The first always does, the four others by chance.
    assert rows.label[rows.patient < 4000].mean() == pytest.approx((1 + 4 * 0.25) / 5, abs=0.01)


def test_images_of_a_patient_are_alike():
    rows = drawn(Size(5000, 5000), images=(2,), correlation=0.6).model
    log_odds = np.log(rows.score[:, 0] / (1 - rows.score[:, 0])).reshape(-1, 2)
    for part in (log_odds[:5000], log_odds[5000:]):
        assert np.corrcoef(part.T)[0, 1] == pytest.approx(0.6, abs=0.03)


def test_the_baseline_shares_the_noise():
    found = drawn(baseline_auc=0.8, shared=0.7)
    assert auc(found.model) == pytest.approx(0.85, abs=0.01)
    assert auc(found.other) == pytest.approx(0.8, abs=0.01)
    assert (found.model.label == found.other.label).all()
    negative = found.model.label[:, 0] == 0
    log_odds = [
        np.log(one.score[negative, 0] / (1 - one.score[negative, 0]))
        for one in (found.model, found.other)
    ]
    assert np.corrcoef(log_odds)[0, 1] == pytest.approx(0.7, abs=0.02)


def test_groups_have_their_shares():
    groups = drawn(groups={"sex": {"F": 0.3, "M": 0.7}, "site": {"a": 0.1}}).groups
    assert (groups["sex"] == "F").mean() == pytest.approx(0.3, abs=0.01)
    assert set(groups["site"]) == {"a", REST}
    assert (groups["site"] == "a").mean() == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("mean", [1, 1.5, 4, 30])
def test_images_per_patient_have_the_mean_and_are_skewed(mean):
    images = skewed(mean)
    assert np.mean(images) == pytest.approx(mean, rel=0.01)
    assert min(images) >= 1
    if mean > 1:
        assert np.median(images) < mean < max(images)


@pytest.mark.parametrize("prevalence", [0.5, 0.35, 0.01, 0.001, 0.999])
def test_the_fewest_patients_have_enough_of_each_class(prevalence):
    truth = dataclasses.replace(TRUTH, prevalence=prevalence)
    least = truth.least(10, 2)
    assert min(truth.size(least)) == 10
    assert min(truth.size(least - 1)) < 10
    assert truth.least(10, least + 50) == least + 50


@pytest.mark.parametrize(
    ("images", "correlation", "worth"),
    [((1,), 0.3, 1), ((4,), 1, 1), ((4,), 0, 4), ((4,), 0.5, 1.6), ((1, 3), 1, 0.8)],
)
def test_what_a_patient_is_worth(images, correlation, worth):
    truth = dataclasses.replace(TRUTH, images=images, correlation=correlation)
    assert truth.effective == pytest.approx(worth)


@pytest.mark.parametrize("auc_", [0.0, 0.5, 1.0])
def test_extremes_are_drawn(auc_):
    rows = drawn(Size(20, 20), auc=auc_, sensitivity=1.0).model
    assert np.isfinite(rows.score).all()
    assert rows.decision[rows.label == 1].all()


def test_metrics_of_the_truth():
    """By Bayes: of 1000 images 250 show it, 225 are found, and 225 others are called positive."""
    metrics = TRUTH.metrics
    assert metrics["ppv"] == pytest.approx(0.5)
    assert metrics["npv"] == pytest.approx(525 / 550)
    assert metrics["auc_by_patient"] == 0.85
