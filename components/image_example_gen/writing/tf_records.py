"""Reads and writes TFRecord files and tf.Examples without TensorFlow.

Importing TensorFlow takes five seconds and hundreds of megabytes per worker, which listing and
ingesting a data set must not cost. Framing and message type are both frozen formats, so they are
implemented here.
"""

from __future__ import annotations

import functools
import gzip
import os
import struct
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from google.protobuf.message import Message

_GZIP_MAGIC = b"\x1f\x8b"
_LENGTH = struct.Struct("<Q")
_CHECKSUM = 4
# No file is compressed so well that one record is a thousand times larger than the file.
_SWELL = 1032
LARGEST_RECORD = 1 << 29
"""Bytes; far more than any encoding needs for an image within `data.max_pixels`."""
_OPEN_FILES = 8

_MASK = 0xA282EAD8

Value = bytes | int | float


class DamagedRecords(Exception):
    """A file that is truncated or not a TFRecord file."""


class RecordFile:
    """One TFRecord file, plain or GZIP."""

    def __init__(self, path: str):
        with open(path, "rb") as file:
            packed = file.read(2) == _GZIP_MAGIC
        # Stays open as long as this object exists: readers return for other records.
        self._file = gzip.open(path, "rb") if packed else open(path, "rb")  # noqa: SIM115
        self._largest = os.path.getsize(path) * (_SWELL if packed else 1)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def records(self) -> Iterator[tuple[int, bytes]]:
        """Yields every record with its place.

        Raises:
            DamagedRecords: after the last whole record.
        """
        place = 0
        self._seek(0)
        while True:
            head = self._read(_LENGTH.size + _CHECKSUM)
            if not head:
                return
            data = self._body(head)
            yield place, data
            place += len(head) + len(data) + _CHECKSUM

    def read(self, place: int) -> bytes:
        """Returns the record at a place; in a GZIP file, only reading forward is cheap.

        Raises:
            DamagedRecords: there is no intact record.
        """
        self._seek(place)
        return self._body(self._read(_LENGTH.size + _CHECKSUM))

    def _body(self, head: bytes) -> bytes:
        if len(head) < _LENGTH.size + _CHECKSUM:
            raise DamagedRecords("cut short")
        (length,) = _LENGTH.unpack_from(head)
        if length > self._largest:
            raise DamagedRecords("not a TFRecord file")
        if length > LARGEST_RECORD:
            raise DamagedRecords(f"a record of {length:,} bytes; at most {LARGEST_RECORD:,}")
        data = self._read(length)
        if len(data) < length or len(self._read(_CHECKSUM)) < _CHECKSUM:
            raise DamagedRecords("cut short")
        return data

    def _seek(self, place: int) -> None:
        try:
            self._file.seek(place)
        except (OSError, EOFError) as error:
            raise DamagedRecords("not readable") from error

    def _read(self, count: int) -> bytes:
        try:
            return self._file.read(count)
        except (OSError, EOFError) as error:
            raise DamagedRecords("cut short") from error


class RecordFiles:
    """Keeps the last used files open."""

    def __init__(self) -> None:
        self._open: dict[str, RecordFile] = {}

    def read(self, path: str, place: int) -> bytes:
        """Returns a record."""
        file = self._open.pop(path, None) or RecordFile(path)
        self._open[path] = file
        if len(self._open) > _OPEN_FILES:
            self._open.pop(next(iter(self._open))).close()
        return file.read(place)


class RecordWriter:
    """Writes a GZIP file of records; equal records give equal bytes."""

    def __init__(self, path: str, level: int):
        self._file = gzip.GzipFile(path, "wb", compresslevel=level, mtime=0)

    def write(self, data: bytes) -> None:
        """Writes one record."""
        length = _LENGTH.pack(len(data))
        self._file.write(b"".join((length, _checksum(length), data, _checksum(data))))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


def _checksum(data: bytes) -> bytes:
    import google_crc32c

    value = google_crc32c.value(data)
    return struct.pack("<I", ((value >> 15 | value << 17) + _MASK) & 0xFFFFFFFF)


def serialize_example(features: Mapping[str, Value]) -> bytes:
    """Returns a tf.Example with one value per feature, stored by the value's type."""
    message = _example_class()()
    for name, value in features.items():
        kind = {bytes: "bytes_list", int: "int64_list", float: "float_list"}[type(value)]
        getattr(message.features.feature[name], kind).value.append(value)
    return message.SerializeToString(deterministic=True)


def parse_example(data: bytes) -> dict[str, list[Value]]:
    """Returns the features of a serialized tf.Example.

    Raises:
        DamagedRecords: the bytes are not a tf.Example.
    """
    from google.protobuf.message import DecodeError

    try:
        message = _example_class().FromString(data)
    except DecodeError:
        raise DamagedRecords("not a tf.Example") from None
    values = {}
    for name, feature in message.features.feature.items():
        kind = feature.WhichOneof("kind")
        values[name] = list(getattr(feature, kind).value) if kind else []
    return values


@functools.cache
def _example_class() -> type[Message]:
    """The message type of tensorflow/core/example/example.proto."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="remedis_example.proto", package="remedis_example", syntax="proto3"
    )

    def message(name: str) -> descriptor_pb2.DescriptorProto:
        return file.message_type.add(name=name)

    for name, kind in (
        ("BytesList", field.TYPE_BYTES),
        ("FloatList", field.TYPE_FLOAT),
        ("Int64List", field.TYPE_INT64),
    ):
        message(name).field.add(name="value", number=1, type=kind, label=field.LABEL_REPEATED)
    feature = message("Feature")
    feature.oneof_decl.add(name="kind")
    for number, name in enumerate(("Bytes", "Float", "Int64"), start=1):
        feature.field.add(
            name=f"{name.lower()}_list",
            number=number,
            type=field.TYPE_MESSAGE,
            type_name=f".remedis_example.{name}List",
            label=field.LABEL_OPTIONAL,
            oneof_index=0,
        )
    features = message("Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    entry.field.add(
        name="value",
        number=2,
        type=field.TYPE_MESSAGE,
        type_name=".remedis_example.Feature",
        label=field.LABEL_OPTIONAL,
    )
    features.field.add(
        name="feature",
        number=1,
        type=field.TYPE_MESSAGE,
        type_name=".remedis_example.Features.FeatureEntry",
        label=field.LABEL_REPEATED,
    )
    message("Example").field.add(
        name="features",
        number=1,
        type=field.TYPE_MESSAGE,
        type_name=".remedis_example.Features",
        label=field.LABEL_OPTIONAL,
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("remedis_example.Example"))
