"""Thresholds by hand-counted tables."""

import math

import numpy as np
import pytest

from trainer_modules.decisions import operating_point
from trainer_modules.settings import OperatingPointSettings

# Scores of three negatives and three positives, overlapping once.
LABELS = np.array([0, 0, 1, 0, 1, 1])
SCORES = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.8])


@pytest.mark.parametrize(
    ("labels", "scores", "threshold", "sensitivity", "specificity"),
    [
        # Cuts at 0.25 (1, 2/3) and 0.5 (2/3, 1) tie at 5/3: the more sensitive one is taken.
        (LABELS, SCORES, 0.25, 1, 2 / 3),
        # Perfect separation: halfway between the classes.
        ([0, 0, 1, 1], [0.1, 0.3, 0.7, 0.9], 0.5, 1, 1),
        # Equal scores stay on one side: 0.5 holds a negative and two positives.
        ([0, 1, 1, 0], [0.5, 0.5, 0.5, 0.1], 0.3, 1, 0.5),
        # No information: everything positive, below the only score.
        ([0, 1], [0.4, 0.4], 0.2, 1, 0),
    ],
)
def test_youden(labels, scores, threshold, sensitivity, specificity):
    point = operating_point.youden(np.array(labels), np.array(scores))
    assert point == pytest.approx((threshold, sensitivity, specificity))


@pytest.mark.parametrize(
    ("floor", "threshold", "sensitivity", "specificity"),
    [(0.5, 0.5, 2 / 3, 1), (0.9, 0.25, 1, 2 / 3), (2 / 3, 0.5, 2 / 3, 1)],
)
def test_sensitivity_at_least(floor, threshold, sensitivity, specificity):
    point = operating_point.sensitivity_at_least(LABELS, SCORES, floor)
    assert point == pytest.approx((threshold, sensitivity, specificity))


@pytest.mark.parametrize(
    ("floor", "threshold", "sensitivity", "specificity"),
    [(0.5, 0.25, 1, 2 / 3), (0.9, 0.5, 2 / 3, 1)],
)
def test_specificity_at_least(floor, threshold, sensitivity, specificity):
    point = operating_point.specificity_at_least(LABELS, SCORES, floor)
    assert point == pytest.approx((threshold, sensitivity, specificity))


def hundred(label):
    """100 examples of a class at scores of 0.01 to 1, and one of the other class below them all."""
    labels = np.array([1 - label] + [label] * 100)
    return labels, np.concatenate([[0.001], np.arange(1, 101) / 100])


@pytest.mark.parametrize("caught", range(1, 101))
def test_a_sensitivity_that_equals_the_floor_reaches_it(caught):
    labels, scores = hundred(1)
    point = operating_point.sensitivity_at_least(labels, scores, caught / 100)
    assert point.sensitivity == caught / 100
    # Halfway between the lowest score that is caught and the next below it.
    below = 0.001 if caught == 100 else (100 - caught) / 100
    assert point.threshold == pytest.approx((below + (101 - caught) / 100) / 2)


@pytest.mark.parametrize("rejected", range(1, 101))
def test_a_specificity_that_equals_the_floor_reaches_it(rejected):
    labels, scores = hundred(0)
    point = operating_point.specificity_at_least(labels, scores, rejected / 100)
    assert point.specificity == rejected / 100
    above = 1 + 1e-6 if rejected == 100 else (rejected + 1) / 100
    assert point.threshold == pytest.approx((above + rejected / 100) / 2, abs=1e-6)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("specificity", (0.25, 1, 0.5)), ("youden", (0.55, 0.75, 1)), ("sensitivity", (0.65, 0.5, 1))],
)
def test_the_rule_and_the_floor_of_the_settings_are_applied(rule, expected):
    labels = np.array([0, 0, 1, 0, 0, 1, 1, 1])
    settings = OperatingPointSettings(rule=rule, at_least=0.5)
    found = operating_point.choose(labels, np.arange(1, 9) / 10, settings)
    assert found == pytest.approx(expected)


def test_rejecting_everything_is_a_possible_cut():
    point = operating_point.specificity_at_least(np.array([0, 1]), np.array([1.0, 0.2]), 0.9)
    assert point.threshold > 1.0
    assert (point.sensitivity, point.specificity) == (0, 1)


@pytest.mark.parametrize("labels", [[1, 1], [0, 0], []])
@pytest.mark.parametrize("rule", ["youden", "sensitivity", "specificity"])
def test_one_class_gives_no_point(labels, rule):
    settings = OperatingPointSettings(rule=rule)
    scores = np.linspace(0.2, 0.8, len(labels))
    assert operating_point.choose(np.array(labels), scores, settings) is None


def test_reported_figures_are_what_the_threshold_gives():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    scores = np.round(np.clip(labels * 0.2 + rng.uniform(0, 0.8, 200), 0, 1), 2)
    for rule in ("youden", "sensitivity", "specificity"):
        point = operating_point.choose(labels, scores, OperatingPointSettings(rule=rule))
        called = scores >= np.float32(point.threshold)
        assert math.isclose(point.sensitivity, called[labels == 1].mean())
        assert math.isclose(point.specificity, 1 - called[labels == 0].mean())
