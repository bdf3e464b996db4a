"""Streams predictions to disk: TFRecords of tf.Examples per split, and one Parquet table.

The table holds what the model returned, including NaN. TFMA fails on NaN, so the tf.Examples hold
the worst possible value instead, which counts against the model, never for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from components.predictor.inference import Columns, identity_columns, value_columns
from schemas import features

TABLE_NAME = "predictions.parquet"
SPLIT_COLUMN = "split"
_SHARD_NAME = "predictions-00000-of-00001.gz"
_ROWS_PER_GROUP = 4096


class PredictionsWriter:
    """Context manager that writes the predictions artifact in bounded memory."""

    def __init__(self, folder: str, targets: Sequence[str], subgroups: Sequence[str]):
        """Opens the table in `folder`, which is created if missing."""
        self._folder = folder
        self._targets = tuple(targets)
        self._text = identity_columns(subgroups)
        self._values = value_columns(targets)
        # For the report, only in the table; empty for models that do not return them.
        self._uncalibrated = tuple(map(features.uncalibrated, targets))
        self._schema = pa.schema(
            [(SPLIT_COLUMN, pa.string())]
            + [(name, pa.string()) for name in self._text]
            + [(name, pa.float32()) for name in (*self._values, *self._uncalibrated)]
        )
        self._waiting: list[pa.Table] = []
        tf.io.gfile.makedirs(folder)
        self._table = pq.ParquetWriter(os.path.join(folder, TABLE_NAME), self._schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._flush()
        self._table.close()

    def write_split(self, split: str, batches: Iterable[Columns]) -> tuple[int, int]:
        """Writes one split; without any batch, an empty shard.

        Returns:
            Number of records, and how many of them have a value that is not finite.
        """
        folder = os.path.join(self._folder, f"Split-{split}")
        tf.io.gfile.makedirs(folder)
        records = broken = 0
        with tf.io.TFRecordWriter(os.path.join(folder, _SHARD_NAME), "GZIP") as shard:
            for columns in batches:
                size = len(columns[self._text[0]])
                finite = self._worst_where_not_finite(columns)
                for row in range(size):
                    shard.write(self._example(finite, row))
                self._add_rows(split, columns, size)
                values = np.stack([columns[name] for name in self._values])
                broken += int((~np.isfinite(values)).any(axis=0).sum())
                records += size
        return records, broken

    def _worst_where_not_finite(self, columns: Columns) -> Columns:
        answer = dict(columns)
        for target in self._targets:
            worst = 1 - columns[features.label(target)]
            for name in (features.prediction(target), features.decision(target)):
                answer[name] = np.where(np.isfinite(columns[name]), columns[name], worst)
        return answer

    def _example(self, columns: Columns, row: int) -> bytes:
        example = tf.train.Example()
        for name in self._text:
            value = columns[name][row].encode("utf-8")
            example.features.feature[name].bytes_list.value.append(value)
        for name in self._values:
            example.features.feature[name].float_list.value.append(float(columns[name][row]))
        return example.SerializeToString()

    def _add_rows(self, split: str, columns: Columns, size: int) -> None:
        arrays = [pa.array([split] * size, pa.string())]
        arrays += [pa.array(columns[name], pa.string()) for name in self._text]
        arrays += [pa.array(columns[name], pa.float32()) for name in self._values]
        nothing = pa.nulls(size, pa.float32())
        arrays += [
            pa.array(columns[name], pa.float32()) if name in columns else nothing
            for name in self._uncalibrated
        ]
        self._waiting.append(pa.table(arrays, schema=self._schema))
        if sum(table.num_rows for table in self._waiting) >= _ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._table.write_table(pa.concat_tables(self._waiting))
            self._waiting = []
