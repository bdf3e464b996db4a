"""Reads a CSV or Parquet file of predictions into columns of text, and refuses damaged files.

No message quotes a cell, because it is not yet known which column holds patient ids. A file is read
in pieces, each turned into compact columns before the next; what no table of predictions needs
(`MAX_COLUMNS` and the limits of `bounded_stream` and `text_columns`) is refused while reading.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from components.model_gate.standalone.bounded_stream import MAX_BYTES, BoundedStream, bounded
from components.model_gate.standalone.text_columns import (
    MAX_CELL,
    MAX_ROWS,
    PIECE,
    TextColumns,
    huge,
)
from schemas.errors import InputError
from schemas.printable import printable

if TYPE_CHECKING:
    import _csv

    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

MAX_COLUMNS = 2000
STDIN = "-"
_PARQUET = b"PAR1"
_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def read_predictions(path: str) -> pd.DataFrame:
    """Reads every column as stripped text; an empty cell is an empty string.

    The index is the line number in a CSV file and the row number in a Parquet file.

    Args:
        path: A file or a pipe, gzipped or not; `-` for standard input.

    Raises:
        InputError: The file is neither CSV nor Parquet, is damaged, or larger than is accepted.
    """
    _give_memory_back()
    try:
        with _opened(path) as file:
            source = bounded(file, path)
            if source.head != _PARQUET:
                table = _read_csv(path, source)
            elif file.seekable() and not source.unpacks:
                table = _read_parquet(path, file)
            else:
                table = _read_parquet(path, io.BytesIO(source.read()))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"predictions '{path}' are damaged gzip: {error}") from None
    except OSError as error:
        raise InputError(f"predictions '{path}' can't be read: {error.strerror}") from None
    if table.empty:
        raise InputError(f"predictions '{path}' hold no rows")
    return table


def _give_memory_back() -> None:
    """Arrow's other allocators keep what is freed for a while, which for a large table is much."""
    import pyarrow as pa

    if "jemalloc" in pa.supported_memory_backends():
        pa.set_memory_pool(pa.jemalloc_memory_pool())


@contextlib.contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    if path == STDIN:
        yield sys.stdin.buffer
    else:
        with Path(path).open("rb") as file:
            yield file


def _read_csv(path: str, source: BoundedStream) -> pd.DataFrame:
    # utf-8-sig: the byte order mark of spreadsheet programs is not part of the first name.
    stream = io.TextIOWrapper(source, encoding="utf-8-sig", newline="")  # type: ignore[type-var]
    source.begin_row()
    try:
        reader = csv.reader(stream, strict=True)
        header = _header(path, next(reader, []))
        found = TextColumns(path, header, "line")
        for rows, lines in _pieces(path, source, reader, len(header)):
            found.add(_columns(rows), np.array(lines, np.int32))
    except UnicodeDecodeError as error:
        at = source.count - len(error.object) + error.start
        raise InputError(
            f"predictions '{path}' are not UTF-8 text: byte 0x{error.object[error.start]:02x} at "
            f"{at}; save them as CSV in UTF-8, or as Parquet"
        ) from None
    except csv.Error as error:
        raise InputError(f"predictions '{path}' are not CSV: {error}") from None
    return found.table()


def _pieces(
    path: str, source: BoundedStream, reader: _csv.Reader, width: int
) -> Iterator[tuple[list[list[str]], list[int]]]:
    """Some rows at a time, with the line that each ends on."""
    rows: list[list[str]] = []
    lines: list[int] = []
    for row in reader:
        source.begin_row()
        if not row:
            continue
        if len(row) != width:
            # Length first: an unclosed quote swallows rows and would cause both errors.
            if any(len(cell) > MAX_CELL for cell in row):
                raise huge(path, f"line {reader.line_num}")
            if rows:
                yield rows, lines
            raise InputError(
                f"predictions '{path}', line {reader.line_num}: {len(row)} cells, the header has "
                f"{width}"
            )
        rows.append(row)
        lines.append(reader.line_num)
        if len(rows) == PIECE:
            yield rows, lines
            rows, lines = [], []
    if rows:
        yield rows, lines


def _columns(rows: Sequence[Sequence[str]]) -> list[pa.Array]:
    import pyarrow as pa

    return [pa.array(cells, pa.large_string()) for cells in zip(*rows, strict=True)]


def _read_parquet(path: str, source: BinaryIO) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(source)
        header = _header(path, file.schema_arrow.names)
        _check_size(path, file.metadata)
        # Text stays a dictionary until its longest value is known: a few bytes can stand for a
        # long text in each of a million rows.
        text = [
            field.name
            for field in file.schema_arrow
            if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
        ]
        source.seek(0)
        file = pq.ParquetFile(source, read_dictionary=text, pre_buffer=False)
        found, rows = TextColumns(path, header, "row"), 0
        for batch in file.iter_batches(batch_size=PIECE, use_threads=False):
            numbers = np.arange(rows + 1, rows + 1 + len(batch), dtype=np.int32)
            found.add([_text(path, column) for column in batch.columns], numbers)
            rows += len(batch)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"predictions '{path}' are not readable Parquet: {error}") from None
    return found.table()


def _check_size(path: str, metadata: pq.FileMetaData) -> None:
    size = sum(metadata.row_group(one).total_byte_size for one in range(metadata.num_row_groups))
    for number, most, what in (
        (metadata.num_rows, MAX_ROWS, "rows"),
        (metadata.num_columns, MAX_COLUMNS, "columns"),
        (size, MAX_BYTES, "bytes"),
    ):
        if number > most:
            raise InputError(
                f"predictions '{path}' have {number} {what}, at most {most} are accepted"
            )


def _text(path: str, cells: pa.Array) -> pa.Array:
    """Cells as Python writes them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        encoded = cells if isinstance(cells, pa.DictionaryArray) else cells.dictionary_encode()
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):  # lists and other nested values
        texts = ["" if one is None else _as_text(one) for one in cells.to_pylist()]
        return pa.array(texts, pa.large_string())
    values = encoded.dictionary
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        longest = pc.max(pc.utf8_length(values)).as_py()
        if longest is not None and longest > MAX_CELL:
            raise huge(path, "some row")
        texts = values.cast(pa.large_string())
    elif pa.types.is_floating(values.type) or pa.types.is_integer(values.type):
        numbers = values.to_numpy(zero_copy_only=False).tolist()
        texts = pa.array(list(map(str, numbers)), pa.large_string())
    else:
        texts = pa.array([_as_text(one) for one in values.to_pylist()], pa.large_string())
    return pc.fill_null(texts.take(encoded.indices), "")


def _as_text(cell: object) -> str:
    return cell.decode("utf-8", errors="replace") if isinstance(cell, bytes) else str(cell)


def _header(path: str, names: Sequence[str]) -> list[str]:
    """Names without the blanks around them, and without what a terminal would obey."""
    header = [name.strip() for name in names]
    if not header:
        raise InputError(f"predictions '{path}' are empty: expected a first line of column names")
    if len(header) > MAX_COLUMNS:
        raise InputError(
            f"predictions '{path}' have {len(header)} columns, at most {MAX_COLUMNS} are accepted"
        )
    if len(header) == 1:
        for delimiter, name in _OTHER_DELIMITERS.items():
            if delimiter in header[0]:
                raise InputError(
                    f"predictions '{path}': columns are separated by {name}, commas are accepted"
                )
    # Escaped first: two names may differ in nothing else.
    header = [printable(name) for name in header]
    twice = [at + 1 for at, name in enumerate(header) if name in header[:at]]
    if twice:
        raise InputError(
            f"predictions '{path}': columns {twice} have the name of an earlier one, names must "
            "differ"
        )
    return header
