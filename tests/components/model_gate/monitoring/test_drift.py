"""Drift of columns: what is compared, at which level, and what is shown of it."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from components.model_gate.monitoring import drift
from schemas.documents.reference import DomainReference, Histogram, TargetReference


def reference(**statistics: Histogram) -> DomainReference:
    scores = Histogram(edges=(0.25, 0.5, 0.75), patients=(25, 25, 25, 25))
    target = TargetReference(
        scores=scores, threshold=0.5, positive_rate=None, calibration=(), map=None
    )
    return DomainReference(
        patients=100, images=100, targets={"edema": target}, statistics=statistics
    )


def table(scores, patients=None, sites="a", **columns) -> pd.DataFrame:
    number = len(scores)
    made = {
        "patient_id": [str(one) for one in (range(number) if patients is None else patients)],
        "domain": "in_distribution",
        "site": sites,
        "prediction/edema": scores,
    }
    return pd.DataFrame(made | {f"statistic/{name}": one for name, one in columns.items()})


def test_patients_are_counted_and_placed_by_hand():
    """Six patients; the last has images in two bins, and half of it is in each."""
    scores = [0.1, 0.2, 0.3, 0.6, 0.9, 0.1, 0.9]
    (sample,) = drift.samples(table(scores, [0, 1, 2, 3, 4, 5, 5]), reference(), 5)
    assert sample.new.tolist() == [2.5, 1, 1, 1.5]
    assert (sample.column, sample.lacks) == ("score", "")
    (judged,) = drift.judged([sample], 0.05, 0.0)
    # Cumulative shares: 2.5, 3.5 and 4.5 of 6 against a quarter, a half and three quarters.
    assert judged.distance == pytest.approx(2.5 / 6 - 0.25)
    ranks = np.array([0, 0, 1, 2, 3, 0, 3])
    weight = np.array([1, 1, 1, 1, 1, 0.5, 0.5])
    wins = [(rank + 0.5) / 4 for rank in ranks]
    assert judged.higher == pytest.approx((weight * wins).sum() / 6)


def test_p_value_is_near_that_of_anderson_and_darling():
    random = np.random.default_rng(0)
    for scale in (1.0, 0.7):
        scores = random.random(200) ** scale
        (sample,) = drift.samples(table(scores), reference(), 5)
        (judged,) = drift.judged([sample], 1e-3, 0.0)
        # The blessed table has 100 patients, evenly in the bins.
        even = (np.arange(100) + 0.5) / 100
        binned = [np.searchsorted([0.25, 0.5, 0.75], one) for one in (even, scores)]
        method = stats.PermutationMethod(n_resamples=4000, rng=1)
        expected = stats.anderson_ksamp(binned, variant="midrank", method=method).pvalue
        assert judged.p_value == pytest.approx(expected, abs=0.08, rel=0.6)


def test_too_few_patients_or_values_are_said_and_not_tested():
    flat = Histogram(edges=(), patients=(100,))
    made = table(np.linspace(0, 1, 30), mean=[1.0] * 9 + [np.nan] * 21, width=[1.0] * 30)
    known = reference(mean=Histogram(edges=(0.5,), patients=(50, 50)), width=flat, height=flat)
    samples = {one.column: one for one in drift.samples(made, known, 30)}
    assert samples["score"].lacks == ""
    assert "fewer patients than the required 30" in samples["statistic/mean"].lacks
    assert "too few patients (100) or values" in samples["statistic/width"].lacks
    assert "statistic/height" not in samples
    (judged,) = drift.judged([samples["statistic/mean"]], 0.05, 0.0)
    assert (judged.status, judged.p_value, judged.shares) == ("not_enough_data", None, None)


def test_a_statistic_of_one_table_alone_is_told():
    known = reference(mean=Histogram(edges=(0.5,), patients=(50, 50)))
    said = list(drift.absent(table([0.5], std=[1.0]), known))
    assert said[0].startswith("statistic/mean: the blessed table has it, this one does not")
    assert said[1].startswith("statistic/std: the blessed table does not have it")


def test_bins_of_a_few_new_patients_are_not_shown():
    scores = [0.1] * 20 + [0.3] * 2 + [0.6] * 18
    (sample,) = drift.samples(table(scores), reference(), 5)
    (judged,) = drift.judged([sample], 0.05, 0.0)
    shown = np.array(judged.shares.new) * 40
    assert ((shown == 0) | (shown >= 5)).all()
    assert shown.sum() == pytest.approx(40)
    assert sum(judged.shares.reference) == pytest.approx(1)
    assert len(judged.shares.new) == len(judged.shares.edges) + 1


def test_sites_are_described_and_small_ones_pooled():
    sites = ["a"] * 20 + ["b"] * 20 + ["c"] * 3 + ["d"] * 3
    scores = np.concatenate([np.full(20, 0.1), np.tile([0.1, 0.3, 0.6, 0.9], 5), np.full(6, 0.9)])
    found = {one.site: one for one in drift.sites(table(scores, sites=sites), reference())}
    assert set(found) == {"a", "b", "(small groups)"}
    assert found["a"].distance == pytest.approx(0.75)
    assert found["a"].higher == pytest.approx(1 / 8)
    assert found["b"].distance == pytest.approx(0)
    assert (found["(small groups)"].patients, found["(small groups)"].images) == (6, 6)
    assert drift.sites(table(scores, sites="a"), reference()) == []
