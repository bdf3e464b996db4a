"""Models whose truth is known: bad ones are not blessed, good ones with enough patients are.

A small part of `benchmarks/bench_coverage.py blessings`, which prints the whole table.
"""

import pytest
from scipy import stats

from benchmarks.simulation import verdicts

pytestmark = pytest.mark.slow

REPETITIONS = 40
SCENARIOS = {one.name: one for one in verdicts.scenarios()}
# What 40 samples show of a share of 2.5 % at most once in a thousand times.
MOST = int(stats.binom.ppf(0.999, REPETITIONS, 0.025))


@pytest.mark.parametrize(
    "name",
    [
        "AUC 0.945, floor 0.95, 30 patients, 35% positive",
        "sensitivity 0.85, floor 0.86, 15 positive patients of one image",
        "one of 5 groups at 0.595, floor 0.6, 20 patients each, required",
        "12 easy patients carry 60 hard ones, floor 0.75",
        "0.031 worse than the baseline, margin 0.03, 200 patients",
        "specificity 0.5 at the carried threshold, floor 0.6, 200 patients",
    ],
)
def test_a_bad_model_is_rarely_blessed(name):
    counts = verdicts.counted(SCENARIOS[name], REPETITIONS)
    assert counts["blessed"] <= MOST
    assert counts["blessed"] + counts["refused"] + counts["inconclusive"] == REPETITIONS


def test_a_group_that_is_not_shown_to_be_good_warns():
    counts = verdicts.counted(
        SCENARIOS["one of 5 groups at 0.501, floor 0.6, 50 patients each"], REPETITIONS
    )
    assert counts["warned"] == counts["blessed"]


@pytest.mark.parametrize(
    "name",
    [
        "calibrated, AUC 0.9, default policy, 120 patients, 35% positive",
        "all of 5x2 groups at 0.8, floor 0.6, 50 patients each",
        "equal to the baseline (0.85), margin 0.05, 400 patients",
        "specificity 0.7 at the carried threshold, floor 0.5, 200 patients",
    ],
)
def test_a_good_model_with_enough_patients_is_blessed(name):
    assert verdicts.counted(SCENARIOS[name], REPETITIONS)["blessed"] >= 0.8 * REPETITIONS
