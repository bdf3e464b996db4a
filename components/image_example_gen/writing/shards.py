"""Writes one shard, holding only one image in memory at a time."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from components.image_example_gen.decoding import images
from components.image_example_gen.rows.row import Source
from components.image_example_gen.rows.units import Unit
from components.image_example_gen.settings import DataSettings
from components.image_example_gen.writing import examples as tf_examples
from components.image_example_gen.writing.ingest_report import Summary
from components.image_example_gen.writing.tf_records import RecordWriter
from trainer_modules.settings import TaskSettings

_INDEX_ROWS = 1000
# Most of a record is PNG or JPEG, which hardly compresses further: use the fastest level.
_LEVEL = 1


def split_folder(examples: str, split: str) -> str:
    """Folder of a split, by TFX's naming."""
    return os.path.join(examples, f"Split-{split}")


def records_of_index(examples: str, index: str) -> str:
    """Path of the records that an index file describes."""
    split, _, name = os.path.basename(index)[len("index-") : -len(".parquet")].partition("-")
    return os.path.join(split_folder(examples, split), _records_name(name))


def _records_name(shard: str) -> str:
    return f"images-{shard}.gz"


def write_shard(
    unit: Unit, source: Source, data: DataSettings, task: TaskSettings, examples: str, report: str
) -> Summary:
    """Writes the unit's records below `examples` and its index file into `report`.

    A second attempt overwrites the first, so Beam may repeat a unit.
    """
    summary = Summary()
    folder = split_folder(examples, unit.split)
    os.makedirs(folder, exist_ok=True)
    record_path = os.path.join(folder, _records_name(unit.name))
    index_path = os.path.join(report, f"index-{unit.split}-{unit.name}.parquet")
    schema = tf_examples.index_schema(task.labels, data.subgroups)
    with RecordWriter(record_path, _LEVEL) as writer, _Index(index_path, schema) as index:
        for planned in unit.images():
            try:
                shown = source.load(planned.image, data.max_pixels)
                stored = images.store(
                    shown.pixels, data.stored_size, data.encoding, data.jpeg_quality
                )
            except images.Rejected as rejected:
                summary.reject(planned, rejected)
                continue
            names = (task.labels, data.subgroups)
            writer.write(tf_examples.to_example(planned, stored, *names))
            flags = (*shown.flags, *stored.flags)
            index.add(tf_examples.to_index_row(planned, shown, stored, unit.split, *names))
            summary.keep(planned, unit.split)
            summary.show(shown)
            for flag in flags:
                summary.flag(planned, flag)
    return summary


class _Index:
    """An index file being written."""

    def __init__(self, path: str, schema: pa.Schema):
        self._schema = schema
        self._writer = pq.ParquetWriter(path, schema)
        self._rows: list[dict[str, object]] = []

    def add(self, row: dict[str, object]) -> None:
        self._rows.append(row)
        if len(self._rows) == _INDEX_ROWS:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._flush()
        self._writer.close()
