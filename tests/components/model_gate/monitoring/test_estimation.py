"""Performance without labels, where the truth is known: by enumeration and on simulated labels."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import special
from sklearn.metrics import roc_auc_score

from components.model_gate.monitoring.estimation import estimated, misfits
from components.model_gate.reference.build import of_table
from schemas.documents.reference import (
    CalibrationBin,
    CalibrationMap,
    DomainReference,
    Histogram,
    TargetReference,
)
from trainer_modules.settings import TaskSettings

TASK = TaskSettings(kind="binary", labels=("edema",))


def reference(intercept=0.0, slope=1.0, error=0.0, bins=()) -> DomainReference:
    """Scores mean what the two parameters say, known to a standard error each."""
    meaning = CalibrationMap(
        intercept=intercept,
        slope=slope,
        covariance=((error**2, 0.0), (0.0, error**2)),
        degrees=1000,
    )
    target = TargetReference(
        scores=Histogram(edges=(0.5,), patients=(50, 50)),
        threshold=0.5,
        positive_rate=0.4,
        calibration=bins,
        map=meaning,
    )
    return DomainReference(patients=100, images=100, targets={"edema": target}, statistics={})


def table(scores: np.ndarray, patient: np.ndarray, threshold: float = 0.5) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "patient_id": patient.astype(str),
            "prediction/edema": scores,
            "decision/edema": (scores >= threshold).astype(float),
        }
    )


def by_metric(*arguments, decided=True, drifted=False) -> dict:
    found = estimated(*arguments, decided=decided, drifted=drifted)
    return {one.metric: one for one in found}


def test_estimates_are_expectations_over_all_possible_labels():
    """Twelve patients; ratios of expectations, by sums over images and over pairs of them."""
    random = np.random.default_rng(0)
    scores = np.round(random.random(12), 1).clip(0.05, 0.95)
    found = by_metric(table(scores, np.arange(12)), reference(0.3, 0.8), {})
    chance = special.expit(0.3 + 0.8 * special.logit(scores))
    called = scores >= 0.5
    assert found["positive_rate"].value == pytest.approx(chance.mean())
    assert found["sensitivity"].value == pytest.approx(chance[called].sum() / chance.sum())
    absent = 1 - chance
    assert found["specificity"].value == pytest.approx(absent[~called].sum() / absent.sum())
    assert found["ppv"].value == pytest.approx(chance[called].mean())
    assert found["npv"].value == pytest.approx(absent[~called].mean())
    won = total = 0.0
    for one, other in itertools.permutations(range(12), 2):
        weight = chance[one] * absent[other]
        total += weight
        won += weight * ((scores[one] > scores[other]) + 0.5 * (scores[one] == scores[other]))
    assert found["auc"].value == pytest.approx(won / total)


def test_on_many_calibrated_images_estimates_are_the_measured_values():
    random = np.random.default_rng(1)
    scores = special.expit(random.normal(-0.5, 1.5, 40_000))
    label = random.random(40_000) < scores
    found = by_metric(table(scores, np.arange(40_000) // 2), reference(), {})
    called = scores >= 0.5
    assert found["auc"].value == pytest.approx(roc_auc_score(label, scores), abs=0.006)
    assert found["sensitivity"].value == pytest.approx(called[label].mean(), abs=0.01)
    assert found["specificity"].value == pytest.approx((~called)[~label].mean(), abs=0.01)
    assert found["ppv"].value == pytest.approx(label[called].mean(), abs=0.015)


def test_patients_and_the_meaning_of_scores_both_widen_intervals():
    random = np.random.default_rng(2)
    scores = special.expit(random.normal(size=60))
    images = by_metric(table(scores, np.arange(60)), reference(), {})
    patients = by_metric(table(np.repeat(scores, 3), np.repeat(np.arange(60), 3)), reference(), {})
    unsure = by_metric(table(scores, np.arange(60)), reference(error=0.5), {})
    for metric in ("positive_rate", "sensitivity", "specificity"):
        one, other, wide = images[metric], patients[metric], unsure[metric]
        # Three equal images of a patient say what one says.
        assert other.value == pytest.approx(one.value)
        assert (other.lower, other.upper) == pytest.approx((one.lower, one.upper), abs=0.01)
        assert wide.upper - wide.lower > 1.2 * (one.upper - one.lower)


def test_interval_of_the_positive_rate_is_the_normal_one():
    """The mean of the chances of independent patients: mean and standard error by hand."""
    random = np.random.default_rng(3)
    scores = special.expit(random.normal(size=400))
    found = by_metric(table(scores, np.arange(400)), reference(), {})["positive_rate"]
    half = 1.966 * scores.std(ddof=1) / 20
    assert (found.lower, found.upper) == pytest.approx(
        (scores.mean() - half, scores.mean() + half), abs=1e-3
    )


def test_without_decisions_or_meaning_less_is_estimated():
    scores = special.expit(np.random.default_rng(4).normal(size=40))
    made = table(scores, np.arange(40))
    assert set(by_metric(made, reference(), {}, decided=False)) == {"positive_rate", "auc"}
    known = reference()
    target = known.targets["edema"].model_copy(update={"map": None})
    assert by_metric(made, known.model_copy(update={"targets": {"edema": target}}), {}) == {}
    assert by_metric(table(scores[:9], np.arange(9)), reference(), {}) == {}
    broken = made.assign(**{"prediction/edema": np.where(np.arange(40) == 3, np.nan, scores)})
    assert by_metric(broken, reference(), {}) == {}


def test_every_estimate_says_what_it_assumes():
    scores = special.expit(np.random.default_rng(5).normal(size=40))
    made = table(scores, np.arange(40))
    for one in by_metric(made, reference(), {"auc": 0.9}).values():
        assert "calibration holds" in one.assumes
        assert not one.doubtful
    found = by_metric(made, reference(), {"auc": 0.9}, drifted=True)
    assert all(one.doubtful and "doubtful" in one.assumes for one in found.values())
    assert (found["auc"].reference, found["positive_rate"].reference) == (0.9, 0.4)
    assert found["ppv"].reference is None


def test_a_meaning_that_the_blessed_labels_contradict_is_told():
    fits = CalibrationBin(score=0.5, positive_rate=0.55, patients=100)
    off = CalibrationBin(score=0.5, positive_rate=0.7, patients=100)
    assert list(misfits(reference(bins=(fits,)))) == []
    # 0.7 is four standard errors of 0.05 from 0.5.
    (said,) = misfits(reference(bins=(fits, off)))
    assert "70% were positive, where 50% fit" in said


@pytest.mark.slow
def test_intervals_hold_the_truth_of_calibrated_models():
    """95 % promised; 200 samples, in each of which the meaning of scores is learned anew."""
    truth = {"auc": 0.0, "sensitivity": 0.0, "positive_rate": 0.0}
    scores, label, _ = _drawn(np.random.default_rng(6), 200_000, 1)
    truth["auc"] = roc_auc_score(label, scores)
    truth["sensitivity"] = (scores >= 0.5)[label].mean()
    truth["positive_rate"] = label.mean()
    held = dict.fromkeys(truth, 0)
    random = np.random.default_rng(7)
    for _ in range(200):
        scores, label, patient = _drawn(random, 200, 2)
        blessed = table(scores, patient).assign(
            **{
                "image/id": np.arange(400).astype(str),
                "domain": "in_distribution",
                "label/edema": label.astype(float),
                "label/edema/weight": 1.0,
            }
        )
        known = of_table(blessed, TASK, {"edema": 0.5})["in_distribution"]
        scores, _, patient = _drawn(random, 150, 2)
        found = by_metric(table(scores, patient), known, {})
        for metric, value in truth.items():
            held[metric] += found[metric].lower <= value <= found[metric].upper
    # Three standard deviations below 95 %.
    assert all(number / 200 >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 200) for number in held.values())


def _drawn(random, patients: int, images: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of patients whose images are alike, and labels that the scores promise."""
    patient = np.repeat(np.arange(patients), images)
    own = random.normal(size=patients)[patient] + 0.5 * random.normal(size=len(patient))
    scores = special.expit(1.5 * own - 0.7)
    return scores, random.random(len(patient)) < scores, patient
