"""Source `dicom`: a folder of DICOM files, at any depth.

Input: every DICOM image below `data.root`, whatever its name; every frame of a multi-frame file is
    an image (`data.dicom.frames`: all, first or middle). DICOMDIR, files that are not DICOM, and
    objects that are not images (reports, presentation states, key objects, plans, segmentations)
    are skipped and counted. docs/intensity.md explains how values become gray levels.
Labels: DICOM has none. `data.dicom.table` names a CSV or Parquet file below root with the task's
    label columns and one of the columns `path` (below root), `SOPInstanceUID`,
    `SeriesInstanceUID`, `StudyInstanceUID`, `AccessionNumber`, `PatientID`, by which its rows are
    matched; columns `site`, `domain` and `split` are used as in a manifest. Rows without a file
    and files without a row are counted, and end the run past `data.max_unmatched_fraction`.
    Without a table the folder can be an unlabeled part of a combination. A manifest may also list
    single DICOM files.
Metadata: the patient is PatientID; the study is StudyInstanceUID, whose images stay together under
    `data.patients=per_image`. Subgroups, the allow-list of what leaves the header: `sex`, `age` (90
    and more is 90), `view`, `modality`, `body_part`, `manufacturer`. Everything else is dropped: no
    tag reaches a record.
Burnt-in text is not detected: pixels may show names. Files whose BurnedInAnnotation is not NO are
    counted in the ingest report (`flags`); look at them before sharing.
Official split: the table's `split` column, if it has one.
Citation, license: those of the data set.
"""

from __future__ import annotations

import functools
import os
import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, BinaryIO

from components.image_example_gen.rows.row import Offer, Row
from components.image_example_gen.settings import DataSettings
from components.image_example_gen.sources.cached_rows import CachedRows
from components.image_example_gen.sources.file_source import FileSource, files_below
from components.image_example_gen.tables import demographics
from components.image_example_gen.tables.annotations import PATH, Annotation, Annotations
from components.image_example_gen.tables.columns import UNKNOWN, SubgroupColumn
from components.image_example_gen.tables.reader import Table
from schemas import features
from schemas.errors import InputError
from trainer_modules.settings import TaskSettings

if TYPE_CHECKING:
    from pydicom import Dataset

    from components.image_example_gen.pixels.picture import Picture

_KEYS = (
    PATH, "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "AccessionNumber", "PatientID",
)  # fmt: skip
# Names of the table's entries in `counts`.
_UNMATCHED_ROWS = "table_rows_without_a_file"
_UNMATCHED_FILES = "files_without_a_table_row"
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


class DicomSource(FileSource):
    """Rows of all frames of all files, in the order of their paths."""

    name = "data.root"

    def __init__(self, data: DataSettings, task: TaskSettings):
        super().__init__(data)
        self._data = data
        self._task = task
        self._subgroup_columns = [SubgroupColumn(s, data.subgroup_bins) for s in data.subgroups]
        # Counts of the first pass over the folder.
        self._left_aside: Counter[str] = Counter()
        self._files = self._without_row = 0

    def check(self) -> None:
        """See `rows.Source`; reads the headers of all files."""
        self._check_files()
        for name in self._data.subgroups:
            if name not in _SUBGROUPS:
                raise InputError(
                    f"data.subgroups names '{name}', dicom has {', '.join(_SUBGROUPS)}"
                )
        if self._table is None and self._task.labels:
            raise InputError(
                "data.dicom.table is empty: DICOM files have no labels; name a table with label "
                f"columns and one of {', '.join(_KEYS)}, or use the folder as an unlabeled part "
                "of source 'combined'"
            )
        super().check()
        if self._table is not None and not any(_known(row) for row in self.rows()):
            raise InputError(
                f"{self._table.name}: none of its rows has the {self._key} of a file below "
                "data.root"
            )
        if self._annotations is not None:
            self._annotations.refuse_unmatched(
                self._files, self._without_row, self._data.max_unmatched_fraction
            )

    def offers(self) -> Offer:
        """See `rows.Source`."""
        labels = self._table.header() if self._table else ()
        return Offer(frozenset(labels), frozenset(_SUBGROUPS))

    def rows(self) -> Iterator[Row]:
        """See `rows.Source`."""
        yield from self._cached

    def where(self, number: int) -> str:
        """See `rows.Source`."""
        return f"image {number} of data.root"

    def patients_advice(self) -> str:
        """See `rows.Source`."""
        return (
            "PatientID is empty in the headers; export the files with pseudonyms, or list them in "
            "a manifest that has the column patient_id"
        )

    def load(self, image: str, max_pixels: int) -> Picture:
        """See `rows.Source`."""
        from components.image_example_gen.decoding import images

        path, frame = self._path_and_frame(image)
        return images.read_file(path, max_pixels, frame, self._intensity)

    def original(self, image: str) -> BinaryIO | None:
        """See `rows.Source`."""
        path, _ = self._path_and_frame(image)
        return open(path, "rb")

    def _path_and_frame(self, image: str) -> tuple[str, int]:
        path, _, frame = image.rpartition("#")
        return os.path.join(self._root, path), int(frame)

    @functools.cached_property
    def _cached(self) -> CachedRows:
        return CachedRows(self._read_rows())

    def counts(self) -> Mapping[str, int]:
        """See `rows.Source`."""
        self._cached  # noqa: B018 (counted while it is made)
        found = dict(sorted(self._left_aside.items()))
        if self._annotations is None or self._table is None:
            return found
        table = {
            "empty_rows": self._table.empty_rows,
            _UNMATCHED_ROWS: self._annotations.unmatched(),
            _UNMATCHED_FILES: self._without_row,
        }
        return found | {kind: count for kind, count in table.items() if count}

    def _read_rows(self) -> Iterator[Row]:
        from components.image_example_gen.decoding.dicom.objects import examine

        number = 0
        table = posixpath.normpath(self._data.dicom.table)
        for path in files_below(self._root, ""):
            if path == table:
                continue
            found = examine(os.path.join(self._root, path), _TAGS)
            if found.skipped:
                self._left_aside[found.skipped] += 1
                continue
            known = self._known(path, found.tags)
            self._files += 1
            self._without_row += known is None
            for frame in found.chosen_frames(self._data.dicom.frames):
                number += 1
                yield self._row(number, path, frame, found.tags, known)

    def _known(self, path: str, tags: Dataset | None) -> Annotation | None:
        """The table's entry for a file."""
        if self._annotations is None:
            return None
        return self._annotations.get(path if self._key == PATH else _text(tags, self._key))

    def _row(
        self, number: int, path: str, frame: int, tags: Dataset | None, known: Annotation | None
    ) -> Row:
        study = _text(tags, "StudyInstanceUID")
        broken = tags is None or "Rows" not in tags
        labels, site, domain, split = known or ((None,) * len(self._task.labels), "", "", "")
        return Row(
            number=number,
            image=f"{path}#{frame}",
            patient_id=path if broken else _text(tags, "PatientID"),
            site=site or UNKNOWN,
            domain=domain or features.IN_DISTRIBUTION,
            split=(split or None) if self._data.official_split else None,
            labels=labels,
            subgroups=tuple(
                self._subgroup(name, reader, tags)
                for name, reader in zip(self._data.subgroups, self._subgroup_columns, strict=True)
            ),
            study_id=study,
            # A damaged header tells nobody; most such files are quarantined.
            own_patient=broken,
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
            raise InputError(f"data.dicom.table: no file '{name}' in data.root '{self._root}'")
        return Table(self._root, name)

    @property
    def _key(self) -> str:
        return self._annotations.key if self._annotations else ""

    @functools.cached_property
    def _annotations(self) -> Annotations | None:
        if self._table is None:
            return None
        return Annotations(
            self._table,
            _KEYS,
            self._task,
            self._data.label_columns,
            self._data.columns,
            self._data.values,
        )

    def _inside(self, row: Row) -> os.stat_result | None:
        return super()._inside_path(row.number, row.image.rpartition("#")[0])

    def _tables(self) -> list[str]:
        return [self._table.path] if self._table else []

    def _no_rows(self) -> str:
        return "contains no DICOM image: name the folder of the DICOM files"


def _text(tags: Dataset | None, name: str) -> str:
    value = tags.get(name) if tags is not None else None
    return "" if value is None else str(value).strip()


def _known(row: Row) -> bool:
    return any(value is not None for value in row.labels)
