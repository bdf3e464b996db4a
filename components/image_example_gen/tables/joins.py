"""Columns of a second table, looked up by key, in a few bytes per row.

Public data sets describe one image in several tables. A dictionary of strings takes hundreds of
bytes per row; here a row takes 17: a 64-bit digest of the key, the numbers of its value and of the
row, and whether it was looked up.
"""

from __future__ import annotations

import array
import hashlib
from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Generic, TypeVar

from schemas.errors import InputError

if TYPE_CHECKING:
    import numpy as np

Value = TypeVar("Value", bound=Hashable)


class Lookup(Generic[Value]):
    """Maps text keys to values, of which few are distinct."""

    def __init__(
        self,
        pairs: Iterable[tuple[str, Value]],
        name: str,
        where: Callable[[int], str] | None = None,
    ):
        """Reads all pairs.

        Args:
            pairs: key and value.
            name: the table, for messages; these show no key, because keys may identify patients.
            where: place of a row for messages, if the table knows better than its name and number.

        Raises:
            InputError: two rows give one key different values.
        """
        import numpy as np

        keys, codes = array.array("Q"), array.array("I")
        numbers: dict[Value, int] = {}
        for key, value in pairs:
            keys.append(_digest(key))
            codes.append(numbers.setdefault(value, len(numbers)))
        self._values = list(numbers)
        order = np.argsort(np.frombuffer(keys, np.uint64), kind="stable")
        self._keys = np.frombuffer(keys, np.uint64)[order]
        self._codes = np.frombuffer(codes, np.uint32)[order]
        self._numbers = (order + 1).astype(np.uint32)
        self._used = np.zeros(len(order), bool)
        same = self._keys[1:] == self._keys[:-1]
        clash = np.flatnonzero(same & (self._codes[1:] != self._codes[:-1]))
        if clash.size:
            first, second = sorted(int(order[place]) + 1 for place in (clash[0], clash[0] + 1))
            places = f"{where(first)} and {where(second)}" if where else ""
            raise InputError(
                f"{places or f'{name}, rows {first} and {second}'}: same key, but different "
                "values; keep one"
            )

    def get(self, key: str) -> Value | None:
        """Returns the key's value; None for an unknown key."""
        import numpy as np

        digest = _digest(key)
        place = int(np.searchsorted(self._keys, np.uint64(digest)))
        if place == len(self._keys) or int(self._keys[place]) != digest:
            return None
        self._used[place] = True
        return self._values[self._codes[place]]

    @property
    def distinct(self) -> int:
        """Number of distinct keys."""
        return int(self._first().sum())

    def unused(self) -> list[int]:
        """Numbers of the rows, counted from 1, whose key was never looked up, one per key."""
        return sorted(self._numbers[self._first() & ~self._used].tolist())

    def _first(self) -> np.ndarray:
        """Mask of the rows that are the first with their key; `get` finds only these."""
        import numpy as np

        first = np.ones(len(self._keys), bool)
        first[1:] = self._keys[1:] != self._keys[:-1]
        return first

    def __len__(self) -> int:
        return len(self._keys)


def _digest(key: str) -> int:
    data = key.encode(errors="surrogateescape")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")
