"""How often 95 % intervals hold the truth: the only proof that they are intervals."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from components.statistics import bootstrap, delong
from components.statistics.judged_rows import JudgedRows

pytestmark = pytest.mark.slow

STRENGTH = 1.2
# Labels are constant within a patient, so that two images of different labels belong to different
# patients, whose scores differ by a normal of variance 2 (1 + 0.5 ** 2).
TRUTH = stats.norm.cdf(STRENGTH / np.sqrt(2 * (1 + 0.25)))


def clustered(random, patients: int = 200, images: int = 3) -> JudgedRows:
    """A patient effect twice the noise: images of a patient are far from independent."""
    patient = np.repeat(np.arange(patients), images)
    label = (random.random(patients) < 0.4).astype(float)[patient]
    score = STRENGTH * label + random.normal(size=patients)[patient]
    score = score + 0.5 * random.normal(size=patients * images)
    known = np.ones((len(label), 1))
    return JudgedRows(
        ("t",), False, patient, patients, label[:, None], known, score[:, None], known
    )


def test_intervals_by_patient_cover_and_those_by_record_do_not():
    random = np.random.default_rng(11)
    repetitions = 600
    hits = dict.fromkeys(("percentile", "delong", "by record"), 0)
    for _ in range(repetitions):
        records = clustered(random)
        boot = bootstrap.bootstrap(records, 600, seed=0)
        by_record = dataclasses.replace(
            records, patient=np.arange(records.examples), patients=records.examples
        )
        for name, interval in (
            ("percentile", boot.interval("auc", 0.95)),
            ("delong", delong.interval(records, 0.95)),
            ("by record", delong.interval(by_record, 0.95)),
        ):
            hits[name] += interval.lower <= TRUTH <= interval.upper
    shares = {name: count / repetitions for name, count in hits.items()}
    assert shares.pop("by record") < 0.85
    assert all(0.93 <= share <= 0.97 for share in shares.values()), shares
