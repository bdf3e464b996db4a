"""The figures that TFMA sums up, against scikit-learn, in one table and in merged pieces."""

import pickle

import numpy as np
import pytest
from sklearn import metrics as sk

from components.evaluator import score_table
from components.evaluator.score_table import ScoreTable


def rows(size: int, targets: int = 2, shift: float = 0.0, spread: float = 1.5) -> np.ndarray:
    """Labels, weights, scores and decisions, some of the labels unknown."""
    random = np.random.default_rng(size)
    label = (random.random((size, targets)) < 0.3).astype(float)
    weight = (random.random((size, targets)) < 0.8).astype(float)
    logit = shift + 2 * label + spread * random.normal(size=(size, targets))
    score = 1 / (1 + np.exp(-logit))
    decision = (score > 0.4).astype(float)
    return np.stack([label * weight, weight, score, decision], axis=2).astype(np.float32)


def table_of(values: np.ndarray) -> ScoreTable:
    table = ScoreTable.empty(values.shape[1])
    table.add(values)
    return table


@pytest.mark.parametrize("shift", [0.0, -9.0, 9.0])
@pytest.mark.parametrize("spread", [0.3, 3.0])
def test_against_scikit_learn(shift, spread):
    """Also where all probabilities are close to 0 or 1, as for a rare finding."""
    values = rows(4000, shift=shift, spread=spread)
    found = table_of(values).metrics()
    for target in range(2):
        label, weight, score, decision = values[:, target].astype(np.float64).T
        known = weight > 0
        label, score, decision = label[known], score[known], decision[known]
        expected = {
            "auc": sk.roc_auc_score(label, score),
            "pr_auc": sk.average_precision_score(label, score),
            "brier": np.mean((label - score) ** 2),
            "sensitivity": sk.recall_score(label, decision),
            "specificity": sk.recall_score(1 - label, 1 - decision),
            "ppv": sk.precision_score(label, decision, zero_division=np.nan),
            "mean_label": label.mean(),
            "mean_prediction": score.mean(),
            "calibration": score.mean() / label.mean(),
            "weighted_example_count": known.sum(),
            "example_count": 4000,
        }
        for name, value in expected.items():
            tolerance = 1e-3 if name in ("auc", "pr_auc") else 1e-6
            assert found[name][target] == pytest.approx(value, abs=tolerance, nan_ok=True), name


def test_merged_pieces_are_the_whole():
    values = rows(5000)
    whole = table_of(values).metrics()
    pieces = ScoreTable.empty(2)
    for part in np.array_split(values, 7):
        pieces.merge(pickle.loads(pickle.dumps(table_of(part))))
    for name, expected in whole.items():
        np.testing.assert_allclose(pieces.metrics()[name], expected, rtol=1e-9, err_msg=name)


def test_memory_does_not_grow_with_the_rows():
    table = table_of(rows(300, targets=1))
    for seed in range(20):
        table.add(rows(5000 + seed, targets=1))
    assert not table.waiting
    most = 2 * 2 * score_table._LIMIT * score_table.BINS_PER_LOGIT + 2
    assert len(table.cells) < most
    assert table.metrics()["example_count"][0] == 300 + sum(range(5000, 5020))


def test_scores_of_0_and_1_and_ties():
    label = np.array([0, 0, 1, 1, 1], float)
    score = np.array([0, 0.5, 0.5, 1, 1], float)
    values = np.stack([label, np.ones(5), score, score > 0.6], axis=1)[:, None]
    found = table_of(values).metrics()
    assert found["auc"][0] == pytest.approx(sk.roc_auc_score(label, score))
    assert found["pr_auc"][0] == pytest.approx(sk.average_precision_score(label, score))


def test_what_is_undefined_is_nan():
    known = table_of(np.array([[[1, 1, 0.7, 1]]])).metrics()
    assert np.isnan([known["auc"][0], known["specificity"][0]]).all()
    assert known["sensitivity"][0] == 1
    nothing = ScoreTable.empty(1).metrics()
    assert np.isnan([nothing["auc"][0], nothing["ece"][0], nothing["pr_auc"][0]]).all()
    assert nothing["example_count"][0] == 0
