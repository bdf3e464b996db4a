"""Curves over patients and seeds, against scikit-learn and closed forms."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from components.label_efficiency.cell.settings import StudySettings
from components.label_efficiency.report.curves import ADAPTED, LABELS_ID, build_curve, over_seeds
from components.statistics.bootstrap import Bootstrap, bootstrap, paired_difference
from tests.components.label_efficiency.report.conftest import records

SETTINGS = StudySettings(resamples=400, seeds=(0, 1), fractions=(0.01, 0.1, 1.0))


def constant(value, resamples=4000):
    """A seed whose AUC no patient changes."""
    return Bootstrap(records(1.0), {"auc": value}, {"auc": np.full(resamples, value)})


def test_point_is_the_mean_over_seeds_of_the_auc(cells):
    point = build_curve(LABELS_ID, cells, SETTINGS).point("bit", 1.0)
    expected = []
    for seed in (0, 1):
        made = records(3.0, seed)
        expected.append(roc_auc_score(made.label[:, 0], made.score[:, 0]))
    assert list(point.by_seed.values()) == pytest.approx(expected)
    assert point.value == pytest.approx(np.mean(expected))
    assert point.lower < point.value < point.upper
    assert (point.patients, point.images) == (60, 120)


def test_seeds_are_drawn_with_replacement():
    # Two seeds of AUC 0 and 1: the mean of two drawn ones is 0, 1/2, 1 with 1/4, 1/2, 1/4.
    both = over_seeds({3: constant(0.0), 8: constant(1.0)}, (3, 8))
    values, counts = np.unique(both.draws["auc"], return_counts=True)
    assert values.tolist() == [0, 0.5, 1]
    assert counts / 4000 == pytest.approx([0.25, 0.5, 0.25], abs=0.03)
    assert both.values["auc"] == 0.5


def test_one_seed_leaves_the_patients_interval():
    alone = bootstrap(records(2.0), 500, seed=0)
    assert over_seeds({5: alone}, (5,)).interval("auc", 0.9) == alone.interval("auc", 0.9)


def test_arms_are_paired_in_patients_and_in_seeds():
    """A constant advantage has no spread, however much patients and seeds vary."""
    ours = {seed: bootstrap(records(2.0, seed), 300, seed=0) for seed in (0, 1, 2)}
    theirs = {
        seed: Bootstrap(
            one.records, {"auc": one.values["auc"] - 0.1}, {"auc": one.draws["auc"] - 0.1}
        )
        for seed, one in ours.items()
    }
    seeds = (0, 1, 2)
    found = paired_difference(over_seeds(ours, seeds), over_seeds(theirs, seeds), "auc", 0.95)
    assert (found.value, found.lower, found.upper) == pytest.approx((0.1, 0.1, 0.1))


def test_too_few_labels_are_shown_as_such(cells):
    point = build_curve(LABELS_ID, cells, SETTINGS).point("remedis", 0.01)
    assert point.status == "not_enough_labels"
    assert "1 % of 20 patients" in point.reason
    assert np.isnan(point.value)


def test_adaptation_begins_with_zero_shot(cells):
    curve = build_curve(ADAPTED, cells, SETTINGS)
    assert [p.fraction for p in curve.points if p.arm == "remedis"] == [0, 1]
    assert curve.point("remedis", 0.0).trained_patients == (0, 0)
    assert curve.point("remedis", 1.0).trained_patients == (100, 100)
