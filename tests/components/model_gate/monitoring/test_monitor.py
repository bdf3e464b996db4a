"""Looks without drift keep their promise, and looks with drift find it."""

import dataclasses

import pytest
from scipy import stats

from benchmarks.simulation import looks
from benchmarks.simulation.looks import Drifted, Hospital


@pytest.mark.slow
def test_24_quiet_months_rarely_have_any_alarm():
    """5 of 100 hospitals at most; a blessed table of 60 patients errs itself, in every month."""
    found = [looks.first_alarm(Hospital(60, 40), seed) for seed in range(40)]
    alarms = sum(month is not None for month in found)
    # As many would be seen in one of a thousand runs if 5 % were true.
    assert alarms <= stats.binom(40, 0.05).isf(1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("drift", "labelled"),
    [
        (Drifted(brighter=1.0), False),
        (Drifted(log_odds=-2.0), False),
        (Drifted(unrelated=1.0), True),
    ],
)
def test_large_drift_after_six_quiet_months_is_found_within_three(drift, labelled):
    hospital = Hospital(300, 100, labelled, drift, tolerance=0.05)
    found = [looks.first_alarm(hospital, seed) for seed in range(5)]
    assert all(month is not None and month <= 3 for month in found)


@pytest.mark.slow
def test_concept_drift_is_not_seen_without_labels():
    hospital = Hospital(300, 100, False, Drifted(unrelated=1.0), tolerance=0.05)
    assert [looks.first_alarm(hospital, seed) for seed in range(3)] == [None] * 3
    seen = dataclasses.replace(hospital, labelled=True)
    assert looks.first_alarm(seen, 0) is not None
