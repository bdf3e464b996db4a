"""Columns of text, collected from the pieces in which a file is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from components.model_gate.standalone.bounded_stream import MAX_BYTES
from schemas.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

MAX_CELL = 1000
MAX_ROWS = 10**7
# Rows of a piece: as Python objects they take twenty times the memory.
PIECE = 5_000
# A column of more different texts is kept as text, one of fewer as numbers of them.
_FEW = 1000


class TextColumns:
    """Stripped text without missing values, as categories where there are few different texts.

    The others are in Arrow's memory, which takes a fifth of Python's.
    """

    def __init__(self, path: str, header: Sequence[str], counted: str):
        """Starts without rows.

        Args:
            path: The file, for messages.
            header: Names of the columns.
            counted: What rows are numbered by, `line` or `row`.
        """
        self._path = path
        self._header = header
        self._counted = counted
        self._columns: list[list[Any]] = [[] for _ in header]
        # Numbers of the texts of a column that has few; None: it has many.
        self._names: list[dict[str, int] | None] = [{} for _ in header]
        self._numbers: list[np.ndarray] = []
        self._rows = 0
        self._bytes = 0

    def add(self, columns: Sequence[pa.Array], numbers: np.ndarray) -> None:
        """Appends rows.

        Args:
            columns: Text of each column.
            numbers: Line or row number of each row.

        Raises:
            InputError: A cell is too long, or there are too many rows.
        """
        import pyarrow.compute as pc

        self._rows += len(numbers)
        if self._rows > MAX_ROWS:
            raise InputError(
                f"predictions '{self._path}' have more than the {MAX_ROWS} rows that are accepted"
            )
        for place, column in enumerate(columns):
            if (longest := pc.max(pc.binary_length(column)).as_py()) and longest > MAX_CELL:
                long = pc.greater(pc.utf8_length(column), MAX_CELL).to_numpy(zero_copy_only=False)
                if long.any():
                    raise huge(self._path, f"{self._counted} {numbers[long.argmax()]}")
            self._keep(place, pc.utf8_trim_whitespace(column))
        if self._bytes > MAX_BYTES:
            raise InputError(
                f"predictions '{self._path}' hold more than the {MAX_BYTES / 1e9:g} GB of text "
                "that are accepted"
            )
        self._numbers.append(numbers)

    def _keep(self, place: int, column: pa.Array) -> None:
        import pyarrow as pa

        names, kept = self._names[place], self._columns[place]
        if names is not None:
            encoded = column.dictionary_encode()
            texts = encoded.dictionary
            if len(texts) <= len(column) // 2 and len(names) + len(texts) <= _FEW:
                numbers = [names.setdefault(one, len(names)) for one in texts.to_pylist()]
                codes = np.array(numbers, np.int16)[encoded.indices.to_numpy()]
                kept.append(codes)
                self._bytes += codes.nbytes
                return
            self._names[place] = None
            of_names = pa.array(list(names), pa.large_string())
            kept[:] = [of_names.take(pa.array(codes)) for codes in kept]
        kept.append(column)
        self._bytes += column.nbytes

    def table(self) -> pd.DataFrame:
        """All rows; the index is their numbers."""
        import pandas as pd

        columns = {}
        for name, names, pieces in zip(self._header, self._names, self._columns, strict=True):
            found = _texts(pieces) if names is None else _categories(names, pieces)
            columns[name] = pd.Series(found, copy=False)
            pieces.clear()
        table = pd.DataFrame(columns, columns=pd.Index(self._header, dtype=object), copy=False)
        if self._numbers:
            numbers = np.concatenate(self._numbers)
            first = int(numbers[0])
            regular = int(numbers[-1]) - first + 1 == len(numbers)
            table.index = (
                pd.RangeIndex(first, first + len(numbers)) if regular else pd.Index(numbers)
            )
        return table


def _texts(pieces: Sequence[pa.Array]) -> pd.api.extensions.ExtensionArray:
    import pandas as pd
    import pyarrow as pa

    joined = pa.chunked_array(pieces, pa.large_string())
    return pd.StringDtype("pyarrow", na_value=np.nan).__from_arrow__(joined)


def _categories(names: Mapping[str, int], codes: Sequence[np.ndarray]) -> pd.Categorical:
    import pandas as pd

    joined = np.concatenate(codes) if codes else np.empty(0, np.int16)
    return pd.Categorical.from_codes(joined, pd.Index(list(names), dtype=object))


def numbers_of(text: pd.Series) -> np.ndarray:
    """The numbers that are written in a column; NaN where none is."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(text.dtype, pd.CategoricalDtype):
        return numbers_of(pd.Series(text.cat.categories))[text.cat.codes.to_numpy()]
    cells = pa.array(text)
    try:
        numbers = pc.if_else(pc.equal(cells, ""), None, cells).cast(pa.float64())
        return numbers.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    except pa.ArrowInvalid:
        return pd.to_numeric(text.astype(object), errors="coerce").to_numpy(np.float64)


def huge(path: str, where: str) -> InputError:
    """What is said of a cell that is too long."""
    return InputError(
        f"predictions '{path}', {where}: a cell holds more than {MAX_CELL} characters (is a quote "
        "not closed?)"
    )
