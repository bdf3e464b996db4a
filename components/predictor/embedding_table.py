"""Embeddings as Parquet: one file per split, written as a stream and read without pickle."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas import features
from schemas.errors import InputError

EMBEDDING = "embedding"
PATTERN = "embeddings-*.parquet"
TEXTS = (features.IMAGE_ID, features.PATIENT_ID, features.SITE, features.DOMAIN)


def path_of(folder: str, split: str) -> str:
    """Path of a split's embeddings in a folder."""
    return os.path.join(folder, PATTERN.replace("*", split))


def files(folder: str) -> list[str]:
    """The embeddings in a folder, by split."""
    return sorted(glob.glob(os.path.join(glob.escape(folder), PATTERN)))


def write(path: str, batches: Iterable[dict[str, np.ndarray]]) -> int:
    """Writes batches of `TEXTS` and `embedding` [B, D]; returns the number of rows.

    Without any batch nothing is written, because the length of an embedding is unknown.
    """
    writer, rows = None, 0
    try:
        for batch in batches:
            values = np.ascontiguousarray(batch[EMBEDDING], np.float32)
            width = values.shape[1]
            arrays = [pa.array(batch[name], pa.string()) for name in TEXTS]
            arrays.append(pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), width))
            table = pa.table(arrays, names=[*TEXTS, EMBEDDING])
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
            rows += len(values)
    finally:
        if writer is not None:
            writer.close()
    return rows


def read(paths: Sequence[str]) -> dict[str, np.ndarray]:
    """Reads the columns of several files; `embedding` has shape [N, D].

    Raises:
        InputError: A file is not a table of embeddings, or the lengths differ.
    """
    parts: dict[str, list[np.ndarray]] = {name: [] for name in (*TEXTS, EMBEDDING)}
    for path in paths:
        try:
            table = pq.read_table(path, columns=list(parts))
            column = table.column(EMBEDDING).combine_chunks()
            values = column.flatten().to_numpy().reshape(len(column), -1)
        except (OSError, pa.ArrowException, KeyError, ValueError, AttributeError) as error:
            raise InputError(f"embeddings '{path}' can't be read: {error}") from None
        parts[EMBEDDING].append(values)
        for name in TEXTS:
            parts[name].append(table.column(name).to_numpy(zero_copy_only=False))
    widths = {part.shape[1] for part in parts[EMBEDDING]}
    if len(widths) > 1:
        raise InputError(
            f"embeddings {list(paths)} have the lengths {sorted(widths)}: of one model"
        )
    return {name: np.concatenate(values) for name, values in parts.items()}
