"""Temperatures against a general optimiser from SciPy, and against known truths."""

import numpy as np
import pytest
from scipy import optimize, special

from trainer_modules import calibration


def test_sigmoid_temperature_is_the_minimum_of_the_cross_entropy():
    rng = np.random.default_rng(1)
    truth = rng.normal(0, 2, 400)
    labels = rng.uniform(size=400) < special.expit(truth)
    logits = 2.7 * truth

    def loss(x):
        p = np.clip(special.expit(logits / np.exp(x[0])), 1e-12, 1 - 1e-12)
        return -np.mean(labels * np.log(p) + ~labels * np.log1p(-p))

    expected = np.exp(optimize.minimize(loss, [0.0], method="Nelder-Mead").x[0])
    found = calibration.sigmoid_temperature(labels, logits)
    assert found == pytest.approx(expected, rel=1e-3)
    assert found == pytest.approx(2.7, rel=0.25)


def test_softmax_temperature_is_the_minimum_of_the_cross_entropy():
    rng = np.random.default_rng(2)
    truth = rng.normal(0, 2, (500, 4))
    classes = np.array([rng.choice(4, p=special.softmax(row)) for row in truth])
    logits = truth / 0.5

    def loss(x):
        return -special.log_softmax(logits / np.exp(x[0]), axis=1)[np.arange(500), classes].mean()

    expected = np.exp(optimize.minimize(loss, [0.0], method="Nelder-Mead").x[0])
    assert calibration.softmax_temperature(classes, logits) == pytest.approx(expected, rel=1e-3)


def test_temperature_stays_bounded_when_classes_are_separated():
    labels = np.repeat([0, 1], 20)
    found = calibration.sigmoid_temperature(labels, np.where(labels, 5.0, -5.0))
    assert 0.01 < found < 1


@pytest.mark.parametrize("positives", [0, 9])
def test_few_examples_of_a_class_leave_the_logits_alone(positives):
    labels = np.array([1] * positives + [0] * 50)
    assert calibration.sigmoid_temperature(labels, np.linspace(-3, 3, len(labels))) == 1.0


def test_a_class_without_examples_leaves_the_logits_alone():
    classes = np.repeat([0, 1], 30)
    assert calibration.softmax_temperature(classes, np.zeros((60, 3))) == 1.0
