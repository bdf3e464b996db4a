"""Patient-clustered intervals: pairing, exclusions, speed."""

import time

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from components.statistics import bootstrap, delong
from components.statistics.intervals import MAX_EXCLUDED, percentiles
from components.statistics.judged_rows import JudgedRows


def records_of(label, score, patient, targets=("t",)) -> JudgedRows:
    label, score = np.atleast_2d(label).T, np.atleast_2d(score).T
    names, number = np.unique(patient, return_inverse=True)
    return JudgedRows(
        targets=targets,
        exclusive=False,
        patient=number,
        patients=len(names),
        label=label.astype(float),
        weight=np.ones_like(label, dtype=float),
        score=score,
        decision=(score > 0).astype(float),
    )


def clustered(random, patients=120, images=4, strength=1.2) -> JudgedRows:
    """A label a patient, a patient effect twice the noise: images are far from independent."""
    patient = np.repeat(np.arange(patients), images)
    label = (random.random(patients) < 0.4).astype(float)[patient]
    score = strength * label + random.normal(size=patients)[patient]
    score = score + 0.5 * random.normal(size=patients * images)
    return records_of(label, score, patient)


def test_standard_error_is_delongs_where_every_patient_has_one_image():
    random = np.random.default_rng(1)
    label = (random.random(400) < 0.4).astype(float)
    score = np.round(label + random.normal(size=400), 1)
    records = records_of(label, score, np.arange(400))
    boot = bootstrap.bootstrap(records, 4000, seed=0)
    expected = delong.Components.of(records).standard_error
    assert boot.draws["auc"].std() == pytest.approx(expected, rel=0.05)
    interval = boot.interval("auc", 0.95)
    half = stats.norm.ppf(0.975) * expected
    assert interval.lower == pytest.approx(interval.value - half, abs=0.006)
    assert interval.upper == pytest.approx(interval.value + half, abs=0.006)


def test_repeating_every_image_changes_nothing():
    """The same image three times adds no information: a clustered interval must not shrink."""
    random = np.random.default_rng(2)
    label = (random.random(100) < 0.4).astype(float)
    score = label + random.normal(size=100)
    one = bootstrap.bootstrap(records_of(label, score, np.arange(100)), 500, 0)
    three = np.tile(np.arange(100), 3)
    tripled = bootstrap.bootstrap(records_of(label[three], score[three], three), 500, 0)
    np.testing.assert_allclose(one.draws["auc"], tripled.draws["auc"], atol=1e-12)


def test_chunks_do_not_change_the_counts_and_draw_as_many_patients_as_there_are(monkeypatch):
    records = clustered(np.random.default_rng(0), patients=30)
    whole = np.concatenate(list(bootstrap.patient_counts(records, 50, 7)), axis=1)
    monkeypatch.setattr(bootstrap, "_CELLS_PER_CHUNK", 1)
    parts = list(bootstrap.patient_counts(records, 50, 7))
    assert len(parts) > 1
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
    np.testing.assert_array_equal(whole.sum(axis=0), 30)


def test_paired_difference_is_far_narrower_than_an_unpaired_one():
    random = np.random.default_rng(4)
    first = clustered(random)
    second = records_of(
        first.label[:, 0], first.score[:, 0] + 0.05 * random.normal(size=480), first.patient
    )
    boots = [bootstrap.bootstrap(one, 500, seed=0) for one in (first, second)]
    paired = bootstrap.paired_difference(*boots, "auc", 0.95)
    independent = bootstrap.bootstrap(second, 500, seed=1)
    unpaired = bootstrap.paired_difference(boots[0], independent, "auc", 0.95)
    assert paired.value == unpaired.value
    assert paired.upper - paired.lower < 0.2 * (unpaired.upper - unpaired.lower)
    same = bootstrap.paired_difference(boots[0], boots[0], "auc", 0.95)
    assert (same.value, same.lower, same.upper) == (0, 0, 0)


def test_too_many_resamples_without_both_classes_give_no_bounds():
    # One positive patient among ten: absent from (9/10)^10 = 35 % of the resamples.
    label = np.array([1.0] + [0.0] * 9)
    boot = bootstrap.bootstrap(records_of(label, np.arange(10) / 10, np.arange(10)), 1000, 0)
    interval = boot.interval("auc", 0.95)
    assert interval.excluded == pytest.approx(0.35, abs=0.05)
    assert not interval.judged
    assert np.isnan([interval.lower, interval.upper]).all()
    assert interval.value == 0.0


def test_few_exclusions_are_left_out_and_counted():
    # Five positives among a hundred: absent from (95/100)^100 = 0.6 %.
    label = np.array([1.0] * 5 + [0.0] * 95)
    score = np.linspace(1, 0, 100)
    interval = bootstrap.bootstrap(records_of(label, score, np.arange(100)), 2000, 0).interval(
        "auc", 0.95
    )
    assert 0 < interval.excluded < MAX_EXCLUDED
    assert (interval.lower, interval.upper) == (1.0, 1.0)


def test_seeds():
    records = clustered(np.random.default_rng(0))
    first, again, other = (bootstrap.bootstrap(records, 50, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.draws["auc"], again.draws["auc"])
    assert not np.array_equal(first.draws["auc"], other.draws["auc"])


def test_size_of_a_target(make_table):
    table = make_table("shifted", ("edema", "effusion"), known=0.5)
    records = JudgedRows.from_table(table, ("edema", "effusion"))
    interval = bootstrap.bootstrap(records, 200, 0).interval("auc/edema", 0.95)
    known = table[table["label/edema/weight"] > 0]
    assert interval.examples == len(known)
    assert interval.patients == known["patient_id"].nunique()


@pytest.mark.slow
def test_speed_on_ten_thousand_images():
    """10,000 images, five findings, 2,000 resamples: under 10 s on two cores."""
    random = np.random.default_rng(0)
    size, targets = 10_000, tuple("abcde")
    data = pd.DataFrame({"patient_id": random.integers(5000, size=size).astype(str)})
    for target in targets:
        label = (random.random(size) < 0.2).astype(float)
        data[f"label/{target}"] = label
        data[f"label/{target}/weight"] = (random.random(size) < 0.9).astype(float)
        data[f"prediction/{target}"] = 1 / (1 + np.exp(-label - random.normal(size=size)))
        data[f"decision/{target}"] = (data[f"prediction/{target}"] > 0.5).astype(float)
    records = JudgedRows.from_table(data, targets)
    start = time.process_time()
    bootstrap.bootstrap(records, 2000, seed=0)
    # Seconds of processor time: two cores have 20 of them in 10 s.
    assert time.process_time() - start < 20


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),  # 3 * .01, max(1 * .04, 2 * .03)
        ([0.5, 0.9], [1.0, 1.0]),
        ([0.6, 0.9], [1.0, 1.0]),  # 2 * .6 is no probability
        ([0.02], [0.02]),
        ([], []),
    ],
)
def test_holm(p_values, expected):
    assert bootstrap.holm(p_values) == pytest.approx(expected)


def test_percentiles_are_scipys():
    random = np.random.default_rng(6)
    sample = random.exponential(size=40)
    found = stats.bootstrap((sample,), np.mean, n_resamples=500, method="percentile", rng=random)
    lower, upper, excluded = percentiles(sample.mean(), found.bootstrap_distribution, 0.95)
    assert (lower, upper) == pytest.approx(tuple(found.confidence_interval))
    assert excluded == 0
