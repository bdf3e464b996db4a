"""SHA-256 of tables, folders of files and settings, by rules that docs/provenance.md writes down.

A table's digest is of its content, not of its bytes: the same for CSV and Parquet, and for any
order of rows and columns.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from components.model_gate.policy.settings import GateSettings
from schemas import features
from schemas.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

# Cells of these columns are numbers, in CSV too; of several findings, of each, as `label/NAME`.
_NUMBERS = ("label", "score", "baseline_score", "decision", "statistic")
_LOGICAL = {"true": "1", "false": "0"}


def content(columns: Mapping[str, Any]) -> str:
    """Digest of a table whose columns hold text (objects) or numbers.

    Columns are in order of their names, rows in order of their cells. The digest is over a line of
    JSON with the names, their kinds and the number of rows, followed by the columns: numbers as
    little-endian doubles, text as the little-endian 8-byte length of each cell and then all cells
    in UTF-8.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    names = sorted(columns)
    arrays = [_array(columns[name]) for name in names]
    kinds = ["number" if pa.types.is_floating(one.type) else "text" for one in arrays]
    digest = hashlib.sha256()
    head = {"columns": list(zip(names, kinds, strict=True)), "rows": len(arrays[0])}
    digest.update(json.dumps(head, sort_keys=True, ensure_ascii=True).encode() + b"\n")
    # By the last key first; ties are equal rows.
    order = pa.array(np.lexsort([_ranks(one) for one in reversed(arrays)]))
    for array, kind in zip(arrays, kinds, strict=True):
        ordered = array.take(order)
        if kind == "number":
            digest.update(ordered.to_numpy(zero_copy_only=False).astype("<f8").tobytes())
        else:
            digest.update(pc.binary_length(ordered).to_numpy().astype("<i8").tobytes())
            digest.update(_characters(ordered))
    return digest.hexdigest()


def _ranks(array: pa.Array) -> np.ndarray:
    """Numbers in the order of the cells; text is compared by its bytes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_floating(array.type):
        return array.to_numpy(zero_copy_only=False)
    found = pc.dictionary_encode(array)
    ranks = np.empty(len(found.dictionary), np.int32)
    ranks[pc.sort_indices(found.dictionary).to_numpy()] = np.arange(len(ranks), dtype=np.int32)
    return ranks[found.indices.to_numpy()]


def _array(column: Any) -> pa.Array:
    import pyarrow as pa

    values = np.asarray(column)
    if values.dtype.kind in "biuf":
        # One zero and one NaN, so that equal numbers have equal bytes.
        numbers = values.astype(np.float64) + 0.0
        return pa.array(np.where(np.isnan(numbers), np.nan, numbers), pa.float64())
    if values.dtype.kind != "O":
        values = values.astype(object)
    # A lone half of a surrogate pair can't be written as UTF-8; it comes from damaged ids.
    try:
        return pa.array(values, pa.large_string(), from_pandas=True).fill_null("")
    except (UnicodeEncodeError, TypeError):
        texts = [str(one).encode("utf-8", "backslashreplace").decode() for one in values]
        return pa.array(texts, pa.large_string())


def _characters(array: pa.Array) -> bytes:
    """The cells' bytes, one after the other."""
    data = array.buffers()[2]
    if data is None:
        return b""
    ends = np.frombuffer(array.buffers()[1], "<i8")[array.offset : array.offset + len(array) + 1]
    return memoryview(data)[int(ends[0]) : int(ends[-1])].tobytes()


def predictions(raw: pd.DataFrame) -> str:
    """Digest of a table of predictions as it was given: columns of text, or of numbers.

    The cells of labels, scores and decisions are numbers, whatever they are written as; others
    count as they are written.
    """
    return content(
        {
            name: _numbers(raw[name]) if name.partition("/")[0] in _NUMBERS else raw[name]
            for name in raw.columns
        }
    )


def _numbers(column: pd.Series) -> Any:
    """A column's cells as numbers, NaN where they are none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.dtype.kind in "biuf":
        return column
    text = pa.array(column.to_numpy(object), pa.large_string(), from_pandas=True)
    empty = pc.equal(text, "")
    try:
        return pc.if_else(empty, None, text).cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return np.array([_number(cell) for cell in column], np.float64)


def _number(cell: str) -> float:
    try:
        return float(_LOGICAL.get(cell.lower(), cell))
    except ValueError:
        return np.nan


def test_set(
    table: pd.DataFrame, targets: Sequence[str], images: Sequence[str] | None
) -> dict[str, Any]:
    """The columns that make a test set, of the images with a label: what models have in common.

    Args:
        table: Judged predictions, columns as the Predictor writes them.
        targets: What is predicted.
        images: Ids of the images; None if the table has none.
    """
    known = _known(table, targets)
    columns = {
        "patient_id": table[features.PATIENT_ID].to_numpy()[known],
        "domain": table[features.DOMAIN].to_numpy()[known],
    }
    if images is not None:
        columns["image_id"] = np.asarray(images, object)[known]
    for target in targets:
        label = table[features.label(target)].to_numpy(np.float64)
        weight = table[features.label_weight(target)].to_numpy(np.float64)
        columns[f"label/{target}"] = np.where(weight > 0, label, np.nan)[known]
    return columns


def scores(table: pd.DataFrame, targets: Sequence[str]) -> dict[str, Any]:
    """The columns that tell models apart, of the same images."""
    known = _known(table, targets)
    return {
        column(target): table[column(target)].to_numpy(np.float64)[known]
        for target in targets
        for column in (features.prediction, features.decision)
    }


def _known(table: pd.DataFrame, targets: Sequence[str]) -> np.ndarray:
    weights = table[[features.label_weight(target) for target in targets]].to_numpy(np.float64)
    return (weights > 0).any(axis=1)


def files(folder: str | Path) -> str:
    """Digest over the lines that `sha256sum` prints of a folder's files, in order of their names.

    Raises:
        InputError: It is not a folder, has no files, or can't be read.
    """
    root = Path(folder)
    found = {}
    try:
        for path in root.rglob("*"):
            if path.is_file():
                with path.open("rb") as stream:
                    digest = hashlib.file_digest(stream, "sha256").hexdigest()
                found[path.relative_to(root).as_posix()] = digest
    except OSError as error:
        raise InputError(f"model '{folder}' can't be read: {error.strerror}") from None
    if not found:
        raise InputError(f"model '{folder}' is not a folder with files")
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(found.items()))
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


def policy(settings: GateSettings) -> str:
    """Digest of all settings in effect but the ledger's place, as JSON in order of the names."""
    tree = settings.model_dump(mode="json", exclude={"ledger"})
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()
