import numpy as np
import pytest

from components.image_example_gen.tables.joins import Lookup
from schemas.errors import InputError


def test_finds_what_a_dictionary_finds():
    rng = np.random.default_rng(0)
    pairs = {str(key): ("a", None, 1.0)[key % 3] for key in rng.integers(0, 10**9, 5000)}
    lookup = Lookup(pairs.items(), "table")
    assert all(lookup.get(key) == value for key, value in pairs.items())
    assert all(lookup.get(f"{key}x") is None for key in pairs)


def test_repeated_rows_are_one_and_contradictions_are_refused():
    assert Lookup([("a", 1), ("b", 2), ("a", 1)], "table").get("a") == 1
    with pytest.raises(InputError, match="table, rows 1 and 3: same key"):
        Lookup([("a", 1), ("b", 2), ("a", 3)], "table")
    with pytest.raises(InputError, match="line 2 and line 4: same key"):
        Lookup([("a", 1), ("b", 2), ("a", 3)], "table", lambda row: f"line {row + 1}")


def test_empty():
    assert Lookup([], "table").get("a") is None
