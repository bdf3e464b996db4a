"""Every metric of a set of records: values by scikit-learn, bounds by SciPy, sizes by counting."""

import dataclasses

import numpy as np
import pytest
from scipy import special, stats
from sklearn import linear_model
from sklearn import metrics as sk

from components.statistics import clustered_metrics, recalibration
from components.statistics.clustered_auc import ClusteredAuc
from components.statistics.clustered_metrics import Precision
from components.statistics.judged_rows import JudgedRows
from trainer_modules.decisions import one_class

PRECISION = Precision(confidence=0.9, draws=200)
RATES = ("sensitivity", "specificity", "ppv", "npv")
BY_PATIENT = ("auc", "sensitivity", "specificity", "balanced_accuracy")


def records_of(label, score, patient, weight=None, exclusive=False) -> JudgedRows:
    """Records of as many targets as there are columns; decisions are scores above a half."""
    label, score = np.asarray(label, float), np.asarray(score, float)
    weight = np.ones_like(label) if weight is None else np.asarray(weight, float)
    names, number = np.unique(patient, return_inverse=True)
    targets = tuple("abc"[: label.shape[1]])
    decision = one_class.decide(score) if exclusive else (score > 0.5).astype(float)
    return JudgedRows(targets, exclusive, number, len(names), label, weight, score, decision)


def drawn(targets=1, images=200, patients=60, seed=0):
    """Labels, scores and patients; images of a patient are alike, some labels are unknown."""
    random = np.random.default_rng(seed)
    patient = random.integers(patients, size=images)
    label = (random.random((images, targets)) < 0.4).astype(float)
    noise = random.normal(size=(patients, targets))[patient] + random.normal(size=label.shape)
    weight = (random.random(label.shape) < 0.8).astype(float)
    return label, special.expit(2 * label - 1 + noise), patient, weight


@pytest.fixture(scope="module")
def single() -> JudgedRows:
    """One target, all labels known, several images of most patients."""
    label, score, patient, _ = drawn()
    return records_of(label, score, patient)


@pytest.fixture(scope="module")
def found(single):
    return clustered_metrics.intervals(single, PRECISION)


@pytest.fixture(scope="module")
def alone() -> JudgedRows:
    """One image a patient: what is known of independent images holds exactly."""
    label, score, _, _ = drawn(images=90, seed=4)
    return records_of(label, score, np.arange(90))


def ratios(label, decision) -> dict[str, float]:
    return {
        "sensitivity": sk.recall_score(label, decision),
        "specificity": sk.recall_score(label, decision, pos_label=0),
        "ppv": sk.precision_score(label, decision),
        "npv": sk.precision_score(label, decision, pos_label=0),
    }


def test_values_are_those_of_scikit_learn(single, found):
    label, score, decision = single.label[:, 0], single.score[:, 0], single.decision[:, 0]
    expected = ratios(label, decision) | {
        "auc": sk.roc_auc_score(label, score),
        "brier": sk.brier_score_loss(label, score),
        "balanced_accuracy": sk.balanced_accuracy_score(label, decision),
    }
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value), name
        assert found[name].lower < value < found[name].upper, name
    assert set(found) == {
        *expected,
        *(f"{name}_by_patient" for name in BY_PATIENT),
        *(f"calibration_{name}" for name in ("slope", "intercept", "error")),
    }


def test_by_patient_every_patient_counts_once(single, found):
    label, score, decision = single.label[:, 0], single.score[:, 0], single.decision[:, 0]
    for name, wanted in (("sensitivity", 1), ("specificity", 0)):
        kept = label == wanted
        own = [
            np.mean(decision[kept & (single.patient == one)] == wanted)
            for one in np.unique(single.patient[kept])
        ]
        assert found[f"{name}_by_patient"].value == pytest.approx(np.mean(own)), name
    both = (found["sensitivity_by_patient"].value + found["specificity_by_patient"].value) / 2
    assert found["balanced_accuracy_by_patient"].value == pytest.approx(both)
    equal = 1 / np.bincount(single.patient)[single.patient]
    expected = sk.roc_auc_score(label, score, sample_weight=equal)
    assert found["auc_by_patient"].value == pytest.approx(expected)
    regression = linear_model.LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    regression.fit(special.logit(score)[:, None], label, sample_weight=equal)
    expected = regression.coef_[0, 0]
    assert found["calibration_slope"].value == pytest.approx(expected, rel=1e-4)


def test_sizes_are_those_of_the_records_that_count(single, found):
    label, decision = single.label[:, 0], single.decision[:, 0]

    def patients(chosen):
        return len(np.unique(single.patient[chosen]))

    both = {"positive": patients(label == 1), "negative": patients(label == 0)}
    for name, by_class in {
        "sensitivity": {"positive": both["positive"]},
        "sensitivity_by_patient": {"positive": both["positive"]},
        "specificity": {"negative": both["negative"]},
        "specificity_by_patient": {"negative": both["negative"]},
        "ppv": {"called positive": patients(decision == 1)},
        "npv": {"called negative": patients(decision == 0)},
        "auc": both,
        "auc_by_patient": both,
        "balanced_accuracy": both,
        "brier": both,
        "calibration_slope": both,
        "calibration_error": both,
    }.items():
        assert found[name].by_class == by_class, name
        assert (found[name].patients, found[name].examples) == (single.patients, 200), name
        assert 1 < found[name].effective <= 200, name


def test_rates_of_single_images_have_the_exact_interval(alone):
    found = clustered_metrics.intervals(alone, PRECISION)
    label, decision = alone.label[:, 0], alone.decision[:, 0]
    for name, hits in {
        "sensitivity": decision[label == 1],
        "specificity": 1 - decision[label == 0],
        "ppv": label[decision == 1],
        "npv": 1 - label[decision == 0],
    }.items():
        expected = stats.binomtest(int(hits.sum()), len(hits)).proportion_ci(0.9, "exact")
        assert (found[name].lower, found[name].upper) == pytest.approx(tuple(expected)), name
        assert found[name].effective == pytest.approx(len(hits)), name
    # The mean of two independent rates: as if all were of as many as 4 / (1 / n + 1 / m).
    rate = (found["sensitivity"].value + found["specificity"].value) / 2
    parts = [found[name].effective for name in ("sensitivity", "specificity")]
    number = 4 / sum(1 / one for one in parts)
    assert found["balanced_accuracy"].effective <= number + 1e-9
    half = found["balanced_accuracy"].upper - found["balanced_accuracy"].lower
    bounds = stats.beta.ppf(
        [0.05, 0.95],
        [rate * number, rate * number + 1],
        [(1 - rate) * number + 1, (1 - rate) * number],
    )
    assert half == pytest.approx(np.diff(bounds)[0], rel=0.15)


def test_brier_score_of_single_images_by_the_jackknife_on_its_log_odds(alone):
    found = clustered_metrics.intervals(alone, PRECISION)["brier"]
    squared = (alone.score[:, 0] - alone.label[:, 0]) ** 2
    log_odds = special.logit((squared.sum() - squared) / 89)
    center = 90 * special.logit(squared.mean()) - 89 * log_odds.mean()
    error = np.sqrt(89 / 90 * ((log_odds - log_odds.mean()) ** 2).sum())
    positives = int(alone.label.sum())
    freedom = min(positives, 90 - positives) - 1
    assert found.effective == pytest.approx(freedom + 1)
    half = stats.t.ppf(0.95, freedom) * error
    expected = special.expit([center - half, center + half])
    assert (found.lower, found.upper) == pytest.approx(tuple(expected))


def test_calibration_is_by_patient(single, found):
    equal = single.by_patient()
    freedom = recalibration.degrees(equal)
    slope, intercept = recalibration.slope_and_intercept(equal)
    for name, one in (("slope", slope), ("intercept", intercept)):
        interval = found[f"calibration_{name}"]
        expected = (one.value, *one.bounds(freedom, 0.9))
        assert (interval.value, interval.lower, interval.upper) == pytest.approx(expected), name
        assert interval.effective == pytest.approx(freedom + 1)
    interval = found["calibration_error"]
    expected = recalibration.error_bounds(equal, freedom, 0.9, 200)
    assert (interval.value, interval.lower, interval.upper) == pytest.approx(expected)


def test_of_several_targets_each_is_judged_as_if_alone_and_their_mean_too():
    label, score, patient, weight = drawn(targets=2)
    weight[patient < 5, 1] = 0  # whose labels of the second are all unknown
    found = clustered_metrics.intervals(records_of(label, score, patient, weight), PRECISION)
    names = {name for name in found if "/" not in name}
    assert set(found) == names | {f"{name}/{target}" for name in names for target in "ab"}
    for index, target in enumerate("ab"):
        known = weight[:, index] > 0
        columns = [one[known][:, [index]] for one in (label, score)]
        own = clustered_metrics.intervals(records_of(*columns, patient[known]), PRECISION)
        for name, expected in own.items():
            one = found[f"{name}/{target}"]
            assert (one.patients, one.examples) == (expected.patients, expected.examples), name
            assert one.by_class == expected.by_class, name
            assert [one.value, one.lower, one.upper, one.effective] == pytest.approx(
                [expected.value, expected.lower, expected.upper, expected.effective], nan_ok=True
            ), name
    for name in ("auc", "brier", *RATES, "balanced_accuracy", "calibration_slope"):
        mean = (found[f"{name}/a"].value + found[f"{name}/b"].value) / 2
        assert found[name].value == pytest.approx(mean), name


def classes(images=120, patients=50):
    random = np.random.default_rng(8)
    truth, patient = random.integers(3, size=images), random.integers(patients, size=images)
    score = special.softmax(2 * np.eye(3)[truth] + random.normal(size=(images, 3)), axis=1)
    return truth, patient, score


def test_of_classes_that_exclude_each_other():
    truth, patient, score = classes()
    records = records_of(np.eye(3)[truth], score, patient, exclusive=True)
    found = clustered_metrics.intervals(records, PRECISION)
    best = score.argmax(axis=1)
    accuracy = found["accuracy"]
    assert accuracy.value == pytest.approx(sk.accuracy_score(truth, best))
    assert accuracy.lower < accuracy.value < accuracy.upper
    assert accuracy.by_class == {"labelled": records.patients}
    balanced = found["balanced_accuracy"]
    assert balanced.value == pytest.approx(sk.balanced_accuracy_score(truth, best))
    assert balanced.lower < balanced.value < balanced.upper
    assert found["sensitivity"].value == pytest.approx(balanced.value)
    together = patient * 3 + truth
    equal = 1 / np.bincount(together)[together]
    expected = sk.recall_score(truth, best, average="macro", sample_weight=equal)
    assert found["balanced_accuracy_by_patient"].value == pytest.approx(expected)
    for place, name in enumerate("abc"):
        one = (truth == place, best == place)
        for metric, value in ratios(*one).items():
            assert found[f"{metric}/{name}"].value == pytest.approx(value), (metric, name)
    assert "accuracy/a" not in found


def test_a_class_that_is_never_called_shows_in_its_own_figures():
    truth, patient, score = classes(images=300, patients=100)
    score[:, 1] = 0.0
    records = records_of(np.eye(3)[truth], score, patient, exclusive=True)
    found = clustered_metrics.intervals(records, PRECISION)
    never = found["sensitivity/b"]
    assert (never.value, never.lower) == (0, 0)
    assert 0 < never.upper < 0.1
    assert found["specificity/b"].value == 1
    assert found["ppv/b"].by_class == {"called positive": 0}
    assert np.isnan(found["ppv/b"].value)
    assert found["balanced_accuracy"].upper < 2 / 3 + 0.03


def test_an_accuracy_is_of_the_decisions():
    truth, patient, score = classes()
    records = records_of(np.eye(3)[truth], score, patient, exclusive=True)
    shifted = dataclasses.replace(records, decision=np.roll(records.decision, 1, axis=1))
    found = clustered_metrics.intervals(shifted, PRECISION)
    decided = (score.argmax(axis=1) + 1) % 3
    assert found["accuracy"].value == pytest.approx(sk.accuracy_score(truth, decided))
    matrix = sk.confusion_matrix(truth, decided)
    recall = np.diag(matrix) / matrix.sum(axis=1)
    assert found["balanced_accuracy"].value == pytest.approx(recall.mean())
    # No class, or two, is never right.
    for decision in (np.zeros_like(records.label), np.ones_like(records.label)):
        none = dataclasses.replace(records, decision=decision)
        assert clustered_metrics.intervals(none, PRECISION)["accuracy"].value == 0


def test_an_accuracy_is_exact_for_single_images_and_never_right_on_nan():
    truth, _, score = classes(images=50)
    broken = score.copy()
    broken[truth == 1] = np.nan
    right = int(np.sum((score.argmax(axis=1) == truth) & (truth != 1)))
    records = records_of(np.eye(3)[truth], broken, np.arange(50), exclusive=True)
    found = clustered_metrics.intervals(records, PRECISION)["accuracy"]
    expected = stats.binomtest(right, 50).proportion_ci(0.9, "exact")
    assert found.value == right / 50
    assert (found.lower, found.upper) == pytest.approx(tuple(expected))


def test_unknown_labels_count_nowhere():
    label, score, patient, weight = drawn()
    kept = weight[:, 0] > 0
    spoiled = np.where(weight > 0, label, 1 - label)
    whole = records_of(spoiled, score, patient, weight)
    part = records_of(label[kept], score[kept], patient[kept])
    found, expected = (clustered_metrics.intervals(one, PRECISION) for one in (whole, part))
    for name in ("auc", "brier", *RATES, "sensitivity_by_patient", "balanced_accuracy"):
        assert found[name].value == pytest.approx(expected[name].value), name


def test_one_class_alone_has_no_interval_of_the_other(alone):
    positives = dataclasses.replace(alone, label=np.ones_like(alone.label))
    found = clustered_metrics.intervals(positives, PRECISION)
    assert found["sensitivity"].judged
    for name in ("auc", "specificity", "brier", "balanced_accuracy", "calibration_slope"):
        assert np.isnan([found[name].lower, found[name].upper]).all(), name


def test_an_auc_at_hand_is_taken(single, found):
    auc = ClusteredAuc.of(single)
    for given in (None, auc):
        both = clustered_metrics.aucs(single, 0.9, given)
        assert set(both) == {"auc", "auc_by_patient"}
        for name, interval in both.items():
            assert (interval.lower, interval.upper) == pytest.approx(
                (found[name].lower, found[name].upper)
            )
    other = dataclasses.replace(auc, value=auc.value - 0.01)
    found = clustered_metrics.intervals(single, PRECISION, other)
    assert found["auc"].value == pytest.approx(auc.value - 0.01)
