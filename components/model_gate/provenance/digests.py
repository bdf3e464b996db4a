"""SHA-256 of tables, folders of files and settings, by rules that docs/provenance.md writes down.

A table's digest is of its content, not of its bytes: the same for CSV and Parquet, and for any
order of rows and columns.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
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
# Rows whose text is in memory at once.
_PIECE = 100_000
_LOGICAL = {"true": "1", "false": "0"}


def content(columns: Mapping[str, Any]) -> str:
    """Digest of a table whose columns hold text (objects) or numbers.

    Columns are in order of their names, rows in order of their cells. The digest is over a line of
    JSON with the names, their kinds and the number of rows, followed by the columns: numbers as
    little-endian doubles, text as the little-endian 8-byte length of each cell and then all cells
    in UTF-8.
    """
    names = sorted(columns)
    found = [_column(columns[name]) for name in names]
    kinds = ["number" if isinstance(one, np.ndarray) else "text" for one in found]
    digest = hashlib.sha256()
    head = {"columns": list(zip(names, kinds, strict=True)), "rows": len(columns[names[0]])}
    digest.update(json.dumps(head, sort_keys=True, ensure_ascii=True).encode() + b"\n")
    order = _order(map(_ranks, found))
    for one in found:
        if isinstance(one, np.ndarray):
            digest.update(one[order].astype("<f8", copy=False))
        else:
            one.write(order, digest)
    return digest.hexdigest()


@dataclasses.dataclass(frozen=True, eq=False)
class _Text:
    """Cells as numbers of their texts, of which a table has far fewer."""

    number: np.ndarray
    texts: pa.Array

    def write(self, order: np.ndarray, digest: hashlib._Hash) -> None:
        """Lengths of the cells in this order, then their bytes."""
        import pyarrow as pa
        import pyarrow.compute as pc

        lengths = pc.binary_length(self.texts).to_numpy().astype("<i8")
        digest.update(lengths[self.number[order]])
        for start in range(0, len(order), _PIECE):
            cells = self.number[order[start : start + _PIECE]]
            digest.update(_characters(self.texts.take(pa.array(cells))))


def _ranks(column: np.ndarray | _Text) -> tuple[np.ndarray, int]:
    """Numbers in the order of the cells, text by its bytes, and more than the highest of them."""
    import pyarrow.compute as pc

    if isinstance(column, np.ndarray):
        order = np.argsort(column)
        ordered = column[order]
        # NaN, which is last, differs from itself.
        rises = (ordered[1:] != ordered[:-1]) & ~np.isnan(ordered[:-1])
        ranks = np.empty(len(column), np.int32)
        ranks[order[:1]] = 0
        ranks[order[1:]] = np.cumsum(rises, dtype=np.int32)
        return ranks, int(rises.sum()) + 1
    ranks = np.empty(len(column.texts), np.int32)
    ranks[pc.sort_indices(column.texts).to_numpy()] = np.arange(len(ranks))
    return ranks[column.number], len(ranks)


def _order(ranks: Iterable[tuple[np.ndarray, int]]) -> np.ndarray:
    """Rows by the first column, then by the second, and so on."""
    keys: list[np.ndarray] = []
    most = 0
    for rank, size in ranks:
        # One number for as many columns as fit, since each further key sorts all rows once more.
        if keys and most * size < 2**63:
            keys[-1] *= size
            keys[-1] += rank
            most *= size
        else:
            keys.append(rank.astype(np.int64))
            most = max(1, size)
    return np.argsort(keys[0], kind="stable") if len(keys) == 1 else np.lexsort(keys[::-1])


def _column(column: Any) -> np.ndarray | _Text:
    import pandas as pd

    if isinstance(column, pd.Series) and isinstance(column.dtype, pd.CategoricalDtype):
        number = column.cat.codes.to_numpy()
        if (number >= 0).all():
            found = _encoded(_text_array(column.cat.categories.to_numpy(object)))
            return _Text(found.number[number], found.texts)
    if isinstance(column, pd.Series) and isinstance(column.dtype, pd.StringDtype):
        import pyarrow as pa

        cells = pa.array(column, pa.large_string())
        joined = cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells
        return _encoded(joined.fill_null(""))
    values = np.asarray(column)
    if values.dtype.kind in "biuf":
        # One zero and one NaN, so that equal numbers have equal bytes.
        numbers = values.astype(np.float64) + 0.0
        numbers[np.isnan(numbers)] = np.nan
        return numbers
    return _encoded(_text_array(values.astype(object)))


def _encoded(texts: pa.Array) -> _Text:
    found = texts.dictionary_encode()
    number = found.indices.to_numpy()
    return _Text(number.astype(np.min_scalar_type(len(found.dictionary))), found.dictionary)


def _text_array(values: np.ndarray) -> pa.Array:
    import pyarrow as pa

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
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    number = None
    if isinstance(column.dtype, pd.StringDtype):
        texts = pa.array(column, pa.large_string())
    elif isinstance(found := _column(column), _Text):
        texts, number = found.texts, found.number
    else:
        return found
    try:
        numbers = pc.if_else(pc.equal(texts, ""), None, texts).cast(pa.float64())
        values = numbers.to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        values = np.array([_number(cell) for cell in texts.to_pylist()], np.float64)
    return values if number is None else values[number]


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
    import pandas as pd

    known = _known(table, targets)
    columns: dict[str, Any] = {
        "patient_id": table[features.PATIENT_ID][known],
        "domain": table[features.DOMAIN][known],
    }
    if images is not None:
        columns["image_id"] = pd.Series(images)[known]
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


def _known(table: pd.DataFrame, targets: Sequence[str]) -> np.ndarray | slice:
    known = np.zeros(len(table), bool)
    for target in targets:
        known |= table[features.label_weight(target)].to_numpy() > 0
    return slice(None) if known.all() else known


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
