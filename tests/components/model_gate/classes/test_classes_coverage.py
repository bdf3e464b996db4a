"""How often the interval of the balanced accuracy of classes holds the truth, on made patients."""

import numpy as np
import pytest

from components.statistics import clustered_metrics
from components.statistics.clustered_metrics import Precision
from components.statistics.judged_rows import JudgedRows
from trainer_modules.decisions import one_class

pytestmark = pytest.mark.slow

NAMES = ("a", "b", "c")
STRENGTH = 1.5
REPEATS = 150


def drawn(random, patients: int, most_images: int) -> JudgedRows:
    """Patients of one class each, with alike images."""
    sizes = random.integers(1, most_images + 1, patients)
    patient = np.repeat(np.arange(patients), sizes)
    label = np.eye(3)[random.choice(3, patients, p=[0.4, 0.3, 0.3])[patient]]
    alike = random.normal(scale=0.8, size=(patients, 3))[patient]
    score = STRENGTH * label + alike + random.normal(scale=0.6, size=label.shape)
    decision = one_class.decide(score)
    weight = np.ones_like(label)
    return JudgedRows(NAMES, True, patient, patients, label, weight, score, decision)


def test_intervals_hold_and_do_not_promise_too_much():
    many = drawn(np.random.default_rng(9), 200_000, 1)
    right = (many.label * many.decision).sum(axis=0) / many.label.sum(axis=0)
    truth = right.mean()
    random = np.random.default_rng(1)
    for by in ("", "_by_patient"):
        held = above = 0
        for _ in range(REPEATS):
            records = drawn(random, 60, 10)
            found = clustered_metrics.intervals(records, Precision(draws=20))
            one = found[f"balanced_accuracy{by}"]
            held += one.lower <= truth <= one.upper
            above += one.lower > truth
        # 95 % and 2.5 % are promised; three standard errors of so many repetitions.
        assert held / REPEATS >= 0.95 - 0.054
        assert above / REPEATS <= 0.025 + 0.039
