"""PPV and NPV at a prevalence: Bayes by hand, bounds by formula and by simulation."""

import numpy as np
import pytest
from sklearn import metrics as sk

from components.statistics import clustered_metrics
from components.statistics.intervals import Interval
from components.statistics.judged_rows import JudgedRows
from components.statistics.thresholds import predictive_values

NAN = float("nan")


def rate(value, lower, upper, kind="positive", patients=50) -> Interval:
    return Interval(value, lower, upper, 100, 200, by_class={kind: patients}, effective=patients)


def test_values_by_bayes():
    # Of 100,000 people, 1,000 are ill: 900 of them and 19,800 of the others are called positive.
    ppv, npv = predictive_values.at_prevalence(
        rate(0.9, 0.8, 0.95), rate(0.8, 0.75, 0.85, "negative"), 0.01
    )
    assert ppv.value == pytest.approx(900 / 20_700)
    assert npv.value == pytest.approx(79_200 / 79_300)
    assert (ppv.patients, ppv.examples) == (100, 200)
    assert ppv.by_class == {"positive": 50, "negative": 50}


def test_at_the_prevalence_of_the_sample_they_are_those_of_the_sample():
    random = np.random.default_rng(0)
    label = (random.random(300) < 0.3).astype(float)
    decision = np.where(random.random(300) < 0.8, label, 1 - label)
    records = JudgedRows(
        *(("t",), False, np.arange(300), 300),
        *(one[:, None] for one in (label, np.ones(300), decision, decision)),
    )
    found = predictive_values.at_prevalences(
        clustered_metrics.decided(records, 0.95), [float(label.mean())]
    )
    by_name = {name.partition("_")[0]: one for name, one in found.items() if "patient" not in name}
    assert by_name["ppv"].value == pytest.approx(sk.precision_score(label, decision))
    assert by_name["npv"].value == pytest.approx(sk.precision_score(1 - label, 1 - decision))


def test_bounds_are_movers_on_the_log_odds():
    found = predictive_values.at_prevalence(
        rate(0.9, 0.8, 0.96), rate(0.7, 0.6, 0.78, "negative"), 0.2
    )
    prior = np.log(0.2 / 0.8)
    low = prior + np.log(0.9 / 0.3) - np.sqrt(np.log(0.9 / 0.8) ** 2 + np.log(0.4 / 0.3) ** 2)
    high = prior + np.log(0.9 / 0.3) + np.sqrt(np.log(0.96 / 0.9) ** 2 + np.log(0.3 / 0.22) ** 2)
    assert found[0].lower == pytest.approx(1 / (1 + np.exp(-low)))
    assert found[0].upper == pytest.approx(1 / (1 + np.exp(-high)))
    low = -prior + np.log(0.7 / 0.1) - np.sqrt(np.log(0.7 / 0.6) ** 2 + np.log(0.2 / 0.1) ** 2)
    assert found[1].lower == pytest.approx(1 / (1 + np.exp(-low)))


def test_of_many_patients_bounds_are_those_of_drawn_rates():
    random = np.random.default_rng(1)
    number, half = 2000, 1.96
    drawn = {}
    rates = []
    for name, value, kind in (("se", 0.85, "positive"), ("sp", 0.75, "negative")):
        error = np.sqrt(value * (1 - value) / number)
        rates.append(rate(value, value - half * error, value + half * error, kind))
        drawn[name] = random.beta(value * number, (1 - value) * number, 400_000)
    ppv, npv = predictive_values.at_prevalence(*rates, 0.05)
    sick, well = 0.05 * drawn["se"], 0.95 * drawn["sp"]
    for interval, values in (
        (ppv, sick / (sick + 0.95 * (1 - drawn["sp"]))),
        (npv, well / (well + 0.05 * (1 - drawn["se"]))),
    ):
        width = interval.upper - interval.lower
        expected = np.quantile(values, [0.025, 0.975])
        assert [interval.lower, interval.upper] == pytest.approx(expected, abs=0.02 * width)


def test_without_a_mistake_bounds_remain():
    ppv, npv = predictive_values.at_prevalence(
        rate(1.0, 0.83, 1.0), rate(1.0, 0.88, 1.0, "negative"), 0.01
    )
    # The odds of at least 0.83 in 0.12, at 1 in 99, where nothing is known of the other error.
    assert (ppv.value, npv.value) == (1, 1)
    assert ppv.lower == pytest.approx(0.01 / (0.01 + 0.99 * 0.12))
    assert npv.lower == pytest.approx(0.99 / (0.99 + 0.01 * 0.17))
    assert (ppv.upper, npv.upper) == (1, 1)


def test_without_a_hit_they_are_zero_with_an_upper_bound():
    ppv, _ = predictive_values.at_prevalence(
        rate(0.0, 0.0, 0.2), rate(0.6, 0.5, 0.7, "negative"), 0.1
    )
    assert (ppv.value, ppv.lower) == (0, 0)
    assert ppv.upper == pytest.approx(0.1 * 0.2 / (0.1 * 0.2 + 0.9 * 0.4))


def test_undefined_where_nothing_is_called_positive():
    ppv, npv = predictive_values.at_prevalence(
        rate(0.0, 0.0, 0.2), rate(1.0, 0.9, 1.0, "negative"), 0.1
    )
    assert not ppv.judged
    assert ppv.by_class == {"called positive": 0}
    assert npv.value == pytest.approx(0.9)
    assert not predictive_values.at_prevalence(rate(NAN, NAN, NAN), rate(0.9, 0.8, 1), 0.1)[
        0
    ].judged


def test_of_several_targets_each_and_the_mean_with_the_mean_of_the_bounds():
    metrics = {
        "sensitivity": rate(0.85, 0.8, 0.9),
        "specificity": rate(0.75, 0.7, 0.8),
        "sensitivity/a": rate(0.9, 0.8, 0.95, patients=20),
        "specificity/a": rate(0.8, 0.7, 0.9, "negative"),
        "sensitivity/b": rate(0.8, 0.7, 0.9, patients=30),
        "specificity/b": rate(0.7, 0.6, 0.8, "negative"),
    }
    by_patient = {
        f"{base}_by_patient{slash}{target}": one
        for name, one in metrics.items()
        for base, slash, target in [name.partition("/")]
    }
    found = predictive_values.at_prevalences(metrics | by_patient, [0.1])
    assert set(found) == {
        f"{name}_at_0.1{suffix}{target}"
        for name in ("ppv", "npv")
        for suffix in ("", "_by_patient")
        for target in ("", "/a", "/b")
    }
    alone = [
        predictive_values.at_prevalence(
            metrics[f"sensitivity/{t}"], metrics[f"specificity/{t}"], 0.1
        )
        for t in "ab"
    ]
    mean = found["npv_at_0.1"]
    assert found["npv_at_0.1/b"] == alone[1][1]
    assert mean.value == pytest.approx((alone[0][1].value + alone[1][1].value) / 2)
    assert mean.lower == pytest.approx((alone[0][1].lower + alone[1][1].lower) / 2)
    assert mean.by_class == {"positive": 20, "negative": 50}
