"""Which labels a cell may use."""

import numpy as np
import pytest

from components.label_efficiency.cell import labels
from trainer_modules.input import records
from trainer_modules.settings import TaskSettings

TASK = TaskSettings(kind="binary", labels=("finding",))


def part(positive, negative, images=2):
    """So many patients with the finding and without, each with some images."""
    patients = np.repeat([b"%04d" % n for n in range(positive + negative)], images)
    truth = np.repeat([1.0] * positive + [0.0] * negative, images)[:, None]
    index = records.Index(patients, truth, np.ones_like(truth))
    return records.Records((), TASK, len(index), 100), index


def names(index):
    return set(index.patients.tolist())


@pytest.mark.parametrize(
    ("positive", "negative", "fraction", "missing"),
    [
        (100, 100, 0.01, ""),
        (40, 100, 0.01, "1 % of 40 patients with 'finding'"),
        (100, 40, 0.01, "1 % of 40 patients without 'finding'"),
        (5, 5, 0.3, ""),
        (10, 0, 1.0, "100 % of 0 patients without 'finding'"),
    ],
)
def test_share_that_is_no_patient_of_a_class_is_named(positive, negative, fraction, missing):
    drawn = labels.draw(part(positive, negative), fraction, seed=0, task=TASK)
    assert drawn.shortage.startswith(missing)
    assert bool(drawn.shortage) == bool(missing)


def test_unknown_labels_are_no_examples():
    source, index = part(100, 100)
    unknown = index.labels * 0
    unknown[index.labels == 0] = 1
    hidden = records.Index(index.patients, index.labels, unknown)
    assert "0 patients with" in labels.draw((source, hidden), 0.5, 0, TASK).shortage


def test_every_class_of_a_multiclass_task_is_asked_for():
    task = TaskSettings(kind="multiclass", labels=("class",), classes=("cat", "dog", "ship"))
    classes = np.eye(3)[np.arange(90) % 2]  # no ship
    index = records.Index(np.array([b"%d" % n for n in range(90)]), classes, np.ones((90, 1)))
    assert "0 patients with 'ship'" in labels.shortage(index, 1.0, task)


def test_draws_are_nested_and_differ_by_seed():
    pool = part(60, 60)
    some, more = (names(labels.draw(pool, f, 1, TASK).index) for f in (0.1, 0.3))
    assert some < more
    assert len(more) == 36
    assert names(labels.draw(pool, 0.1, 2, TASK).index) != some


def test_shifted_patients_are_divided_by_patient():
    shifted = part(30, 70)
    adaptation, evaluation = labels.divide_shifted(shifted, 0.5, seed=4)
    again = labels.divide_shifted(shifted, 0.5, seed=4)
    assert not names(adaptation[1]) & names(evaluation[1])
    assert names(adaptation[1]) | names(evaluation[1]) == names(shifted[1])
    assert names(evaluation[1]) == names(again[1][1])
    assert names(evaluation[1]) != names(labels.divide_shifted(shifted, 0.5, seed=5)[1][1])
    # Stratified: half of the 30 patients with the finding (two images each) are on either side.
    assert adaptation[1].labels.sum() == evaluation[1].labels.sum() == 30
    assert adaptation[0].count == evaluation[0].count == 100


def test_nobody_left_to_adapt_on_is_a_shortage():
    adaptation, _ = labels.divide_shifted(part(1, 1), 0.99, seed=0)
    assert labels.draw(adaptation, 1.0, 0, TASK).shortage
