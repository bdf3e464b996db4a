"""Source `dicom`: a folder of DICOM files, at any depth.

Input: every file below `data.root` but DICOMDIR and names that begin with a dot; every frame of a
    multi-frame file is an image (`data.dicom.frames`: all, first or middle). What is no DICOM
    image is quarantined. `image_example_gen.dicom` says how values become gray levels.
Labels: DICOM has none. `data.dicom.table` names a CSV or Parquet file below root with the task's
    label columns and one of the columns `path` (below root), `SOPInstanceUID`,
    `StudyInstanceUID`, `AccessionNumber`, `PatientID`, by which its rows are matched; columns
    `site`, `domain` and `split` are used as in a manifest. Without a table the folder can be an
    unlabeled part of a combination. A manifest may also name DICOM files one by one.
Metadata: the patient is PatientID, or the study where that is empty; the study is
    StudyInstanceUID. Subgroups, the allow-list of
    what leaves the header: `sex`, `age` (90 and more is 90), `view`, `modality`, `body_part`,
    `manufacturer`. Everything else is dropped: no tag reaches a record.
Burnt-in text: pixels are never trusted to be free of names. Files that say BurnedInAnnotation YES,
    or do not say NO, are counted in the ingest report (`flags`); look at them before sharing.
Official split: the table's `split` column, where it has one.
Citation, license: those of the data set.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from components.image_example_gen.rows.row import Offer, Row
from components.image_example_gen.settings import DataSettings
from components.image_example_gen.sources.cached_rows import CachedRows
from components.image_example_gen.sources.file_source import FileSource, files_below
from components.image_example_gen.tables import demographics
from components.image_example_gen.tables.columns import UNKNOWN, LabelColumn, SubgroupColumn
from components.image_example_gen.tables.joins import Lookup
from components.image_example_gen.tables.reader import Table
from schemas import features
from schemas.errors import InputError
from trainer_modules.settings import TaskSettings

if TYPE_CHECKING:
    from pydicom import Dataset

    from components.image_example_gen.pixels.picture import Picture

# What the table says of a file: labels, site, domain, split.
_Annotation = tuple[tuple[float | None, ...], str, str, str]
_KEYS = ("path", "SOPInstanceUID", "StudyInstanceUID", "AccessionNumber", "PatientID")
_SUBGROUPS = {
    "sex": "PatientSex",
    "age": "PatientAge",
    "view": "ViewPosition",
    "modality": "Modality",
    "body_part": "BodyPartExamined",
    "manufacturer": "Manufacturer",
}
_TAGS = (*_KEYS[1:], *_SUBGROUPS.values(), "NumberOfFrames")
_OLDEST = 90
_SPLITS = (features.UNLABELED, features.TRAIN, features.VALIDATION, features.TEST)


class DicomSource(FileSource):
    """Rows of all frames of all files, in the order of their paths."""

    name = "data.root"

    def __init__(self, data: DataSettings, task: TaskSettings):
        super().__init__(data)
        self._data = data
        self._task = task
        self._label_columns = [LabelColumn(task, name) for name in task.labels]
        self._subgroup_columns = [SubgroupColumn(s, data.subgroup_bins) for s in data.subgroups]

    def check(self) -> None:
        """See `rows.Source`; opens the headers of all files."""
        self._check_files()
        for name in self._data.subgroups:
            if name not in _SUBGROUPS:
                raise InputError(
                    f"data.subgroups names '{name}', dicom has {', '.join(_SUBGROUPS)}"
                )
        if self._table is None and self._task.labels:
            raise InputError(
                "data.dicom.table is empty: DICOM files hold no labels; name a table with label "
                f"columns and one of {', '.join(_KEYS)}, or use the folder as an unlabeled part "
                "of source 'combined'"
            )
        super().check()
        if self._table is not None and not any(_known(row) for row in self.rows()):
            raise InputError(
                f"{self._table.name}: none of its rows has the {self._key} of a file below "
                "data.root"
            )

    def offers(self) -> Offer:
        """See `rows.Source`."""
        labels = self._table.header() if self._table else ()
        return Offer(frozenset(labels), frozenset(_SUBGROUPS))

    def rows(self) -> Iterator[Row]:
        """See `rows.Source`."""
        yield from self._cached

    def load(self, image: str, max_pixels: int) -> Picture:
        """See `rows.Source`."""
        from components.image_example_gen.decoding import images

        path, frame = self._path_and_frame(image)
        return images.read_file(path, max_pixels, frame, self._intensity)

    def _path_and_frame(self, image: str) -> tuple[str, int]:
        path, _, frame = image.rpartition("#")
        return os.path.join(self._root, path), int(frame)

    @functools.cached_property
    def _cached(self) -> CachedRows:
        return CachedRows(self._read_rows())

    def _read_rows(self) -> Iterator[Row]:
        number = 0
        for path in files_below(self._root, ""):
            if os.path.basename(path).upper() == "DICOMDIR" or path == self._data.dicom.table:
                continue
            tags = self._tags(path)
            for frame in self._frames(tags):
                number += 1
                yield self._row(number, path, frame, tags)

    def _tags(self, path: str) -> Dataset | None:
        """Header of a file, None where it has none: decoding it will say what is wrong."""
        from components.image_example_gen.decoding.dicom import file as dicom

        full = os.path.join(self._root, path)
        try:
            with open(full, "rb") as file:
                if not dicom.is_dicom(file.read(132), path):
                    return None
                return dicom.read_tags(file, _TAGS)
        except Exception:  # noqa: BLE001 (a damaged header raises nearly anything)
            return None

    def _frames(self, tags: Dataset | None) -> range:
        try:
            count = int(tags.get("NumberOfFrames") or 1) if tags is not None else 1
        except (TypeError, ValueError):
            count = 1
        chosen = {"first": range(1), "middle": range(count // 2, count // 2 + 1)}
        return chosen.get(self._data.dicom.frames, range(max(1, count)))

    def _row(self, number: int, path: str, frame: int, tags: Dataset | None) -> Row:
        study = _text(tags, "StudyInstanceUID")
        key = path if self._key == "path" else _text(tags, self._key)
        known = self._annotations.get(key) if self._annotations and key else None
        labels, site, domain, split = known or ((None,) * len(self._task.labels), "", "", "")
        return Row(
            number=number,
            image=f"{path}#{frame}",
            patient_id=_text(tags, "PatientID") or study or path,
            site=site or UNKNOWN,
            domain=domain or features.IN_DISTRIBUTION,
            split=(split or None) if self._data.official_split else None,
            labels=labels,
            subgroups=tuple(
                self._subgroup(name, reader, tags)
                for name, reader in zip(self._data.subgroups, self._subgroup_columns, strict=True)
            ),
            study_id=study,
        )

    def _subgroup(self, name: str, reader: SubgroupColumn, tags: Dataset | None) -> str:
        text = _text(tags, _SUBGROUPS[name])
        if name == "sex":
            text = demographics.sex(text)
        elif name == "age":
            years = demographics.age(text)
            # Ages from 90 on count as identifying.
            text = str(min(int(years), _OLDEST)) if years else ""
        try:
            return reader.parse(text)
        except ValueError:
            return UNKNOWN

    @functools.cached_property
    def _table(self) -> Table | None:
        name = self._data.dicom.table
        if not name:
            return None
        if os.path.isabs(name) or ".." in name.split("/"):
            raise InputError(f"data.dicom.table '{name}': give a path inside data.root")
        if not os.path.isfile(os.path.join(self._root, name)):
            raise InputError(
                f"data.dicom.table: there is no file '{name}' in data.root '{self._root}'"
            )
        return Table(self._root, name)

    @functools.cached_property
    def _key(self) -> str:
        if self._table is None:
            return ""
        header = self._table.header()
        found = next((key for key in _KEYS if key in header), None)
        if found is None:
            raise InputError(
                f"{self._table.name} has none of the columns {', '.join(_KEYS)}, by which rows are "
                f"matched with files; its columns are {', '.join(header)}"
            )
        return found

    @functools.cached_property
    def _annotations(self) -> Lookup[_Annotation] | None:
        """What the table says of a file: labels, site, domain, split."""
        return Lookup(self._read_table(self._table), self._table.name) if self._table else None

    def _read_table(self, table: Table) -> Iterator[tuple[str, _Annotation]]:
        columns = [self._data.label_columns.get(name, name) for name in self._task.labels]
        rows = table.rows((self._key, *columns), ("site", "domain", "split"))
        for number, cells in enumerate(rows, start=1):
            labels = []
            for column, reader in zip(columns, self._label_columns, strict=True):
                try:
                    labels.append(reader.parse(cells[column]))
                except ValueError:
                    raise table.bad_value(number, column, cells[column], reader.accepted) from None
            domain, split = cells.get("domain", ""), cells.get("split", "")
            if domain not in ("", *features.DOMAINS):
                raise table.bad_value(number, "domain", domain, ", ".join(features.DOMAINS))
            if split not in ("", *_SPLITS):
                raise table.bad_value(number, "split", split, ", ".join(_SPLITS))
            yield cells[self._key], (tuple(labels), cells.get("site", ""), domain, split)

    def _inside(self, row: Row) -> os.stat_result | None:
        return super()._inside_path(row.number, row.image.rpartition("#")[0])

    def _tables(self) -> list[str]:
        return [self._table.path] if self._table else []

    def _no_rows(self) -> str:
        return "holds no file: name the folder of the DICOM files"


def _text(tags: Dataset | None, name: str) -> str:
    value = tags.get(name) if tags is not None else None
    return "" if value is None else str(value).strip()


def _known(row: Row) -> bool:
    return any(value is not None for value in row.labels)
