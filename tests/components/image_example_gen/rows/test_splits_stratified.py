"""Splits of classes with few patients: counted out, where the hash would leave them to chance."""

from __future__ import annotations

import collections
import hashlib
import itertools

import pytest

from components.image_example_gen.rows.row import Row
from components.image_example_gen.rows.splits import plan_splits
from components.image_example_gen.settings import SplitSettings

SHARES = SplitSettings(unlabeled=0.4, train=0.3, validation=0.1, test=0.2)
BY_HASH = SHARES.model_copy(update={"stratify_below": 0})


def rows_of(labels, images=2, split=None):
    """Patients p0, p1, ... with these labels (a tuple each), some images of each."""
    return [
        Row(p * images + i, f"{p}-{i}.png", f"p{p}", "site", "in_distribution", split, given, ())
        for p, given in enumerate(labels)
        for i in range(images)
    ]


def places(rows, shares=SHARES, seed=0):
    """Patient -> split, after a look that every one has a single split."""
    splitter, counts = plan_splits(rows, shares, seed)
    found = collections.defaultdict(set)
    for row in rows:
        found[row.patient_id].add(splitter.split(row))
    assert counts == collections.Counter(splitter.split(row) for row in rows)
    assert {len(splits) for splits in found.values()} == {1}
    return {patient: splits.pop() for patient, splits in found.items()}


def tally(placed, patients):
    counts = collections.Counter(placed[f"p{p}"] for p in patients)
    return tuple(counts[name] for name in ("unlabeled", "train", "validation", "test"))


@pytest.mark.parametrize("seed", range(20))
def test_ten_positives_are_in_every_split_by_its_fraction(seed):
    labels = [(float(p < 10),) for p in range(400)]
    rows = rows_of(labels)
    assert tally(places(rows, seed=seed), range(10)) == (4, 3, 1, 2)


def test_the_hash_alone_leaves_splits_without_positives():
    rows = rows_of([(float(p < 10),) for p in range(400)])
    found = [tally(places(rows, BY_HASH, seed), range(10)) for seed in range(20)]
    # (1 - 0.1) to the tenth is 0.35: of 20 seeds, some lack one in validation.
    assert any(counts[2] == 0 for counts in found)


@pytest.mark.parametrize(("split", "salt"), [(None, "split"), ("train", "validation")])
def test_within_a_rare_class_the_published_hash_decides_who_goes_where(split, salt):
    rows = rows_of([(float(p < 10),) for p in range(400)], split=split)

    def place(patient):
        text = "\x1f".join(("7", salt, patient)).encode()
        return hashlib.blake2b(text, digest_size=8).digest()

    placed = places(rows, seed=7)
    order = [placed[patient] for patient in sorted((f"p{p}" for p in range(10)), key=place)]
    # Each split has a run of the order, as it has a run of the hash's values.
    runs = [name for name, _ in itertools.groupby(order)]
    assert len(runs) == len(set(runs))
    assert runs in (["unlabeled", "train", "validation", "test"], ["validation", "train"])


@pytest.mark.parametrize(
    ("positives", "expected"),
    [
        (1, (0, 1, 0, 0)),
        (2, (0, 1, 0, 1)),
        (3, (0, 1, 1, 1)),
        # The next are furthest below their fraction in unlabeled: 1.6, 1.0 and 1.4 patients.
        (4, (1, 1, 1, 1)),
        (5, (2, 1, 1, 1)),
        (20, (8, 6, 2, 4)),
        (99, (40, 30, 10, 19)),
    ],
)
def test_few_patients_go_where_labels_are_needed(positives, expected):
    rows = rows_of([(float(p < positives),) for p in range(400)])
    found = tally(places(rows), range(positives))
    assert sum(found) == positives
    # 39.6, 29.7, 9.9 and 19.8 of 99: which of them is rounded down is of no matter.
    assert all(abs(a - b) <= (positives == 99) for a, b in zip(found, expected, strict=True))


def test_from_the_limit_on_the_hash_decides():
    rows = rows_of([(1.0,)] * 100 + [(0.0,)] * 200)
    assert places(rows) == places(rows, BY_HASH)
    fewer = [row for row in rows if row.patient_id != "p0"]
    assert places(fewer) != {p: s for p, s in places(rows, BY_HASH).items() if p != "p0"}


def test_a_rare_class_moves_nobody_else():
    labels = [(float(p < 10),) for p in range(400)]
    rows = rows_of(labels)
    before, after = places(rows, BY_HASH), places(rows)
    assert all(before[f"p{p}"] == after[f"p{p}"] for p in range(10, 400))


def test_a_patient_of_several_rare_findings_counts_for_the_rarest():
    # Finding a: patients 0 to 39; b: 0 to 9 of them; everybody else is known to have neither.
    labels = [(float(p < 40), float(p < 10)) for p in range(400)]
    placed = places(rows_of(labels))
    assert tally(placed, range(10)) == (4, 3, 1, 2)
    assert tally(placed, range(10, 40)) == (12, 9, 3, 6)


def test_unknown_labels_and_shifted_rows_are_not_dealt():
    rows = rows_of([(None,)] * 150)
    assert places(rows) == places(rows, BY_HASH)
    shifted = [Row(1, "x", "q", "site", "shifted", None, (1.0,), ())]
    assert places(shifted) == {"q": "shifted"}


def test_a_class_of_a_multiclass_task_is_dealt():
    labels = [(2.0,)] * 10 + [(0.0,)] * 150 + [(1.0,)] * 150
    assert tally(places(rows_of(labels)), range(10)) == (4, 3, 1, 2)


def test_validation_is_carved_with_a_tenth_of_few_positives():
    labels = [(float(p < 10),) for p in range(400)]
    train = rows_of(labels, split="train")
    test = [Row(9000, "t.png", "t", "site", "in_distribution", "test", (1.0,), ())]
    for seed in range(10):
        placed = places(train + test, seed=seed)
        assert placed["t"] == "test"
        assert tally(placed, range(10)) == (0, 9, 1, 0)


def test_the_order_of_rows_is_of_no_matter():
    rows = rows_of([(float(p < 10),) for p in range(200)])
    assert places(rows) == places(list(reversed(rows)))
