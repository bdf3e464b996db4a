"""Splits: disjoint by patient, stable, in the shares asked for."""

from __future__ import annotations

import collections
import hashlib

import numpy as np
import pytest

from components.image_example_gen.rows.row import Row
from components.image_example_gen.rows.splits import Splitter, plan_splits, uniform
from components.image_example_gen.settings import SplitSettings

SHARES = SplitSettings(unlabeled=0.4, train=0.3, validation=0.1, test=0.2)


def row(number, patient, split=None, domain="in_distribution", label=0.0, site="site"):
    """A row of which only patient, split and domain matter."""
    return Row(number, f"{number}.png", patient, site, domain, split, (label,), ())


def rows_of(patients, images=2):
    """Several images a patient."""
    return [row(n * images + i, f"p{p}") for n, p in enumerate(patients) for i in range(images)]


def assignment(rows, seed=0, shares=SHARES):
    """Splits of every patient."""
    splitter, _ = plan_splits(rows, shares, seed)
    splits = collections.defaultdict(set)
    for r in rows:
        splits[r.patient_id].add(splitter.split(r))
    return splits


def test_every_patient_is_in_one_split():
    assert all(len(splits) == 1 for splits in assignment(rows_of(range(500))).values())


def test_shares_are_met_up_to_chance():
    n = 5000
    counts = collections.Counter(next(iter(s)) for s in assignment(rows_of(range(n))).values())
    for name in ("unlabeled", "train", "validation", "test"):
        share = getattr(SHARES, name)
        spread = np.sqrt(share * (1 - share) / n)
        assert abs(counts[name] / n - share) < 4 * spread


def test_shares_hold_within_each_label_and_site():
    n = 6000
    splitter = Splitter(SHARES, seed=3)
    rows = [row(i, f"p{i}", label=float(i % 4 == 0), site=f"site {i % 3}") for i in range(n)]
    strata = collections.Counter((r.labels, r.site) for r in rows)
    assert len(strata) == 6
    found = collections.Counter((r.labels, r.site, splitter.split(r)) for r in rows)
    for (labels, site), count in strata.items():
        for name in ("unlabeled", "train", "validation", "test"):
            share = getattr(SHARES, name)
            spread = np.sqrt(share * (1 - share) / count)
            assert abs(found[labels, site, name] / count - share) < 4 * spread


def test_new_data_move_no_old_patient():
    old = assignment(rows_of(range(300)))
    new = assignment(rows_of([*range(1000, 1500), *reversed(range(300))], images=3))
    assert all(new[patient] == splits for patient, splits in old.items())


def test_the_seed_decides():
    rows = rows_of(range(200))
    assert assignment(rows, seed=1) == assignment(rows, seed=1)
    assert assignment(rows, seed=1) != assignment(rows, seed=2)


def test_no_share_no_patient():
    shares = SplitSettings(unlabeled=0.0, train=0.5, validation=0.25, test=0.25)
    _, counts = plan_splits(rows_of(range(400)), shares, 0)
    assert counts["unlabeled"] == 0
    assert sum(counts.values()) == 800


def test_shifted_rows_are_never_divided():
    rows = [row(i, f"p{i}", domain="shifted") for i in range(50)]
    _, counts = plan_splits(rows, SHARES, 0)
    assert counts == {"shifted": 50}


def test_given_splits_are_kept_even_where_a_patient_is_in_two():
    rows = [row(1, "p", "train"), row(2, "p", "test"), row(3, "q", "validation")]
    splitter, counts = plan_splits(rows, SHARES, 0)
    assert [splitter.split(r) for r in rows] == ["train", "test", "validation"]
    assert counts == {"train": 1, "test": 1, "validation": 1}


def test_validation_is_carved_out_of_train_by_patient():
    train = [row(i, f"p{i // 2}", "train") for i in range(4000)]
    test = [row(5000 + i, f"t{i}", "test") for i in range(100)]
    splitter, counts = plan_splits(train + test, SHARES, 0)
    assert counts["test"] == 100
    assert counts["train"] + counts["validation"] == 4000
    assert abs(counts["validation"] / 4000 - 0.1) < 4 * np.sqrt(0.09 / 2000)
    by_patient = collections.defaultdict(set)
    for r in train:
        by_patient[r.patient_id].add(splitter.split(r))
    assert all(len(s) == 1 for s in by_patient.values())


@pytest.mark.parametrize("extra", [row(9999, "v", "validation"), row(9999, "u", None)])
def test_nothing_is_carved_where_validation_has_another_origin(extra):
    rows = [row(i, f"p{i}", "train") for i in range(300)] + [extra]
    _, counts = plan_splits(rows, SHARES, 0)
    assert counts["train"] >= 300


def test_uniform_is_uniform_and_separates_its_arguments():
    values = np.array([uniform(0, "split", i) for i in range(4000)])
    assert values.min() >= 0
    assert values.max() < 1
    assert abs(values.mean() - 0.5) < 4 * np.sqrt(1 / 12 / 4000)
    assert uniform("a", "bc") != uniform("ab", "c")


def published(*parts):
    """The hash that decides, written down again: another one would move every old patient."""
    text = "\x1f".join(parts).encode()
    return int(hashlib.blake2b(text, digest_size=8).hexdigest(), 16) / 2**64


def test_a_patients_place_is_the_published_hash_of_seed_and_id():
    rows = [row(i, f"p{i}") for i in range(400)]
    splitter, _ = plan_splits(rows, SHARES, 7)
    for one in rows:
        place = published("7", "split", one.patient_id)
        expected = ["unlabeled", "train", "validation", "test"][
            (place >= 0.4) + (place >= 0.7) + (place >= 0.8)
        ]
        assert splitter.split(one) == expected


def test_a_carved_patients_place_is_the_published_hash_too():
    rows = [row(i, f"p{i}", "train") for i in range(400)]
    splitter, _ = plan_splits(rows, SHARES, 7)
    for one in rows:
        carved = published("7", "validation", one.patient_id) < 0.1
        assert splitter.split(one) == ("validation" if carved else "train")


def test_names_that_are_not_utf_8_have_a_place():
    assert 0 <= uniform("scan-\udcff.png") < 1


def test_shares_that_add_up_to_almost_one_leave_no_patient_out(monkeypatch):
    shares = SplitSettings(unlabeled=0.1, train=0.2, validation=0.3, test=0.4 - 5e-7)
    place = 1 - 2**-53
    monkeypatch.setattr("components.image_example_gen.rows.splits.uniform", lambda *_: place)
    assert Splitter(shares, 0).split(row(1, "p")) == "test"
