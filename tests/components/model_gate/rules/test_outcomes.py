"""Why a metric can't be judged, what an outcome does, and where an interval lies."""

import dataclasses

import pytest

from components.model_gate.rules.outcomes import Lack, Least, effect, lack, within
from components.statistics.intervals import Interval

NAN = float("nan")
LEAST = Least(patients=20, per_class=10)
SEPARATED = (
    "undefined: no slope fits: the scores are all the same, or tell the classes apart perfectly"
)
BROKEN = "a class without examples, or predictions that are not numbers"


def interval(lower=0.8, patients=20, positive=10, negative=10) -> Interval:
    by_class = {"positive": positive, "negative": negative}
    return Interval(0.875, lower, 0.9375, patients, 50, by_class=by_class)


def unexplained(lacking: Lack) -> Lack:
    return dataclasses.replace(lacking, shortage=None)


@pytest.mark.parametrize(
    ("metric", "found", "reason", "absent"),
    [
        ("auc", None, "there are no labeled images", True),
        ("auc", interval(positive=0), "undefined: no positive images", True),
        ("auc", interval(negative=0), "undefined: no negative images", True),
        ("auc", interval(patients=19), "19 patients are fewer than the required 20", False),
        (
            "auc",
            interval(positive=9),
            "9 patients with positive images are fewer than the required 10",
            False,
        ),
        (
            "auc",
            interval(negative=9),
            "9 patients with negative images are fewer than the required 10",
            False,
        ),
        ("auc", interval(lower=NAN), f"undefined: {BROKEN}", True),
        ("calibration_slope", interval(lower=NAN), SEPARATED, False),
        ("calibration_slope/edema", interval(lower=NAN), SEPARATED, False),
        ("calibration_intercept", interval(lower=NAN), f"undefined: {BROKEN}", True),
    ],
)
def test_why_a_metric_cannot_be_judged(metric, found, reason, absent):
    metrics = {"other": interval()} | ({metric: found} if found else {})
    assert unexplained(lack(metrics, metric, LEAST)) == Lack(reason, absent)


@pytest.mark.parametrize(
    ("found", "reason", "absent"),
    [
        (interval(patients=4), "fewer than 5 patients, the required number is 20", False),
        (interval(patients=5), "5 patients are fewer than the required 20", False),
        (
            interval(positive=4),
            "fewer than 5 patients with positive images, the required number is 10",
            False,
        ),
        (
            interval(negative=5),
            "5 patients with negative images are fewer than the required 10",
            False,
        ),
        (
            interval(negative=0),
            "fewer than 5 patients with negative images, the required number is 10",
            True,
        ),
    ],
)
def test_of_a_group_fewer_than_five_patients_are_not_counted(found, reason, absent):
    lacking = lack({"auc": found}, "auc", LEAST, group=True)
    assert unexplained(lacking) == Lack(reason, absent)
    assert (lacking.shortage.words == "") == ("fewer than 5" in reason)


@pytest.mark.parametrize("metric", ["auc", "calibration_slope"])
def test_what_can_be_judged_lacks_nothing(metric):
    assert lack({metric: interval(), "brier": interval(lower=NAN)}, metric, LEAST) is None


def test_of_a_mean_the_targets_without_a_value_are_named():
    metrics = {
        "auc": interval(lower=NAN),
        "auc/b": interval(lower=NAN),
        "auc/a": interval(lower=NAN),
        "auc/c": interval(),
        "brier/d": interval(lower=NAN),
    }
    assert lack(metrics, "auc", LEAST) == Lack(f"undefined (targets a, b): {BROKEN}", True)
    metrics["auc"] = interval(positive=0)
    lacking = unexplained(lack(metrics, "auc", LEAST))
    assert lacking == Lack("undefined (targets a, b): no positive images", True)


@pytest.mark.parametrize(
    ("status", "unclear", "absent", "done"),
    [
        ("pass", "refuse", True, "none"),
        ("not_required", "refuse", True, "none"),
        ("fail", "warn", False, "refuse"),
        ("fail", "refuse", False, "refuse"),
        ("inconclusive", "refuse", False, "inconclusive"),
        ("inconclusive", "warn", False, "warn"),
        ("not_enough_data", "refuse", False, "inconclusive"),
        ("not_enough_data", "refuse", True, "refuse"),
        ("not_enough_data", "warn", False, "warn"),
        ("not_enough_data", "warn", True, "warn"),
    ],
)
def test_what_an_outcome_does(status, unclear, absent, done):
    assert effect(status, unclear, absent) == done
    if not absent:
        assert effect(status, unclear) == done


@pytest.mark.parametrize(
    ("low", "high", "status", "words"),
    [
        (0.75, None, "pass", "lower bound 0.750 is at least 0.75"),
        (0.76, None, "inconclusive", "lower bound 0.750 is below the floor 0.76"),
        (0.875, None, "inconclusive", "lower bound 0.750 is below the floor 0.875"),
        (0.88, None, "fail", "upper bound 0.875 is below the floor 0.88"),
        (None, 0.875, "pass", "upper bound 0.875 is at most 0.875"),
        (None, 0.87, "inconclusive", "upper bound 0.875 is above the ceiling 0.87"),
        (None, 0.75, "inconclusive", "upper bound 0.875 is above the ceiling 0.75"),
        (None, 0.74, "fail", "lower bound 0.750 is above the ceiling 0.74"),
        (0.75, 0.875, "pass", "the interval lies within 0.75 to 0.875"),
        (0.5, 0.8, "inconclusive", "upper bound 0.875 is above the ceiling 0.8"),
        (0.8, 1.0, "inconclusive", "lower bound 0.750 is below the floor 0.8"),
    ],
)
def test_where_an_interval_lies(low, high, status, words):
    assert within(Interval(0.8, 0.75, 0.875, 50, 60), low, high) == (status, words)


@pytest.mark.parametrize("bounds", [{"low": 0.5}, {"high": 0.5}])
def test_nan_never_passes(bounds):
    found = within(Interval(NAN, NAN, NAN, 50, 60), **bounds)
    assert found == ("fail", "undefined, as predictions are not numbers")


def test_scores_that_are_not_numbers_are_not_said_to_be_all_the_same():
    metrics = {"auc": interval(lower=NAN), "calibration_slope": interval(lower=NAN)}
    assert lack(metrics, "calibration_slope", LEAST).reason == f"undefined: {BROKEN}"
