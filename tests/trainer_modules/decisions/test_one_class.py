"""The class of the highest probability, by hand, by NumPy's definition, and in the graph."""

import numpy as np
import pytest
import tensorflow as tf

from trainer_modules import export
from trainer_modules.decisions import one_class

NAN = float("nan")


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        ([0.2, 0.5, 0.3], [0, 1, 0]),
        ([0.1, 0.45, 0.45], [0, 1, 0]),  # of equals, the first
        ([0.25, 0.25, 0.25, 0.25], [1, 0, 0, 0]),
        ([1.0, 0.0], [1, 0]),
        ([0.0, 1.0], [0, 1]),
        ([0.3, 0.3, 0.4], [0, 0, 1]),
        ([NAN, 0.9, 0.1], [0, 0, 0]),
        ([NAN, NAN], [0, 0]),
    ],
)
def test_by_hand(probabilities, expected):
    row = np.array([probabilities])
    assert one_class.decide(row).tolist() == [expected]
    if not np.isnan(row).any() or np.isnan(row).all():
        graph = export.one_class(tf.constant(row, tf.float32))
        assert graph.numpy().tolist() == [expected]


@pytest.mark.parametrize("targets", [2, 3, 10])
def test_the_graph_and_numpy_give_the_same_one_class(targets):
    random = np.random.default_rng(targets)
    scores = random.dirichlet(np.ones(targets), size=4000).astype(np.float32)
    scores[::2] = np.round(scores[::2], 1)  # many equals
    found = one_class.decide(scores)
    assert (found.sum(axis=1) == 1).all()
    assert found.argmax(axis=1).tolist() == [list(row).index(max(row)) for row in scores]
    graph = tf.function(export.one_class)(tf.constant(scores))
    np.testing.assert_array_equal(graph.numpy(), found)


def test_no_rows_are_no_decisions():
    assert one_class.decide(np.zeros((0, 3))).shape == (0, 3)
