"""Draws of labeled patients: nested, stratified, deterministic, every class kept."""

import hashlib
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


@pytest.mark.parametrize(
    ("patients", "positive", "share", "positives", "negatives"),
    [
        (70, 34, 0.1, 3, 4),  # 3.4 and 3.6 patients: to the nearest
        (70, 36, 0.1, 4, 3),
        (70, 34, 0.01, 1, 1),  # 0.34 and 0.36: at least one
        (70, 34, 0.99, 34, 36),  # 33.66 and 35.64
    ],
)
def test_a_share_is_rounded_to_the_nearest_patient(patients, positive, share, positives, negatives):
    drawn = choose_patients(*cohort(patients, positive), share, 5)
    held = sum(int(name[1:]) < positive for name in drawn)
    assert (held, len(drawn) - held) == (positives, negatives)


def test_a_patient_belongs_to_the_rarest_of_the_findings():
    # Everyone has the first finding, 20 of 100 the second as well, 10 of them the third: strata of
    # 80, 10 and 10, of which a tenth is 8, 1 and 1. Counted by the first finding it would be 10.
    names = np.array([b"p%03d" % number for number in range(100)])
    labels = np.stack([np.ones(100), np.arange(100) < 20, np.arange(100) < 10], 1).astype(float)
    for seed in range(10):
        drawn = [int(name[1:]) for name in choose_patients(names, labels, labels, 0.1, seed)]
        assert [sum(low <= n < high for n in drawn) for low, high in ((0, 10), (10, 20))] == [1, 1]
        assert len(drawn) == 10


def test_other_patients_do_not_change_the_order():
    names, labels, weights = cohort()
    first = choose_patients(names, labels, weights, 0.25, 5)
    # Without half of those that were not drawn, the same share of the rest is among the first.
    left_out = sorted(set(names.tolist()) - first)[::2]
    kept = ~np.isin(names, left_out)
    second = choose_patients(names[kept], labels[kept], weights[kept], 0.25, 5)
    assert second < first


def test_an_unknown_label_is_neither_positive_nor_negative():
    names = np.array([b"p%02d" % number for number in range(40)])
    labels = (np.arange(40) < 20).astype(float)[:, None]
    weights = (np.arange(40) % 20 < 10).astype(float)[:, None]
    drawn = [int(n[1:]) for n in choose_patients(names, labels, weights, 0.1, 0)]
    # Ten known positives are a stratum, the other thirty one: 1 and 3, and a known negative.
    assert sum(number < 10 for number in drawn) == 1
    assert any(20 <= number < 30 for number in drawn)
    assert len(drawn) in (4, 5)


def test_a_probability_counts_from_above_a_half():
    names = np.array([b"a", b"b", b"c", b"d"])
    labels = np.array([[0.5], [0.4], [0.6], [0.5]])
    for seed in range(10):
        drawn = choose_patients(names, labels, np.ones((4, 1)), 0.01, seed)
        assert b"c" in drawn
        assert len(drawn) == 2


def test_same_seed_same_draw_whatever_the_order_of_the_images():
    names, labels, weights = cohort()
    order = np.random.default_rng(0).permutation(len(names))
    first = choose_patients(names, labels, weights, 0.1, 5)
    assert first == choose_patients(names[order], labels[order], weights[order], 0.1, 5)
    assert first != choose_patients(names, labels, weights, 0.1, 6)


def test_the_draw_is_that_of_the_hash_of_seed_and_patient():
    """Another order would give earlier studies other patients."""
    names, labels, weights = cohort()
    drawn = choose_patients(names, labels, weights, 0.1, 5)

    def place(name):
        return hashlib.sha256(b"5:" + name).digest()

    order = sorted(set(names.tolist()), key=place)
    positive = [name for name in order if int(name[1:]) < 40]
    negative = [name for name in order if int(name[1:]) >= 40]
    assert drawn == {*positive[:4], *negative[:16]}


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
