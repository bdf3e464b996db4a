"""Original files of judged images, some of each format: what users will send to the model.

They are read where ingestion read them, because no artifact holds originals: these may carry names.
"""

from __future__ import annotations

import dataclasses
import glob
import os
from collections import Counter
from collections.abc import Mapping
from typing import Any

from components.image_example_gen.decoding import images
from components.image_example_gen.rows.row import Row, Source
from components.image_example_gen.settings import DataSettings
from components.image_example_gen.sources.registry import open_source
from components.image_example_gen.writing.ingest_report import INDEX_PATTERN
from components.model_gate.serving.serving_check import Request
from schemas import features
from schemas.documents.cards import ClassifierCard, Ingestion
from schemas.documents.ingest import IngestReport
from schemas.errors import InputError
from trainer_modules.settings import TaskSettings

# Times the wanted number.
_CANDIDATES = 8
_HEAD = 4096
_LARGEST_FILE = 64 << 20
_JUDGED = (features.TEST, features.SHIFTED)
_NO_ROOT = ("synthetic", "combined")


@dataclasses.dataclass
class Originals:
    """Requests by image id, and what the serving check's message says of the others."""

    requests: dict[str, Request] = dataclasses.field(default_factory=dict)
    note: str = ""


def original_files(
    model_dir: str, report_dir: str, task: TaskSettings, per_format: int
) -> Originals:
    """Some test and shifted images of each format, as files and as ingestion stores them.

    Args:
        model_dir: The exported model, whose card has the settings of ingestion.
        report_dir: The ingest report with its index.
        task: What is predicted.
        per_format: Files of each format.
    """
    try:
        read = ClassifierCard.read(model_dir).ingestion
        if read is None:
            return Originals(note=" (the model's card does not say how files are read)")
        data = data_as_ingested(read, IngestReport.read(report_dir))
        return _Choice(_indexed(report_dir), data, per_format).of(open_source(data, task))
    except OSError as error:
        return Originals(note=f" (the original files can't be read: {error.strerror or error})")
    except InputError as error:
        return Originals(note=f" (the original files can't be read: {error})")


@dataclasses.dataclass(frozen=True)
class _Ingested:
    """What the index says of an image."""

    image_id: str
    digest: str
    file_format: str


class _Choice:
    """Goes through the rows of a source and keeps some of each format."""

    def __init__(self, indexed: Mapping[int, _Ingested], data: DataSettings, per_format: int):
        self._candidates = _candidates(indexed, per_format)
        self._data = data
        self._per_format = per_format
        self._found: Counter[str] = Counter()
        self._missing = self._changed = 0

    def of(self, source: Source) -> Originals:
        chosen = Originals()
        for row in source.rows():
            if ingested := self._candidates.get(row.number):
                self._try(source, row, ingested, chosen)
        notes = {"gone": self._missing, "changed since ingestion": self._changed}
        told = ", ".join(f"{what}: {number}" for what, number in notes.items() if number)
        chosen.note = f" (files {told})" if told else ""
        return chosen

    def _try(self, source: Source, row: Row, ingested: _Ingested, chosen: Originals) -> None:
        data = self._data
        kind, content = self._file(source, row.image, ingested.file_format)
        if not content:
            return
        try:
            pixels = source.load(row.image, data.max_pixels).pixels
            stored = images.store(pixels, data.stored_size, data.encoding, data.jpeg_quality)
        except images.Rejected:
            self._changed += 1
            return
        if stored.digest != ingested.digest:
            self._changed += 1
            return
        self._found[kind] += 1
        chosen.requests[ingested.image_id] = Request(content, stored.encoded, kind)

    def _file(self, source: Source, image: str, file_format: str) -> tuple[str, bytes]:
        """Kind and bytes of a file; nothing if it is not needed or not there."""
        try:
            file = source.original(image)
            if file is None:
                return "", b""
            with file:
                head = file.read(_HEAD)
                kind = file_format + _detail(head)
                if self._found[kind] >= self._per_format:
                    return "", b""
                rest = file.read(_LARGEST_FILE)
        except OSError:
            self._missing += 1
            return "", b""
        return (kind, head + rest) if len(rest) < _LARGEST_FILE else ("", b"")


def _detail(head: bytes) -> str:
    """What makes a file of the same format be decoded in another way."""
    if head.startswith(b"\x89PNG") and head[24:25] == b"\x10":
        return " of 16 bits"
    return " with EXIF" if head.startswith(b"\xff\xd8") and b"Exif\0\0" in head else ""


def _candidates(indexed: Mapping[int, _Ingested], per_format: int) -> dict[int, _Ingested]:
    """Rows of each format, evenly among all: more than are needed, because details differ."""
    rows: dict[str, list[int]] = {}
    for row, ingested in sorted(indexed.items()):
        rows.setdefault(ingested.file_format, []).append(row)
    most = _CANDIDATES * per_format
    steps = {name: max(1, len(found) // most) for name, found in rows.items()}
    return {row: indexed[row] for name, found in rows.items() for row in found[:: steps[name]]}


def _indexed(report_dir: str) -> dict[int, _Ingested]:
    """The test and shifted images, by row of the source."""
    import pyarrow.parquet as pq

    found = {}
    for split in _JUDGED:
        pattern = INDEX_PATTERN.replace("*", f"{split}-*")
        for path in sorted(glob.glob(os.path.join(glob.escape(report_dir), pattern))):
            table = pq.read_table(path, columns=["row", "image_id", "digest", "file_format"])
            columns = [column.to_pylist() for column in table.columns]
            found.update({row: _Ingested(*more) for row, *more in zip(*columns, strict=True)})
    return found


def data_as_ingested(read: Ingestion, report: IngestReport) -> DataSettings:
    """The settings of ingestion, with the folders that it read."""
    folders = list(report.folders)
    settings: dict[str, Any] = dict(read.data)
    parts = [dict(part) for part in settings["parts"]]
    with_root = [part for part in parts if part["source"] not in _NO_ROOT]
    if len(folders) > len(with_root):
        settings["root"] = folders.pop(0)
    for part, folder in zip(with_root, folders, strict=True):
        part["root"] = folder
    return DataSettings.model_validate(settings | {"parts": parts})
