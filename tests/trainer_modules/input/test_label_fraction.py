"""Draws of labelled patients: nested, stratified, deterministic, every class kept."""

import itertools

import numpy as np
import pytest

from trainer_modules.input.label_fraction import choose_patients


def cohort(patients=200, positive=40):
    """Three images per patient; the first `positive` patients have one positive image."""
    names = np.repeat([b"p%03d" % number for number in range(patients)], 3)
    labels = np.zeros((len(names), 1))
    labels[: positive * 3 : 3] = 1
    return names, labels, np.ones_like(labels)


def test_smaller_fractions_are_inside_larger_ones():
    drawn = [choose_patients(*cohort(), share, 5) for share in (0.01, 0.03, 0.1, 0.33, 1.0)]
    for smaller, larger in itertools.pairwise(drawn):
        assert smaller < larger
    assert len(drawn[-1]) == 200


@pytest.mark.parametrize(("share", "positives", "negatives"), [(0.1, 4, 16), (0.5, 20, 80)])
def test_classes_keep_their_shares(share, positives, negatives):
    drawn = choose_patients(*cohort(), share, 5)
    held = sum(int(name[1:]) < 40 for name in drawn)
    assert (held, len(drawn) - held) == (positives, negatives)


def test_same_seed_same_draw_whatever_the_order_of_the_images():
    names, labels, weights = cohort()
    order = np.random.default_rng(0).permutation(len(names))
    first = choose_patients(names, labels, weights, 0.1, 5)
    assert first == choose_patients(names[order], labels[order], weights[order], 0.1, 5)
    assert first != choose_patients(names, labels, weights, 0.1, 6)


def test_every_target_keeps_a_positive_and_a_negative_patient():
    names = np.array([b"a", b"b", b"c", b"d", b"e"])
    # The second target is positive in patient d alone, who is also positive for the first;
    # patient e's second label is the only known negative of that target.
    labels = np.array([[0, 0], [1, 0], [1, 0], [1, 1], [1, 0]], float)
    weights = np.array([[1, 0], [1, 0], [1, 0], [1, 1], [1, 1]], float)
    for seed in range(20):
        assert {b"a", b"d", b"e"} <= choose_patients(names, labels, weights, 0.01, seed)


def test_multiclass_weights_of_one_column_cover_all_classes():
    names = np.array([b"p%02d" % number for number in range(30)])
    labels = np.eye(3)[np.arange(30) % 3]
    drawn = choose_patients(names, labels, np.ones((30, 1)), 0.01, 0)
    assert {int(name[1:]) % 3 for name in drawn} == {0, 1, 2}
