"""The table that `predict` writes, one row per image; the stand-alone gate reads its columns.

Rows are appended to a file beside the output, so that a run that was killed goes on after its last
row. The table itself appears only when it is complete.
"""

from __future__ import annotations

import csv
import fcntl
import itertools
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from components.predictor.originals.images import Images, Item
from schemas import features
from schemas.atomic_write import replacing
from schemas.errors import InputError
from trainer_modules.settings import TaskSettings

FORMATS = (".csv", ".parquet")
LEFT_OUT = "left_out"
_TEXTS = ("image", features.PATIENT_ID, features.DOMAIN, features.SITE)
# Numbers of an image by which monitoring sees that scanners or exposure changed.
STATISTICS = ("mean", "std", "blur", "source_height", "source_width")
_ROWS_PER_GROUP = 4096
# What spreadsheets run: names of files and ids come from strangers.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?", re.ASCII)

Row = list[Any]


class Columns:
    """Names of the columns, and the values of an image for them.

    A single finding has `label`, `score` and `decision`; of several, each has `label/NAME` and so
    on. Of classes, each has a `score/NAME`; `label` and `decision` hold the name of one.
    `statistic/NAME` describes the image. `left_out` says why an image has no score.
    """

    def __init__(self, task: TaskSettings, images: Images):
        self._task = task
        self._labels = images.labels
        self._has_split = images.has_split
        suffixes = [""] if len(task.targets) == 1 else [f"/{name}" for name in task.targets]
        scores = tuple(f"score{suffix}" for suffix in suffixes)
        texts = (*_TEXTS, *(("split",) if images.has_split else ()), *images.subgroups)
        statistics = tuple(map(features.statistic, STATISTICS))
        if task.classes:
            named = ("label",) if images.labels else ()
            self.numbers = (*scores, *statistics)
            self.names = (*texts, *named, *scores, "decision", *statistics, LEFT_OUT)
            return
        known = self._known_targets()
        labels = tuple(
            f"label{suffix}"
            for suffix, name in zip(suffixes, task.targets, strict=True)
            if name in known
        )
        decisions = tuple(f"decision{suffix}" for suffix in suffixes)
        self.numbers = (*labels, *scores, *decisions, *statistics)
        self.names = (*texts, *self.numbers, LEFT_OUT)

    def row(
        self,
        item: Item,
        predicted: Mapping[str, float] | None,
        left_out: str = "",
        statistics: Sequence[float] = (),
    ) -> Row:
        """Values of an image; None is an unknown one."""
        known, targets = item.row, self._task.targets
        split = [self._split(item)] if self._has_split else []
        decided = 1 if self._task.classes else len(targets)
        values: Row = [None] * (len(targets) + decided)
        if predicted is not None:
            decisions = [predicted[features.decision(name)] for name in targets]
            values = [predicted[features.prediction(name)] for name in targets]
            values += [self._class_of(decisions)] if self._task.classes else decisions
        texts = [known.image, known.patient_id, known.domain, known.site, *split, *known.subgroups]
        texts = [_in_utf8(text) for text in texts]
        described: Row = list(statistics) or [None] * len(STATISTICS)
        return [*texts, *self._label_values(item), *values, *described, left_out]

    def _known_targets(self) -> tuple[str, ...]:
        return self._labels.targets if self._labels else ()

    def _label_values(self, item: Item) -> Row:
        if self._labels is None:
            return []
        values = item.row.labels
        if not self._task.classes:
            return list(values)
        (place,) = values
        return [None if place is None else self._task.classes[int(place)]]

    def _class_of(self, decisions: Sequence[float]) -> str | None:
        """Name of the class that is called; None of a model that calls none, or several."""
        called = [name for name, one in zip(self._task.classes, decisions, strict=True) if one == 1]
        return called[0] if len(called) == 1 else None

    def _split(self, item: Item) -> str:
        shifted = item.row.domain == features.SHIFTED
        return features.SHIFTED if shifted else item.row.split or features.TEST


class UnfinishedRows:
    """Rows of an unfinished run, on disk after each batch.

    Another model, other settings or another input start anew. Rows from the first changed file or
    truncated row on are predicted again.
    """

    def __init__(self, output: Path, request: Mapping[str, Any]):
        """Opens the rows.

        Args:
            output: The table.
            request: Model, settings and input of the rows.

        Raises:
            InputError: Another process is writing them.
        """
        self.path = unfinished_path(output)
        try:
            self._file = open(self.path, "a+b")  # noqa: SIM115
        except OSError as error:
            raise InputError(
                f"--output '{output}': '{self.path}' can't be written: {error.strerror}"
            ) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise InputError(f"--output '{output}': another predict is writing it") from None
        header = json.dumps(dict(request), sort_keys=True).encode() + b"\n"
        self._start = len(header)
        self._file.seek(0)
        if self._file.readline() != header:
            self._file.truncate(0)
            self._file.write(header)
            self._file.flush()

    def resume(self, items: Iterator[Item]) -> tuple[int, Iterator[Item]]:
        """How many leading items have a valid row, and the remaining items.

        Truncates the file after the last valid row.
        """
        self._file.seek(self._start)
        done, place = 0, self._start
        left: Iterator[Item] = iter(())
        for item in items:
            entry = _parsed(self._file.readline())
            if entry is None or entry[:2] != [item.row.image, item.stamp()]:
                left = itertools.chain([item], items)
                break
            done += 1
            place = self._file.tell()
        self._file.truncate(place)
        return done, left

    def add(self, entries: Iterable[tuple[Item, str, Row]]) -> None:
        """Appends the rows of items, with the stamps that their files had."""
        for item, stamp, row in entries:
            self._file.write(json.dumps([item.row.image, stamp, row]).encode() + b"\n")
        self._file.flush()

    def rows(self) -> Iterator[Row]:
        """All rows."""
        self._file.seek(self._start)
        for line in self._file:
            yield json.loads(line)[2]

    def finish(self, output: Path, columns: Columns) -> None:
        """Writes the table and removes the unfinished rows."""
        with replacing(output) as partial:
            if output.suffix == ".parquet":
                _write_parquet(partial, columns, self.rows())
            else:
                with partial.open("w", encoding="utf-8", newline="") as stream:
                    _write_csv(stream, columns, self.rows())
        self.path.unlink()
        self._file.close()

    def close(self) -> None:
        """Keeps the rows for the next run."""
        self._file.close()


def unfinished_path(output: Path) -> Path:
    """Where the rows of a table are until it is complete."""
    return output.with_name(f"{output.name}.unfinished")


def check_output(output: str) -> Path:
    """The path of a table.

    Raises:
        InputError: Its name or its folder is not acceptable.
    """
    path = Path(output).expanduser()
    if "\0" in output:
        raise InputError(f"--output '{output}': not a name of a file")
    if path.suffix not in FORMATS:
        raise InputError(f"--output '{output}': the name must end in {' or '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise InputError(f"--output '{output}': no folder '{path.parent}'")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"--output '{output}': no permission to write to '{path.parent}'")
    if path.is_dir():
        raise InputError(f"--output '{output}' is a folder; give a file")
    return path


def _parsed(line: bytes) -> Any:
    """An appended entry; None if it is truncated."""
    if not line.endswith(b"\n"):
        return None
    try:
        return json.loads(line)
    except ValueError:
        return None


def _write_csv(stream: TextIO, columns: Columns, rows: Iterable[Row]) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns.names)
    for image, *values in rows:
        # The same path, which no spreadsheet takes for a formula.
        image = f"./{image}" if image.startswith(_FORMULA) else image
        writer.writerow([image, *map(_cell, values)])


def _cell(value: object) -> str:
    """Text of a value; nine digits reproduce each 32-bit float."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.9g}"
    text = str(value)
    harmless = len(text) < 2 or not text.startswith(_FORMULA) or _NUMBER.fullmatch(text)
    return text if harmless else f"'{text}"


def _in_utf8(text: str) -> str:
    """The text with bytes that are not UTF-8 as escapes; file names may have such."""
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _write_parquet(path: Path, columns: Columns, rows: Iterable[Row]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers = set(columns.numbers)
    schema = pa.schema(
        [(name, pa.float32() if name in numbers else pa.string()) for name in columns.names]
    )
    with pq.ParquetWriter(path, schema) as writer:
        for block in _blocks(rows):
            arrays = [
                pa.array(values, field.type)
                for values, field in zip(zip(*block, strict=True), schema, strict=True)
            ]
            writer.write_table(pa.table(arrays, schema=schema))


def _blocks(rows: Iterable[Row]) -> Iterator[Sequence[Row]]:
    block: list[Row] = []
    for row in rows:
        block.append(row)
        if len(block) == _ROWS_PER_GROUP:
            yield block
            block = []
    if block:
        yield block
