"""Metrics under patient weights, against hand-computed values and scikit-learn."""

import itertools

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from components.statistics.judged_rows import JudgedRows
from components.statistics.target_auc import TargetAuc
from components.statistics.weighted_metrics import PatientMetrics


def table(patients, labels, scores, decisions=None, weights=None, target="t") -> pd.DataFrame:
    size = len(labels)
    return pd.DataFrame(
        {
            "patient_id": patients,
            f"label/{target}": labels,
            f"label/{target}/weight": np.ones(size) if weights is None else weights,
            f"prediction/{target}": scores,
            f"decision/{target}": np.round(scores) if decisions is None else decisions,
        }
    )


def once(records: JudgedRows) -> dict[str, float]:
    values = PatientMetrics(records)(np.ones((records.patients, 1)))
    return {name: float(one[0]) for name, one in values.items()}


@pytest.mark.parametrize(
    ("labels", "scores", "auc"),
    [
        ([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], 0.75),
        ([0, 1], [0.5, 0.5], 0.5),
        # Pairs: (.5, .5) a half, (.5, .2) won, (.7, .5) won, (.7, .2) won: 3.5 of 4.
        ([0, 0, 1, 1], [0.5, 0.2, 0.5, 0.7], 0.875),
        ([1, 0], [0.1, 0.9], 0.0),
        ([1, 1], [0.1, 0.9], np.nan),
        ([0, 0], [0.1, 0.9], np.nan),
    ],
)
def test_auc_by_hand(labels, scores, auc):
    records = JudgedRows.from_table(table(list("abcd")[: len(labels)], labels, scores), ("t",))
    np.testing.assert_equal(once(records)["auc"], auc)


def test_counts_of_patients_weigh_their_records():
    """Patient a (0: .2, 1: .6) twice, b (0: .7) once, c (1: .1) never."""
    data = table(["a", "a", "b", "c"], [0, 1, 0, 1], [0.2, 0.6, 0.7, 0.1])
    records = JudgedRows.from_table(data, ("t",))
    draws = PatientMetrics(records)(np.array([[2.0], [1.0], [0.0]]))
    # Positives: .6 twice. Negatives: .2 twice, .7 once. Won: 2 * 2 of 2 * 3.
    assert draws["auc"][0] == pytest.approx(4 / 6)
    assert draws["sensitivity"][0] == 1
    assert draws["specificity"][0] == pytest.approx(2 / 3)
    assert draws["ppv"][0] == pytest.approx(2 / 3)
    assert draws["brier"][0] == pytest.approx((2 * 0.04 + 2 * 0.16 + 0.49) / 5)
    # Bins of .2, .6 and .7 hold one score each: |.2 - 0|, |.6 - 1|, |.7 - 0|.
    assert draws["ece"][0] == pytest.approx((2 * 0.2 + 2 * 0.4 + 0.7) / 5)


def test_against_scikit_learn_with_ties_and_masked_labels():
    random = np.random.default_rng(3)
    size, patients = 500, 120
    data = pd.DataFrame({"patient_id": [f"p{i}" for i in random.integers(patients, size=size)]})
    targets = ("first", "second")
    for target in targets:
        label = (random.random(size) < 0.3).astype(float)
        data[f"label/{target}"] = label
        data[f"label/{target}/weight"] = (random.random(size) < 0.7).astype(float)
        score = np.clip(label * 0.2 + random.random(size) * 0.8, 0, 1)
        data[f"prediction/{target}"] = np.round(score, 1)  # many ties
        data[f"decision/{target}"] = (score > 0.5).astype(float)
    records = JudgedRows.from_table(data, targets)
    counts = random.poisson(1.0, size=(records.patients, 7)).astype(float)
    draws = PatientMetrics(records)(counts)
    for resample in range(7):
        expected = []
        for index, target in enumerate(targets):
            weight = records.weight[:, index] * counts[records.patient, resample]
            label, score = records.label[:, index], records.score[:, index]
            decision = records.decision[:, index]
            values = {
                "auc": sk.roc_auc_score(label, score, sample_weight=weight),
                "sensitivity": sk.recall_score(label, decision, sample_weight=weight),
                "specificity": sk.recall_score(1 - label, 1 - decision, sample_weight=weight),
                "ppv": sk.precision_score(label, decision, sample_weight=weight),
                "brier": sk.brier_score_loss(label, score, sample_weight=weight),
                "ece": ece(label, score, weight),
            }
            expected.append(values)
            for name, value in values.items():
                assert draws[f"{name}/{target}"][resample] == pytest.approx(value, abs=1e-12)
        for name in expected[0]:
            mean = np.mean([values[name] for values in expected])
            assert draws[name][resample] == pytest.approx(mean, abs=1e-12)


def ece(label, score, weight) -> float:
    """Bin by bin, as the definition says."""
    total = 0.0
    edges = np.linspace(0, 1, 15 + 1)
    for low, high in itertools.pairwise(edges):
        inside = (score >= low) & ((score < high) | ((high == 1) & (score == 1)))
        if (mass := weight[inside].sum()) > 0:
            off = np.average(score[inside], weights=weight[inside])
            off -= np.average(label[inside], weights=weight[inside])
            total += mass * abs(off)
    return total / weight.sum()


def test_accuracy_of_exclusive_targets():
    data = pd.DataFrame({"patient_id": ["a", "b", "c", "d"]})
    scores = {"x": [0.6, 0.2, 0.1, np.nan], "y": [0.3, 0.5, 0.2, 0.3], "z": [0.1, 0.3, 0.7, 0.6]}
    truth = ["x", "z", "z", "z"]
    for name, values in scores.items():
        data[f"label/{name}"] = [float(one == name) for one in truth]
        data[f"label/{name}/weight"] = 1.0
        data[f"prediction/{name}"] = values
        data[f"decision/{name}"] = 0.0
    # Right on a and c; wrong on b; a NaN is never right.
    assert once(JudgedRows.from_table(data, tuple(scores), exclusive=True))["accuracy"] == 0.5


def test_nan_shows_and_unknown_labels_do_not_count():
    data = table(list("abcd"), [0, 1, 0, 1], [0.1, 0.9, np.nan, 0.8])
    assert np.isnan(once(JudgedRows.from_table(data, ("t",)))["auc"])
    data["label/t/weight"] = [1.0, 1.0, 0.0, 1.0]
    values = once(JudgedRows.from_table(data, ("t",)))
    assert values["auc"] == 1.0
    assert values["brier"] == pytest.approx((0.01 + 0.01 + 0.04) / 3)


def test_records_without_a_known_label_are_left_out():
    data = table(list("aab"), [0, 1, 1], [0.1, 0.9, 0.5], weights=[1.0, 1.0, 0.0])
    records = JudgedRows.from_table(data, ("t",))
    assert (records.patients, records.examples) == (1, 2)
    assert records.size_of("t") == (1, 2)


@pytest.mark.parametrize("exclusive", [False, True])
def test_pairs_without_each_patient_are_those_of_a_count_of_zero(exclusive):
    """Pairs by patient against the AUC itself: ties, masks, patients of both classes."""
    random = np.random.default_rng(5)
    size, targets = 90, ("first", "second")
    data = pd.DataFrame({"patient_id": [f"p{i}" for i in random.integers(25, size=size)]})
    for target in targets:
        label = (random.random(size) < 0.4).astype(float)
        data[f"label/{target}"] = label
        data[f"label/{target}/weight"] = (random.random(size) < 0.8).astype(float)
        score = np.round(np.clip(label * 0.2 + random.random(size) * 0.8, 0, 1), 1)
        data[f"prediction/{target}"] = score
        data[f"decision/{target}"] = (score > 0.5).astype(float)
    records = JudgedRows.from_table(data, targets, exclusive)
    expected = PatientMetrics(records)(1 - np.eye(records.patients))
    for index, target in enumerate(targets):
        pairs = TargetAuc(records, index).pairs()
        # Pairs within a patient are in both sums.
        won = pairs.won_by.sum() - pairs.won_by - pairs.won_over + pairs.won_within
        positives = pairs.positives.sum() - pairs.positives
        negatives = pairs.negatives.sum() - pairs.negatives
        found = won / (positives * negatives)
        np.testing.assert_allclose(found, expected[f"auc/{target}"], atol=1e-12)
