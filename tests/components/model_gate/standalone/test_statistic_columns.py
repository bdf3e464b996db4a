"""Image statistics beside predictions: numbers for monitoring, no subgroups."""

import numpy as np
import pandas as pd
import pytest

from components.model_gate.standalone.prediction_table import prepare
from schemas.errors import InputError


def raw(values: list[str]) -> pd.DataFrame:
    number = len(values)
    return pd.DataFrame(
        {
            "patient_id": [f"p{one}" for one in range(number)],
            "domain": "in_distribution",
            "label": [str(one % 2) for one in range(number)],
            "score": "0.5",
            "statistic/mean": values,
        }
    )


def test_statistics_are_numbers_and_no_groups():
    # More values than a column of groups may have.
    found = prepare(raw([f"{one / 7}" for one in range(80)] + ["", "nan"]))
    values = found.table["statistic/mean"].to_numpy()
    assert values[:80] == pytest.approx(np.arange(80) / 7)
    assert np.isnan(values[80:]).all()
    assert (found.subgroups, found.ignored) == ((), ())


@pytest.mark.parametrize("cell", ["bright", "inf", "-inf", "1e999", "1,5"])
def test_what_is_no_finite_number_is_refused(cell):
    with pytest.raises(InputError, match=r"row 1 .*'statistic/mean'.*finite number"):
        prepare(raw(["0.5", cell]))
