"""DeLong's standard error, against published figures and the definition pair by pair."""

import numpy as np
import pytest

from components.statistics import bootstrap, delong
from components.statistics.judged_rows import JudgedRows


def records_of(label, score, patient) -> JudgedRows:
    label, score = np.atleast_2d(label).T, np.atleast_2d(score).T
    names, number = np.unique(patient, return_inverse=True)
    known = np.ones_like(score, dtype=float)
    return JudgedRows(("t",), False, number, len(names), label, known, score, known)


def by_definition(label, score) -> tuple[np.ndarray, np.ndarray]:
    """Structural components (DeLong 1988), pair by pair."""
    positive, negative = score[label == 1], score[label == 0]
    wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    return wins.mean(axis=1), wins.mean(axis=0)


def test_published_example():
    """109 CT images rated 1 to 5 (Hanley and McNeil 1982, table I).

    Stata's manual gives for them, by DeLong's method, 0.8932, standard error 0.0307 and the
    interval 0.83295 to 0.95339 (roctab).
    """
    normal, abnormal = [33, 6, 6, 11, 2], [3, 2, 2, 11, 33]
    score = np.concatenate([np.repeat(np.arange(5.0), counts) for counts in (normal, abnormal)])
    label = np.repeat([0.0, 1.0], [58, 51])
    records = records_of(label, score, np.arange(109))
    assert delong.Components.of(records).standard_error == pytest.approx(0.0307, abs=5e-5)
    found = delong.interval(records, 0.95)
    assert (found.value, found.lower, found.upper) == pytest.approx(
        (0.8932, 0.83295, 0.95339), abs=5e-5
    )


def test_paired_difference_by_definition():
    random = np.random.default_rng(2)
    label = (random.random(150) < 0.4).astype(float)
    first = np.round(label + random.normal(size=150), 1)
    second = np.round(first + 0.5 * random.normal(size=150), 1)
    components = [
        delong.Components.of(records_of(label, score, np.arange(150))) for score in (first, second)
    ]
    variance = 0.0
    for one, two in zip(by_definition(label, first), by_definition(label, second), strict=True):
        variance += np.cov(one - two) / len(one)
    difference = components[0].minus(components[1])
    assert difference.standard_error == pytest.approx(np.sqrt(variance), rel=1e-9)


def test_clusters_by_definition():
    """Obuchowski (1997): components summed within patients, who have images of both classes."""
    random = np.random.default_rng(4)
    patient = random.integers(40, size=160)
    label = (random.random(160) < 0.4).astype(float)
    score = label + random.normal(size=40)[patient] + random.normal(size=160)
    of_positive, of_negative = by_definition(label, score)
    auc, total = of_positive.mean(), len(np.unique(patient))
    positives, negatives = patient[label == 1], patient[label == 0]
    x = np.array([(of_positive[positives == one] - auc).sum() for one in range(40)])
    y = np.array([(of_negative[negatives == one] - auc).sum() for one in range(40)])
    with_positive, with_negative = len(np.unique(positives)), len(np.unique(negatives))
    m, n = len(positives), len(negatives)
    s10 = with_positive / ((with_positive - 1) * m) * (x**2).sum()
    s01 = with_negative / ((with_negative - 1) * n) * (y**2).sum()
    s11 = total / (total - 1) * (x * y).sum()
    expected = np.sqrt(s10 / m + s01 / n + 2 * s11 / (m * n))
    records = records_of(label, score, patient)
    assert delong.Components.of(records).standard_error == pytest.approx(expected, rel=1e-9)
    draws = bootstrap.bootstrap(records, 4000, seed=0).draws["auc"]
    assert draws.std() == pytest.approx(expected, rel=0.08)


@pytest.mark.parametrize(
    ("label", "score"),
    [([0, 0, 0], [0.1, 0.2, 0.3]), ([0, 1, 1], [0.1, np.nan, 0.3]), ([1, 0, 0], [0.9, 0.2, 0.1])],
)
def test_without_two_patients_of_each_class_there_is_no_interval(label, score):
    found = delong.interval(records_of(np.array(label), np.array(score), np.arange(3)), 0.95)
    assert np.isnan([found.lower, found.upper]).all()
