"""A stream that is read only as far as a table of predictions may be long.

A megabyte of gzip can hold gigabytes, and a pipe need not end: what is read is counted.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from typing import BinaryIO

from schemas.errors import InputError

# Ten million rows of a hundred characters.
MAX_BYTES = 10**9
# No table packs this well: patients and scores differ from row to row.
MAX_RATIO = 200
# A thousand columns of a thousand characters.
MAX_ROW = 10**6

_GZIP = b"\x1f\x8b"
# Below this, even a bomb does no harm.
_HARMLESS = 2**24
_PIECE = 2**16


class BoundedStream(io.BufferedIOBase):
    """Bytes of a file, a pipe, or gzip of either.

    Attributes:
        head: The first bytes, which are read again.
        count: How many bytes have been read.
    """

    def __init__(self, source: BinaryIO, name: str, packed: BoundedStream | None = None):
        """Reads the first bytes.

        Args:
            source: What is read.
            name: Of the file, for messages.
            packed: Where `source` takes the bytes from that it unpacks.
        """
        self.head = source.read(len(_GZIP) + 2)
        self.count = 0
        self._again = self.head
        self._source = source
        self._name = name
        self._packed = packed
        self._row: int | None = None

    @property
    def unpacks(self) -> bool:
        """Whether the source is packed."""
        return self._packed is not None

    def readable(self) -> bool:
        """It is."""
        return True

    def begin_row(self) -> None:
        """From here on, no row may be longer than `MAX_ROW` bytes."""
        self._row = self.count

    def read1(self, size: int = -1) -> bytes:
        """Some bytes; none at the end.

        Raises:
            InputError: They are more than are accepted.
        """
        size = size if size >= 0 else _PIECE
        data, self._again = self._again[:size], self._again[size:]
        data = data or self._source.read(size)
        self.count += len(data)
        if self.count > MAX_BYTES:
            raise self._refused(f"hold more than the {MAX_BYTES / 1e9:g} GB that are accepted")
        if self._packed and self.count > max(_HARMLESS, MAX_RATIO * self._packed.count):
            raise self._refused(f"unpack to more than {MAX_RATIO} times their size: no table does")
        if self._row is not None and self.count - self._row > MAX_ROW + _PIECE:
            raise self._refused(
                f"have a row of more than the {MAX_ROW} bytes that are accepted (is a quote not "
                "closed?)"
            )
        return data

    def read(self, size: int | None = -1) -> bytes:
        """As many bytes as asked for at most; all of them without a number."""
        if size is None or size < 0:
            return b"".join(self._pieces())
        return self.read1(size)

    def _pieces(self) -> Iterator[bytes]:
        while data := self.read1(_PIECE):
            yield data

    def _refused(self, why: str) -> InputError:
        return InputError(f"predictions '{self._name}' {why}")


def bounded(source: BinaryIO, name: str) -> BoundedStream:
    """The stream, unpacked if it is gzip: a pipe can't be asked for its name's ending."""
    stream = BoundedStream(source, name)
    if not stream.head.startswith(_GZIP):
        return stream
    unpacked = gzip.GzipFile(fileobj=stream, mode="rb")
    return BoundedStream(unpacked, name, packed=stream)  # type: ignore[arg-type]
