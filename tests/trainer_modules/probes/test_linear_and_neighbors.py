"""The probes of frozen features, against votes counted by hand and separable features."""

import math

import numpy as np
import pytest

from trainer_modules.input.records import Index
from trainer_modules.probes.linear import probe_auc
from trainer_modules.probes.neighbors import NEIGHBORS, neighbor_auc


def index(labels, weights=None):
    labels = np.asarray(labels, float)
    weights = np.ones_like(labels) if weights is None else np.asarray(weights, float)
    return Index(np.full(len(labels), b"p"), labels, weights)


def counted_auc(train, labels, validation, truth):
    """Votes by explicit cosines, pairs compared one by one."""
    votes = []
    for one in validation:
        cosines = train @ one / np.linalg.norm(train, axis=1) / np.linalg.norm(one)
        votes.append(labels[np.argsort(-cosines)[:NEIGHBORS]].mean())
    votes = np.array(votes)
    positives, negatives = votes[truth == 1], votes[truth == 0]
    wins = (positives[:, None] > negatives) + 0.5 * (positives[:, None] == negatives)
    return wins.mean()


def test_votes_of_the_nearest_by_cosine():
    rng = np.random.default_rng(3)
    labels, truth = rng.integers(0, 2, 90), rng.integers(0, 2, 40)
    train = rng.normal(size=(90, 6)) * rng.uniform(0.1, 9, (90, 1)) + 0.5 * labels[:, None]
    validation = rng.normal(size=(40, 6)) + 0.5 * truth[:, None]
    found = neighbor_auc(train, index(labels[:, None]), validation, index(truth[:, None]))
    expected = counted_auc(train, labels, validation, truth)
    assert found == pytest.approx(expected, abs=1e-12)
    assert 0.5 < found < 1


def test_unknown_labels_have_no_vote():
    train = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]] * 10, float)
    labels = np.array([1, 1, 0, 0] * 10, float)
    wrong, weights = labels.copy(), np.ones(40)
    wrong[:4], weights[:4] = 1 - wrong[:4], 0
    validation, truth = np.array([[1, 0.05], [0.05, 1]]), index([[1], [0]])
    known = index(wrong[:, None], weights[:, None])
    assert neighbor_auc(train, known, validation, truth) == 1


@pytest.mark.parametrize("probe", [probe_auc, neighbor_auc])
def test_separable_features_and_fewer_examples_than_neighbors(probe):
    train, labels = np.array([[1.0, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]]), [[1], [1], [0], [0]]
    found = probe(train, index(labels), train, index(labels))
    # All four vote alike where four are fewer than the neighbors asked for.
    assert found == (1 if probe is probe_auc else 0.5)


@pytest.mark.parametrize("probe", [probe_auc, neighbor_auc])
def test_one_class_has_no_auc(probe):
    train = np.eye(3)
    assert math.isnan(probe(train, index(np.ones((3, 1))), train, index(np.ones((3, 1)))))
