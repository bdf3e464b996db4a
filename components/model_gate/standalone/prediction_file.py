"""Reads a CSV or Parquet file of predictions into columns of text, and refuses damaged files.

No message quotes a cell, because it is not yet known which column holds patient ids.
"""

from __future__ import annotations

import csv
import gzip
import io
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.errors import InputError
from schemas.printable import printable

if TYPE_CHECKING:
    import pandas as pd

MAX_CELL = 1000
STDIN = "-"
_PARQUET = b"PAR1"
_GZIP = b"\x1f\x8b"
_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def read_predictions(path: str) -> pd.DataFrame:
    """Reads every column as stripped text; an empty cell is an empty string.

    The index is the line number in a CSV file and the row number in a Parquet file.

    Args:
        path: A file or a pipe, gzipped or not; `-` for standard input.

    Raises:
        InputError: The file is neither CSV nor Parquet, or is damaged.
    """
    content = _content(path)
    read = _read_parquet if content.startswith(_PARQUET) else _read_csv
    table = read(path, content)
    if table.empty:
        raise InputError(f"predictions '{path}' hold no rows")
    return table


def _content(path: str) -> bytes:
    """A pipe can be read only once, so what kind of file it is follows from the content."""
    try:
        content = sys.stdin.buffer.read() if path == STDIN else Path(path).read_bytes()
        return gzip.decompress(content) if content.startswith(_GZIP) else content
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"predictions '{path}' are damaged gzip: {error}") from None
    except OSError as error:
        raise InputError(f"predictions '{path}' can't be read: {error.strerror}") from None


def _read_csv(path: str, content: bytes) -> pd.DataFrame:
    import pandas as pd

    lines: list[int] = []
    rows: list[list[str]] = []
    try:
        # utf-8-sig: the byte order mark of spreadsheet programs is not part of the first name.
        stream = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")
        reader = csv.reader(stream, strict=True)
        header = _header(path, next(reader, []))
        for row in reader:
            if not row:
                continue
            _check_row(path, reader.line_num, row, len(header))
            lines.append(reader.line_num)
            rows.append([cell.strip() for cell in row])
    except UnicodeDecodeError as error:
        raise InputError(
            f"predictions '{path}' are not UTF-8 text: byte 0x{error.object[error.start]:02x} at "
            f"{error.start}; save them as CSV in UTF-8, or as Parquet"
        ) from None
    except csv.Error as error:
        raise InputError(f"predictions '{path}' are not CSV: {error}") from None
    return pd.DataFrame(rows, index=lines, columns=header, dtype=object)


def _read_parquet(path: str, content: bytes) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        header = _header(path, file.schema_arrow.names)
        table = file.read()
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"predictions '{path}' are not readable Parquet: {error}") from None
    columns = {}
    for place, name in enumerate(header):
        cells = table.column(place).to_pylist()
        columns[name] = ["" if cell is None else _text(cell) for cell in cells]
    texts = pd.DataFrame(columns, dtype=object)
    texts.index += 1
    for name in texts.columns:
        if (long := texts[name].str.len() > MAX_CELL).any():
            raise _huge(path, f"row {long.idxmax()}")
    return texts


def _text(cell: object) -> str:
    if isinstance(cell, bytes):
        return cell.decode("utf-8", errors="replace").strip()
    return str(cell).strip()


def _header(path: str, names: Sequence[str]) -> list[str]:
    """Names without the blanks around them, and without what a terminal would obey."""
    header = [name.strip() for name in names]
    if not header:
        raise InputError(f"predictions '{path}' are empty: expected a first line of column names")
    if len(header) == 1:
        for delimiter, name in _OTHER_DELIMITERS.items():
            if delimiter in header[0]:
                raise InputError(
                    f"predictions '{path}': columns are separated by {name}, commas are accepted"
                )
    twice = [at + 1 for at, name in enumerate(header) if name in header[:at]]
    if twice:
        raise InputError(
            f"predictions '{path}': columns {twice} have the name of an earlier one, names must "
            "differ"
        )
    return [printable(name) for name in header]


def _check_row(path: str, line: int, row: Sequence[str], width: int) -> None:
    # Length first: an unclosed quote swallows rows and would cause both errors.
    if any(len(cell) > MAX_CELL for cell in row):
        raise _huge(path, f"line {line}")
    if len(row) != width:
        raise InputError(
            f"predictions '{path}', line {line}: {len(row)} cells, the header has {width}"
        )


def _huge(path: str, where: str) -> InputError:
    return InputError(
        f"predictions '{path}', {where}: a cell holds more than {MAX_CELL} characters (is a quote "
        "not closed?)"
    )
