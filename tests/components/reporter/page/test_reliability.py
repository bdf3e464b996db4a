"""The calibration table and diagram, against figures by hand."""

from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from components.reporter.page import reliability


def test_reliability_bins_match_counts_by_hand() -> None:
    # Ten predictions of 0.15 with three positives, six of 0.92 with all positive, two of 0.5.
    score = np.r_[np.full(10, 0.15), np.full(6, 0.92), np.full(2, 0.5)]
    truth = np.r_[np.ones(3), np.zeros(7), np.ones(6), [0, 1]]
    predicted, observed, count = reliability.bins(truth, score)
    np.testing.assert_allclose(predicted, [0.15, 0.92])
    np.testing.assert_allclose(observed, [0.3, 1.0])
    np.testing.assert_array_equal(count, [10, 6])


def test_a_probability_of_one_falls_into_the_last_bin() -> None:
    predicted, observed, _ = reliability.bins(np.ones(5), np.ones(5))
    assert (predicted.tolist(), observed.tolist()) == ([1.0], [1.0])


@pytest.fixture
def predictions() -> pd.DataFrame:
    """Scores of 0.9 before and 0.6 after, of which 6 in 10 are right; two rows are not counted."""
    truth = np.r_[np.ones(6), np.zeros(4), [0, 0]]
    table = pd.DataFrame(
        {
            "label/t": truth,
            "label/t/weight": np.r_[np.ones(10), [0, 1]],
            "prediction/t": np.r_[np.full(10, 0.6), [0.99, np.nan]],
            "uncalibrated/t": 0.9,
        }
    )
    sets = (("validation", "in_distribution"), ("test", "in_distribution"), ("shifted", "shifted"))
    return pd.concat(
        [table.assign(split=split, domain=domain) for split, domain in sets], ignore_index=True
    )


def test_figures_before_and_after_on_each_set(predictions) -> None:
    rows = reliability.rows(predictions, ["t"])
    assert [row.title for row in rows] == ["validation", "in distribution", "shifted"]
    for row in rows:
        assert row.after.examples == row.before.examples == 10
        assert row.after.ece == pytest.approx(0.0)
        assert row.before.ece == pytest.approx(0.3)
        assert row.after.brier == pytest.approx(0.6 * 0.16 + 0.4 * 0.36)
        assert row.before.brier == pytest.approx(0.6 * 0.01 + 0.4 * 0.81)


def test_models_that_do_not_tell_have_figures_after_alone(predictions) -> None:
    (row, *_) = reliability.rows(predictions.drop(columns="uncalibrated/t"), ["t"])
    assert row.before is None
    assert row.after.brier == pytest.approx(0.24)
    (row, *_) = reliability.rows(predictions.assign(**{"uncalibrated/t": np.nan}), ["t"])
    assert row.before is None
    assert reliability.rows(predictions, ["other"]) == []
    assert reliability.rows(None, ["t"]) == []


def test_the_diagram_has_a_panel_a_set_with_both_curves(predictions) -> None:
    svg = reliability.diagram(predictions, ["t"])
    texts = [element.text for element in ElementTree.fromstring(svg).iter("text")]
    for title in ("validation", "in distribution", "shifted"):
        assert f"reliability, {title}" in texts
    assert texts.count("before") == texts.count("after") == 3
    assert reliability.diagram(predictions, ["other"]) is None
