"""Temperatures and vectors against general optimizers, and against known truths."""

import numpy as np
import pytest
from scipy import optimize, special
from sklearn import linear_model, metrics

from trainer_modules.decisions import calibration, calibration_metrics


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


def test_sigmoid_vector_is_an_unpenalized_logistic_regression():
    rng = np.random.default_rng(3)
    truth = rng.normal(0, 2, 600)
    labels = (rng.random(600) < special.expit(truth)).astype(float)
    logits = (truth - 1.2) / 0.4
    peer = linear_model.LogisticRegression(C=np.inf, tol=1e-8).fit(logits[:, None], labels)
    scale, offset = calibration.sigmoid_vector(labels, logits)
    assert scale == pytest.approx(peer.coef_[0, 0], rel=1e-3)
    assert offset == pytest.approx(peer.intercept_[0], rel=1e-3)
    assert (scale, offset) == pytest.approx((0.4, 1.2), rel=0.2)


def test_softmax_vector_is_the_minimum_of_the_cross_entropy():
    rng = np.random.default_rng(4)
    truth = rng.normal(0, 2, (500, 3))
    classes = np.array([rng.choice(3, p=special.softmax(row)) for row in truth])
    logits = (truth - [0.5, -0.5, 0.0]) / [0.5, 1.0, 2.0]

    def loss(x):
        scaled = x[:3] * logits + x[3:]
        return -special.log_softmax(scaled, axis=1)[np.arange(500), classes].mean()

    peer = optimize.minimize(
        loss, [1, 1, 1, 0, 0, 0], method="Nelder-Mead", options={"maxiter": 8000, "fatol": 1e-10}
    )
    found = calibration.softmax_vector(classes, logits)
    assert loss(np.concatenate([found.scale, found.offset])) <= peer.fun + 1e-6
    np.testing.assert_allclose(found.scale, [0.5, 1.0, 2.0], rtol=0.25)
    assert found.offset.sum() == pytest.approx(0, abs=1e-9)


def test_each_finding_is_fitted_to_its_known_labels():
    rng = np.random.default_rng(5)
    truth = rng.normal(0, 2, (400, 2))
    labels = (rng.random((400, 2)) < special.expit(truth)).astype(float)
    weights = (rng.random((400, 2)) < 0.7).astype(float)
    logits = truth * [3.0, 0.5]
    spoiled = np.where(weights > 0, labels, 1 - labels)
    for method in ("temperature", "vector"):
        found = calibration.fit(method, spoiled, weights, logits, exclusive=False)
        assert found.scale == pytest.approx([1 / 3, 2.0], rel=0.3)
    found = calibration.fit("none", labels, weights, logits, exclusive=False)
    np.testing.assert_array_equal(found.apply(logits), logits)


@pytest.mark.parametrize("method", ["temperature", "vector"])
def test_classes_are_fitted_to_the_known_examples(method):
    rng = np.random.default_rng(7)
    truth = rng.normal(0, 2, (600, 3))
    classes = np.array([rng.choice(3, p=special.softmax(row)) for row in truth])
    weights = (rng.random((600, 1)) < 0.7).astype(float)
    scale = [0.5, 0.5, 0.5] if method == "temperature" else [0.5, 1.0, 2.0]
    offset = [0, 0, 0] if method == "temperature" else [0.5, -0.5, 0.0]
    logits = (truth - offset) / scale
    known = weights[:, 0] > 0
    # What is not known says the opposite, and must not matter.
    labels = np.eye(3)[np.where(known, classes, truth.argmin(axis=1))]
    found = calibration.fit(method, labels, weights, logits, exclusive=True)
    assert found.scale == pytest.approx(scale, rel=0.25)
    assert found.offset == pytest.approx(offset, abs=0.3)
    assert (found.scale.shape, found.offset.shape) == ((3,), (3,))

    def entropy(one):
        scaled = one.apply(logits[known])
        return -special.log_softmax(scaled, axis=1)[np.arange(known.sum()), classes[known]].mean()

    for nudge in (0.98, 1.02):
        nudged = calibration.Calibration(found.scale * nudge, found.offset)
        assert entropy(found) < entropy(nudged)


@pytest.mark.parametrize(("positives", "fitted"), [(9, False), (10, True)])
def test_ten_examples_of_a_class_are_enough(positives, fitted):
    labels = np.array([1] * positives + [0] * 50)
    logits = np.concatenate([np.linspace(-1, 5, positives), np.linspace(-5, 1, 50)])
    assert (calibration.sigmoid_temperature(labels, logits) != 1.0) == fitted
    assert (calibration.sigmoid_vector(labels, logits) != (1.0, 0.0)) == fitted
    assert (calibration.sigmoid_vector(1 - labels, -logits) != (1.0, 0.0)) == fitted
    classes, both = labels, np.stack([np.zeros(len(labels)), logits], axis=1)
    assert (calibration.softmax_temperature(classes, both) != 1.0) == fitted
    assert (calibration.softmax_vector(classes, both).scale != 1).any() == fitted


@pytest.mark.parametrize("slope", [1, -1])
def test_scales_and_offsets_are_bounded(slope):
    """Separated classes, or scores that are the wrong way round, have no minimum inside."""
    labels = np.repeat([0, 1], 20)
    scale, offset = calibration.sigmoid_vector(labels, slope * (labels * 10.0 - 5) - 50)
    assert np.exp(-3) - 1e-9 <= scale <= np.exp(3) + 1e-9
    assert -20 <= offset <= 20
    temperature = calibration.sigmoid_temperature(labels, slope * (labels * 10.0 - 5))
    # Halved or doubled bounds would show at one of the ends.
    assert temperature == pytest.approx(np.exp(-3 * slope), rel=1e-3)


def test_few_examples_leave_a_vector_alone():
    labels = np.array([1] * 9 + [0] * 50)
    assert calibration.sigmoid_vector(labels, np.linspace(-3, 3, 59)) == (1.0, 0.0)


def test_figures_against_a_loop_and_scikit_learn():
    rng = np.random.default_rng(6)
    probabilities = np.concatenate([rng.random(300), [0.0, 1.0, 1 / 15]])
    labels = (rng.random(303) < probabilities**2).astype(float)
    expected = 0.0
    for low in range(15):
        last = low == 14
        inside = (probabilities >= low / 15) & ((probabilities < (low + 1) / 15) | last)
        if inside.any():
            gap = abs(probabilities[inside].mean() - labels[inside].mean())
            expected += inside.mean() * gap
    found = calibration_metrics.measure(labels, probabilities)
    assert found.ece == pytest.approx(expected, abs=1e-9)
    assert found.brier == pytest.approx(metrics.brier_score_loss(labels, probabilities))
    assert found.examples == 303


def test_figures_by_hand():
    # Bins of 0.9 (two scores, one positive) and 0.2: |0.9 - 0.5| * 2/3 + |0.2 - 0| * 1/3.
    found = calibration_metrics.measure(np.array([1, 0, 0]), np.array([0.9, 0.9, 0.2]))
    assert found.ece == pytest.approx(0.8 / 3 + 0.2 / 3)
    assert found.brier == pytest.approx((0.01 + 0.81 + 0.04) / 3)
    assert np.isnan(calibration_metrics.measure(np.zeros(0), np.zeros(0)).ece)
