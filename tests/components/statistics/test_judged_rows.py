"""Records from a table: known labels, numbered patients, and what counts once."""

import numpy as np
import pandas as pd
import pytest

from components.statistics.judged_rows import JudgedRows
from schemas import features
from trainer_modules.settings import TaskSettings

# Two findings. Patient p2 has two studies, one of which has the same name as one of p1.
TABLE = pd.DataFrame(
    {
        "patient_id": ["p2", "p1", "p2", "p2", "p3", "p1"],
        "study_id": ["s1", "s1", "s1", "s2", "s3", "s1"],
        "label/a": [1.0, 0.0, 1.0, 0.0, 1.0, 0.0],
        "label/a/weight": [1.0, 1.0, 1.0, 1.0, 0.0, 1.0],
        "prediction/a": [0.9, 0.1, 0.8, 0.3, 0.5, 0.2],
        "decision/a": [1.0, 0.0, 1.0, 0.0, 1.0, 1.0],
        "label/b": [0.0, 1.0, 0.0, 1.0, 1.0, 0.0],
        "label/b/weight": [1.0, 0.0, 0.0, 2.0, 0.0, 1.0],
        "prediction/b": [0.6, 0.5, 0.4, 0.3, 0.2, 0.1],
        "decision/b": [1.0, 1.0, 0.0, 0.0, 0.0, 0.0],
    }
)
KNOWN = [0, 1, 2, 3, 5]  # p3 has no known label


def test_records_with_a_known_label_and_their_columns():
    records = JudgedRows.from_table(TABLE, ("a", "b"))
    assert (records.targets, records.exclusive) == (("a", "b"), False)
    assert (records.patients, records.examples) == (2, 5)
    assert records.patient.tolist() == [1, 0, 1, 1, 0]  # p1 is 0, whichever comes first
    for name, column in (
        ("label", "label/{}"),
        ("weight", "label/{}/weight"),
        ("score", "prediction/{}"),
        ("decision", "decision/{}"),
    ):
        expected = TABLE[[column.format(one) for one in "ab"]].to_numpy()[KNOWN]
        np.testing.assert_array_equal(getattr(records, name), expected, err_msg=name)
    assert records.size_of("a") == (2, 5)
    assert records.size_of("b") == (2, 3)


@pytest.mark.parametrize(
    ("kind", "exclusive"), [("binary", False), ("multilabel", False), ("multiclass", True)]
)
def test_targets_of_a_task(kind, exclusive):
    task = {
        "binary": TaskSettings(labels=("a",)),
        "multilabel": TaskSettings(kind="multilabel", labels=("a", "b")),
        "multiclass": TaskSettings(kind="multiclass", labels=("kind",), classes=("a", "b")),
    }[kind]
    records = JudgedRows.of_task(TABLE, task)
    assert records.targets == (("a",) if kind == "binary" else ("a", "b"))
    assert records.exclusive is exclusive
    assert JudgedRows.of_task(TABLE, task, "study_id").weight[:, 0].sum() == 3


@pytest.mark.parametrize(
    ("unit", "first", "second"),
    [
        (features.IMAGE_ID, [1, 1, 1, 1, 1], [1, 0, 0, 2, 1]),
        # s1 of p1 and s1 of p2 are two studies; only known labels share one's weight.
        ("study_id", [1 / 2, 1 / 2, 1 / 2, 1, 1 / 2], [1, 0, 0, 1, 1]),
        ("patient_id", [1 / 3, 1 / 2, 1 / 3, 1 / 3, 1 / 2], [1 / 3, 0, 0, 2 / 3, 1]),
    ],
)
def test_records_of_what_counts_once_share_its_weight(unit, first, second):
    records = JudgedRows.from_table(TABLE, ("a", "b"), unit=unit)
    np.testing.assert_allclose(records.weight, np.array([first, second]).T)


def test_by_patient_the_known_records_of_each_share_a_weight_of_one():
    equal = JudgedRows.from_table(TABLE, ("a", "b")).by_patient()
    expected = [[1 / 3, 1 / 2, 1 / 3, 1 / 3, 1 / 2], [1 / 3, 0, 0, 2 / 3, 1]]
    np.testing.assert_allclose(equal.weight, np.array(expected).T)
    assert equal.patient.tolist() == [1, 0, 1, 1, 0]


def test_part_of_the_records_numbers_its_patients_anew():
    records = JudgedRows.from_table(TABLE, ("a", "b"))
    part = records.part(np.array([True, False, True, False, False]))
    assert (part.patient.tolist(), part.patients, part.examples) == ([0, 0], 1, 2)
    assert part.targets == records.targets
    for name in ("label", "weight", "score", "decision"):
        np.testing.assert_array_equal(getattr(part, name), getattr(records, name)[[0, 2]])


def test_patients_that_are_numbers_are_sorted_as_text():
    table = TABLE.assign(patient_id=[10, 9, 10, 10, 3, 9])
    assert JudgedRows.from_table(table, ("a",)).patient.tolist() == [0, 1, 0, 0, 1]
