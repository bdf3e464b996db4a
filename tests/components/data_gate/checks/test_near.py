"""The search for near duplicates against comparing everything with everything."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.data_gate.checks import outcomes
from components.data_gate.checks.findings import Look, NearDuplicates, Pair
from components.data_gate.checks.index import Index
from components.data_gate.checks.near import candidates, near_duplicates
from components.image_example_gen.writing.examples import index_schema


def flipped(phash: bytes, count: int, seed: int = 0) -> bytes:
    """The hash with some bits changed."""
    bits = np.unpackbits(np.frombuffer(phash, np.uint8))
    bits[np.random.default_rng(seed).choice(256, count, replace=False)] ^= 1
    return np.packbits(bits).tobytes()


def index_of(folder, rows) -> Index:
    """Rows of (split, phash, digest), numbered from 0, in two files."""
    schema = index_schema((), ())
    records = [
        {
            "split": split,
            "phash": phash.hex(),
            "digest": f"{digest:064x}",
            "row": number,
            "image_id": f"{number:032x}",
        }
        for number, (split, phash, digest) in enumerate(rows)
    ]
    for place in range(2):
        table = pa.Table.from_pylist(records[place::2], schema=schema)
        pq.write_table(table, folder / f"index-{place}.parquet")
    return Index(str(folder))


@pytest.fixture
def hashes() -> list[bytes]:
    return [np.random.default_rng(seed).bytes(32) for seed in range(60)]


@pytest.mark.parametrize("bits", [0, 1, 7, 16, 32])
def test_candidates_are_all_that_brute_force_finds(hashes, bits):
    # 60 pictures, each with copies at growing distances.
    every = [flipped(h, n, n) for h in hashes for n in (0, bits // 2, bits, bits + 1)]
    words = np.frombuffer(b"".join(every), np.uint64).reshape(-1, 4)
    found = {}
    for first, second, distances in candidates(words, bits):
        for a, b, d in zip(first, second, distances, strict=True):
            found[min(a, b), max(a, b)] = d
    apart = np.bitwise_count(words[:, None] ^ words[None]).sum(-1)
    expected = {
        (a, b): apart[a, b] for a, b in zip(*np.nonzero(apart <= bits), strict=True) if a < b
    }
    assert found == expected
    assert len(found) >= 60


def test_a_near_copy_in_another_split_is_found_with_rows(tmp_path, hashes):
    rows = [("train", h, 1 << 200 | n << 196) for n, h in enumerate(hashes[:30])]
    rows += [("test", h, 2 << 200 | n << 196) for n, h in enumerate(hashes[30:])]
    rows += [
        ("validation", flipped(hashes[3], 5), 3 << 240),
        ("validation", flipped(hashes[3], 5), 4 << 240),
        ("test", flipped(hashes[4], 17), 5 << 240),  # a bit too far
        ("train", flipped(hashes[5], 1), 6 << 240),  # in its own split
    ]
    found = near_duplicates(index_of(tmp_path, rows), 16)
    assert found.count == 1
    (pair,) = found.pairs
    assert pair.bits == 5
    assert [(look.split, look.count, look.rows) for look in pair.looks] == [
        ("train", 1, (3,)),
        ("validation", 2, (60, 61)),
    ]
    assert pair.looks[1].images == (f"{60:032x}", f"{61:032x}")


def test_equal_hashes_are_near_but_equal_pixels_are_another_checks_matter(tmp_path, hashes):
    same, other = hashes[:2]
    rows = [("train", same, 7 << 240), ("test", same, 7 << 240)]
    rows += [("train", other, 8 << 240), ("test", other, 9 << 240)]
    (pair,) = near_duplicates(index_of(tmp_path, rows), 16).pairs
    assert pair.bits == 0
    assert [look.rows for look in pair.looks] == [(2,), (3,)]


def test_blank_images_are_left_out(tmp_path):
    rows = [("train", b"", 1 << 240), ("test", b"", 2 << 240)]
    assert near_duplicates(index_of(tmp_path, rows), 16) == NearDuplicates(0)


def test_the_check_names_rows_and_acts_as_told():
    looks = (Look("train", 1, (3,), ("a",)), Look("test", 2, (60, 61)))
    found = NearDuplicates(5, (Pair(4, looks),) * 4)
    check = outcomes.near_duplicates(found, "stop")
    assert check.stops
    assert check.message.startswith(
        "5 pairs look alike across splits: train (row 3) and test (rows 60, 61), 4 bits apart;"
    )
    assert check.message.endswith("and 2 more")
    assert check.details[0]["looks"][0] == {
        "split": "train",
        "count": 1,
        "rows": (3,),
        "images": ("a",),
    }
    assert not outcomes.near_duplicates(found, "report").stops
    assert outcomes.near_duplicates(NearDuplicates(0), "stop").passed
