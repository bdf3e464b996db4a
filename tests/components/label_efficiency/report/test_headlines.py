"""The rule by which REMEDIS matches the baseline."""

import numpy as np
import pytest

from components.label_efficiency.cell.settings import StudySettings
from components.label_efficiency.report.curves import LABELS_ID, Curve, Point
from components.label_efficiency.report.headlines import headline
from components.label_efficiency.report.wording import answer
from components.statistics.bootstrap import Bootstrap
from tests.components.label_efficiency.report.conftest import records

RECORDS = records(1.0)
SETTINGS = StudySettings(resamples=200, seeds=(0,), margin=0.02)


def curve(ours, goal, spread=0.0, baseline="bit", status="judged"):
    """A curve of one seed: AUC of REMEDIS by fraction, and of the baseline at all labels."""
    values = {("remedis", fraction): value for fraction, value in ours.items()}
    values[baseline, 1.0] = goal
    points, bootstraps = [], {}
    for (arm, fraction), value in sorted(values.items()):
        # Only REMEDIS varies: the interval of the difference is value - goal -+ spread.
        draws = np.full(200, value)
        if arm == "remedis":
            draws = draws + np.linspace(-spread, spread, 200)
        bootstraps[arm, fraction] = {0: Bootstrap(RECORDS, {"auc": value}, {"auc": draws})}
        size = (1, 1)
        state = status if arm == baseline else "judged"
        points.append(Point(arm, fraction, state, "", value, 0, 1, {0: value}, size, size, 60, 120))
    return Curve(LABELS_ID, tuple(points), bootstraps)


@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        ({0.01: 0.7, 0.1: 0.9, 1.0: 0.95}, 0.1),
        ({0.01: 0.91, 0.1: 0.9, 1.0: 0.95}, 0.01),
        # A lucky small fraction does not count: larger ones fall below again.
        ({0.01: 0.92, 0.1: 0.8, 1.0: 0.95}, 1.0),
        ({0.01: 0.7, 0.1: 0.8, 1.0: 0.89}, None),
        ({0.01: 0.95, 0.1: 0.95, 1.0: 0.85}, None),
        ({1.0: 0.9}, 1.0),  # equal is not below
    ],
)
def test_smallest_fraction_from_which_on_it_matches(ours, expected):
    found = headline(curve(ours, 0.9), ["bit", "random", "remedis"], SETTINGS)
    assert found.fraction == expected
    assert found.status == ("not_reached" if expected is None else "reached")
    assert ("does not match" in answer(found)) == (expected is None)


def test_stricter_figure_asks_the_interval():
    # Differences +0.01, +0.03, +0.05 with intervals of about -+ 0.04: only the last two end
    # above -0.02.
    ours = {0.01: 0.91, 0.1: 0.93, 1.0: 0.95}
    found = headline(curve(ours, 0.9, spread=0.042), ["bit", "remedis"], SETTINGS)
    assert (found.fraction, found.sure_fraction) == (0.01, 0.1)


def test_random_init_is_the_baseline_where_there_is_no_other():
    found = headline(
        curve({0.1: 0.9, 1.0: 0.9}, 0.8, baseline="random"), ["random", "remedis"], SETTINGS
    )
    assert (found.baseline, found.fraction) == ("random", 0.1)


def test_unknown_baseline_is_no_success():
    found = headline(curve({1.0: 0.9}, 0.5, status="not_enough_data"), ["bit", "remedis"], SETTINGS)
    assert (found.status, found.fraction) == ("not_enough_data", None)
    assert "not enough data" in answer(found)
