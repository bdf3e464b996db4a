"""Measured performance against the policy's bounds, at the level of a look."""

import numpy as np
import pytest
from scipy import stats

from components.model_gate.monitoring import performance
from components.model_gate.policy.settings import GateSettings
from components.statistics.judged_rows import JudgedRows

OFF = {"min_auc": 0.0, "calibration_slope": None, "calibration_intercept": None}


def records(found: int, missed: int, negatives: int = 60) -> JudgedRows:
    """One image a patient: so many positives found and missed, and negatives, all right."""
    label = np.repeat([1.0, 1.0, 0.0], [found, missed, negatives])
    decision = np.repeat([1.0, 0.0, 0.0], [found, missed, negatives])
    random = np.random.default_rng(0)
    score = 0.3 + 0.4 * decision + 0.2 * random.random(len(label))
    return JudgedRows(
        targets=("edema",),
        exclusive=False,
        patient=np.arange(len(label)),
        patients=len(label),
        label=label[:, None],
        weight=np.ones((len(label), 1)),
        score=score[:, None],
        decision=decision[:, None],
    )


def settings(**rules) -> GateSettings:
    return GateSettings.model_validate({"in_distribution": OFF | rules})


def judged(rows: JudgedRows, alpha: float, decided: bool = True, **rules) -> dict:
    found = performance.labelled(rows, settings(**rules), "in_distribution", decided=decided)
    return {one.metric: one for one in performance.judged(found, alpha, {"sensitivity": 0.9})}


@pytest.mark.parametrize("alpha", [0.05, 0.01, 1e-3, 1e-5])
@pytest.mark.parametrize(("found", "missed"), [(10, 20), (15, 15), (20, 10)])
def test_a_floor_is_missed_where_the_exact_upper_bound_is_below_it(alpha, found, missed):
    """Clopper and Pearson's one-sided bound, from SciPy."""
    sensitivity = judged(records(found, missed), alpha, min_sensitivity=0.8)["sensitivity"]
    upper = stats.beta.ppf(1 - alpha, found + 1, missed)
    assert sensitivity.surely_at_most == pytest.approx(upper)
    assert sensitivity.status == ("alarm" if upper < 0.8 else "no_alarm")
    assert (sensitivity.floor, sensitivity.reference) == (0.8, 0.9)
    lower, upper = (
        stats.beta.ppf(0.025, found, missed + 1),
        stats.beta.ppf(0.975, found + 1, missed),
    )
    assert (sensitivity.lower, sensitivity.upper) == pytest.approx((lower, upper))


def test_tests_are_counted_by_what_can_be_judged():
    def tests(rows, decided=True, **rules):
        one = performance.labelled(rows, settings(**rules), "in_distribution", decided=decided)
        return one.tests

    assert tests(records(20, 10)) == 0
    # By image and by patient.
    assert tests(records(20, 10), min_sensitivity=0.5) == 2
    assert tests(records(20, 10), min_sensitivity=0.5, decided=False) == 0
    assert tests(records(20, 10), min_sensitivity=0.5, min_auc=0.6) == 4
    # Both ends of a range.
    assert tests(records(20, 10), calibration_slope=(0.5, 2.0)) == 2
    # Nine positive patients are fewer than ten.
    assert tests(records(6, 3), min_sensitivity=0.5) == 0


def test_what_lacks_patients_is_told_without_numbers():
    one = judged(records(6, 3), 0.01, min_sensitivity=0.5)["sensitivity"]
    assert (one.status, one.value, one.surely_at_most) == ("not_enough_data", None, None)
    assert "fewer than the required 10" in one.message


def test_both_ends_of_a_range_raise_an_alarm():
    """Scores are far too unsure: the slope is far above 2; and the other way round."""
    random = np.random.default_rng(1)
    strength = random.normal(size=400)
    label = (random.random(400) < stats.logistic.cdf(2 * strength)).astype(float)
    for factor, expected in ((0.5, "above"), (20.0, "below")):
        rows = records(200, 200, 0)
        rows = JudgedRows(
            targets=rows.targets,
            exclusive=False,
            patient=np.arange(400),
            patients=400,
            label=label[:, None],
            weight=np.ones((400, 1)),
            score=stats.logistic.cdf(factor * strength)[:, None],
            decision=(strength > 0).astype(float)[:, None],
        )
        slope = judged(rows, 1e-3, calibration_slope=(0.5, 2.0))["calibration_slope"]
        assert slope.status == "alarm"
        outside = slope.surely_at_least > 2 if expected == "above" else slope.surely_at_most < 0.5
        assert outside


def test_metrics_without_a_bound_are_reported():
    found = judged(records(20, 10), 0.01)
    assert found["sensitivity"].status == "no_bound"
    assert found["specificity"].value == 1
    assert "sensitivity" not in judged(records(20, 10), 0.01, decided=False)
