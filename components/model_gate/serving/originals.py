"""Original files of judged images, some of each format: what users will send to the model.

They are read where ingestion read them, because no artifact holds originals: these may carry names.
"""

from __future__ import annotations

import dataclasses
import glob
import os
from collections import Counter
from collections.abc import Iterator, Mapping
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

# Files whose first bytes are looked at, evenly among all; formats beyond them may be missed.
_LOOKED_AT = 5000
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


class _Choice:
    """Goes through the rows of a source and keeps some of each format."""

    def __init__(self, indexed: Mapping[int, tuple[str, str]], data: DataSettings, per_format: int):
        self._indexed = indexed
        self._data = data
        self._per_format = per_format
        self._found: Counter[str] = Counter()
        self._missing = self._changed = 0

    def of(self, source: Source) -> Originals:
        chosen = Originals()
        for row in self._some(source):
            kind, content = self._file(source, row.image)
            if kind and content:
                self._keep(source, row, Request(content, kind=kind), chosen)
        notes = {"gone": self._missing, "changed since ingestion": self._changed}
        told = ", ".join(f"{what}: {number}" for what, number in notes.items() if number)
        chosen.note = f" (files {told})" if told else ""
        return chosen

    def _some(self, source: Source) -> Iterator[Row]:
        step = max(1, len(self._indexed) // _LOOKED_AT)
        judged = (row for row in source.rows() if row.number in self._indexed)
        return (row for place, row in enumerate(judged) if place % step == 0)

    def _file(self, source: Source, image: str) -> tuple[str, bytes]:
        """Format and bytes of a file; nothing if it is not needed or not there."""
        try:
            file = source.original(image)
            if file is None:
                return "", b""
            with file:
                head = file.read(_HEAD)
                kind = _kind(head)
                if self._found[kind] >= self._per_format:
                    return "", b""
                rest = file.read(_LARGEST_FILE)
        except OSError:
            self._missing += 1
            return "", b""
        return (kind, head + rest) if len(rest) < _LARGEST_FILE else ("", b"")

    def _keep(self, source: Source, row: Row, request: Request, chosen: Originals) -> None:
        data = self._data
        image_id, digest = self._indexed[row.number]
        try:
            pixels = source.load(row.image, data.max_pixels).pixels
            stored = images.store(pixels, data.stored_size, data.encoding, data.jpeg_quality)
        except images.Rejected:
            self._changed += 1
            return
        if stored.digest != digest:
            self._changed += 1
            return
        self._found[request.kind] += 1
        chosen.requests[image_id] = dataclasses.replace(request, stored=stored.encoded)


def _kind(head: bytes) -> str:
    """Format of a file by its first bytes; what is decoded in another way counts apart."""
    found = images.format_of(head) or "other"
    if found == "PNG" and head[24:25] == b"\x10":
        return "PNG of 16 bits"
    return "JPEG with EXIF" if found == "JPEG" and b"Exif\0\0" in head else found


def _indexed(report_dir: str) -> dict[int, tuple[str, str]]:
    """Id and digest of the test and shifted images, by row of the source."""
    import pyarrow.parquet as pq

    found = {}
    for split in _JUDGED:
        pattern = INDEX_PATTERN.replace("*", f"{split}-*")
        for path in sorted(glob.glob(os.path.join(glob.escape(report_dir), pattern))):
            table = pq.read_table(path, columns=["row", "image_id", "digest"])
            columns = [column.to_pylist() for column in table.columns]
            found.update({row: (name, digest) for row, name, digest in zip(*columns, strict=True)})
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
