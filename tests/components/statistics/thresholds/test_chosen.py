"""Thresholds chosen on some patients: by brute force, with ties, NaN and too few patients."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from components.statistics.judged_rows import JudgedRows
from components.statistics.thresholds import chosen
from components.statistics.thresholds.chosen import Threshold
from trainer_modules.settings import OperatingPointSettings

AT_90 = {
    name: OperatingPointSettings(rule=name, at_least=0.9) for name in ("sensitivity", "specificity")
}


def records(label, score, patient=None, weight=None) -> JudgedRows:
    label, score = np.atleast_2d(np.asarray(label, float).T).T, np.atleast_2d(np.asarray(score).T).T
    patient = np.arange(len(label)) if patient is None else patient
    weight = np.ones_like(label) if weight is None else weight
    targets = tuple("ab"[: label.shape[1]])
    return JudgedRows(
        targets, False, patient, int(patient.max()) + 1, label, weight, score, np.zeros_like(label)
    )


def drawn(number=200, seed=0):
    random = np.random.default_rng(seed)
    label = (random.random(number) < 0.4).astype(float)
    # Few distinct scores: most are tied.
    score = np.round(np.clip(0.3 + 0.3 * label + 0.2 * random.normal(size=number), 0, 1), 1)
    return label, score


@pytest.mark.parametrize("rule", ["sensitivity", "specificity"])
@pytest.mark.parametrize("seed", range(5))
def test_the_best_of_all_cuts_that_reach_it(rule, seed):
    label, score = drawn(seed=seed)
    cuts = [*np.unique(score), 2.0]
    rates = [
        (sk.recall_score(label, score >= cut), sk.recall_score(1 - label, score < cut))
        for cut in cuts
    ]
    own, other = (0, 1) if rule == "sensitivity" else (1, 0)
    best = max((one for one in rates if one[own] >= 0.9), key=lambda one: one[other])
    found = chosen.choose(records(label, score), AT_90[rule], 10, 0.95)["a"]
    assert (found.sensitivity.value, found.specificity.value) == pytest.approx(best)
    # Between two scores, so that no tied images are parted.
    assert found.value not in score
    assert found.patients == int((label == (1 if rule == "sensitivity" else 0)).sum())
    exact = stats.binomtest(round(best[own] * found.patients), found.patients).proportion_ci()
    interval = getattr(found, rule)
    assert (interval.lower, interval.upper) == pytest.approx((exact.low, exact.high), abs=1e-9)


def test_unknown_labels_and_scores_that_are_no_numbers_choose_nothing():
    label, score = drawn()
    expected = chosen.choose(records(label, score), AT_90["sensitivity"], 10, 0.95)["a"]
    more = np.r_[np.ones(30), np.zeros(30)]
    label, score = np.r_[label, more], np.r_[score, np.full(30, np.nan), np.full(30, 0.95)]
    weight = np.r_[np.ones(230), np.zeros(30)][:, None]
    found = chosen.choose(records(label, score, weight=weight), AT_90["sensitivity"], 10, 0.95)["a"]
    assert found == expected


def test_patients_are_counted_not_images():
    label, score = drawn()
    few = chosen.choose(records(label, score, np.arange(200) % 9), AT_90["sensitivity"], 10, 0.95)[
        "a"
    ]
    assert (few.defined, few.patients) == (False, 9)
    enough = chosen.choose(
        records(label, score, np.arange(200) % 10), AT_90["sensitivity"], 10, 0.95
    )["a"]
    assert (enough.defined, enough.patients) == (True, 10)


@pytest.mark.parametrize("only", [0.0, 1.0])
def test_one_class_chooses_nothing(only):
    found = chosen.choose(
        records(np.full(50, only), np.linspace(0, 1, 50)), AT_90["sensitivity"], 10, 0.95
    )["a"]
    assert not found.defined


def test_of_several_targets_each_has_its_own_and_ties_go_to_the_positives():
    both = records(np.tile([[0.0, 1.0], [1.0, 0.0]], (20, 1)), np.tile([[0.2, 0.9]], (40, 1)))
    cuts = {"a": Threshold(0.2, 20), "b": Threshold(0.95, 20)}
    decided = chosen.at(both, cuts)
    assert decided.decision[:, 0].tolist() == [1.0] * 40
    assert decided.decision[:, 1].tolist() == [0.0] * 40
    broken = chosen.at(records([0.0, 1.0], [np.nan, 0.5]), {"a": Threshold(0.5, 20)})
    assert np.isnan(broken.decision[0, 0])
    assert broken.decision[1, 0] == 1
