"""Tables as data sets ship them: CSV (gzip allowed) and Parquet, read row by row as text.

CSV is comma-separated UTF-8, with or without a byte-order mark. Messages name file, row and
column.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import math
import os
import zlib
from collections.abc import Iterator, Sequence

from components.image_example_gen.tables import shown
from schemas.errors import InputError

_GZIP_MAGIC = b"\x1f\x8b"
_PARQUET_MAGIC = b"PAR1"


class Table:
    """A table file; nothing is read before it is asked for.

    Attributes:
        empty_rows: rows without any value, which are skipped, of the last reading to the end.
    """

    def __init__(self, folder: str, name: str):
        """Names the table.

        Args:
            folder: where it is.
            name: path inside the folder, which messages show.
        """
        self.path = os.path.join(folder, name)
        self.name = name
        self.empty_rows = 0

    def header(self) -> list[str]:
        """Returns the names of the columns."""
        if self._magic() == _PARQUET_MAGIC:
            import pyarrow as pa
            import pyarrow.parquet as pq

            try:
                return list(pq.read_schema(self.path).names)
            except (pa.ArrowException, OSError) as error:
                raise InputError(f"{self.name}: not readable as Parquet") from error
        return self._csv_header()

    def rows(
        self, required: Sequence[str], optional: Sequence[str] = ()
    ) -> Iterator[dict[str, str]]:
        """Yields the cells of the named columns, of every row, as text.

        Args:
            required: columns that must be there.
            optional: columns that are left out of the result where the table has none.
        """
        if self._magic() == _PARQUET_MAGIC:
            return self._parquet_rows(required, optional)
        return self._csv_rows(required, optional)

    def where(self, number: int) -> str:
        """Place of a row: its line in a text file, and its number, counted without header."""
        line = self._line(number)
        return f"{self.name}, " + (f"line {line}, " if line else "") + f"row {number}"

    def bad_value(self, number: int, column: str, value: str, accepted: str) -> InputError:
        """The error for a cell; not for columns that may identify a patient."""
        return InputError(
            f"{self.where(number)}: column '{column}' is {shown.cell(value, accepted, column)}; "
            f"accepted: {accepted}"
        )

    def _line(self, number: int) -> int:
        """Line where a row ends, found by reading the file anew; 0 where there is none."""
        if self._magic() == _PARQUET_MAGIC:
            return 0
        lines = self._csv_lines()
        next(lines, None)
        filled = (line for line, cells in lines if any(map(str.strip, cells)))
        return next(itertools.islice(filled, number - 1, None), 0)

    def _magic(self) -> bytes:
        try:
            with open(self.path, "rb") as file:
                return file.read(4)
        except OSError as error:
            raise InputError(f"{self.name} cannot be read: {error.strerror}") from None

    def _csv_header(self) -> list[str]:
        _, header = next(self._csv_lines(), (0, []))
        return _names(header)

    def _csv_rows(
        self, required: Sequence[str], optional: Sequence[str]
    ) -> Iterator[dict[str, str]]:
        lines = self._csv_lines()
        header = _names(next(lines, (0, []))[1])
        places = self._places(header, required, optional)
        number = empty = 0
        for line, cells in lines:
            if not any(map(str.strip, cells)):
                empty += bool(cells)  # a line without commas is none, as at the end of a file
                continue
            number += 1
            if len(cells) != len(header):
                raise InputError(
                    f"{self.name}, line {line}, row {number}: {len(cells)} cells, the header has "
                    f"{len(header)}; quote values that hold a comma"
                )
            yield {name: cells[place].strip() for name, place in places.items()}
        self.empty_rows = empty

    def _csv_lines(self) -> Iterator[tuple[int, list[str]]]:
        """Yields every row, with the line where it ends."""
        opener = gzip.open if self._magic().startswith(_GZIP_MAGIC) else open
        number = 0
        try:
            with opener(self.path, "rt", encoding="utf-8-sig", newline="") as file:
                reader = csv.reader(file, strict=True)
                for cells in reader:
                    number = reader.line_num
                    yield number, cells
        except UnicodeDecodeError as error:
            raise InputError(
                f"{self.name}, after line {number}: not UTF-8 text; save it as UTF-8 CSV"
            ) from error
        except (csv.Error, gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise InputError(
                f"{self.name}, after line {number}: not readable as CSV ({error})"
            ) from error

    def _parquet_rows(
        self, required: Sequence[str], optional: Sequence[str]
    ) -> Iterator[dict[str, str]]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        empty = 0
        try:
            with pq.ParquetFile(self.path) as file:
                places = self._places(file.schema_arrow.names, required, optional)
                for batch in file.iter_batches(batch_size=4096, columns=list(places)):
                    for cells in batch.to_pylist():
                        texts = {name: _text(value) for name, value in cells.items()}
                        if any(texts.values()):
                            yield texts
                        else:
                            empty += 1
            self.empty_rows = empty
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{self.name}: not readable as Parquet") from error

    def _places(
        self, header: Sequence[str], required: Sequence[str], optional: Sequence[str]
    ) -> dict[str, int]:
        """Returns where the needed columns are, after checking that they are there once each."""
        missing = [name for name in required if name not in header]
        if missing:
            hint = ""
            if len(header) == 1:
                other = next((mark for mark in ";\t|" if mark in header[0]), None)
                hint = f"; it looks separated by {other!r}, give commas" if other else ""
            near = {name: shown.nearest(name, header) for name in missing}
            hint += "".join(f"; did you mean '{other}'?" for other in near.values() if other)
            raise InputError(
                f"{self.name} has no column {', '.join(repr(name) for name in missing)}; it has "
                f"{shown.columns(header, (*required, *optional))}{hint}"
            )
        wanted = [*required, *(name for name in optional if name in header)]
        twice = [name for name in wanted if list(header).count(name) > 1]
        if twice:
            raise InputError(f"{self.name} has several columns '{twice[0]}': keep one")
        return {name: list(header).index(name) for name in wanted}


def _names(header: Sequence[str]) -> list[str]:
    """Names of columns, without the byte-order marks of files that were joined or saved twice."""
    return [name.strip("\ufeff").strip() for name in header]


def _text(value: object) -> str:
    """A Parquet cell as the text it would have in a CSV file."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
