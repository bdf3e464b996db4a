"""Source `manifest`: a CSV or Parquet table beside the images, one row per image.

Columns: `image` (path relative to the manifest), `patient_id` (unless `data.patients=per_image`; of
DICOM files without the column it is PatientID), the task's label columns (0, 1, -1 uncertain, empty
unknown; or one class name), and optionally `site` ('unknown'), `domain` ('in_distribution'; or
'shifted'), `split` (unlabeled, train, validation or test, for in-distribution rows), `study_id` and
`slide_id` (each unique in the whole table, or empty) and any subgroup columns. `data.columns` maps
these names to the table's own, `data.label_columns` those of labels.
CSV is comma-separated UTF-8, with or without a byte-order mark, gzip allowed.

Messages name file, row and column; they show the value except for `image` and the ids,
which may identify a patient.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from typing import Protocol, TypeVar

from components.image_example_gen.rows.row import Offer, Row
from components.image_example_gen.settings import DataSettings
from components.image_example_gen.sources.file_source import (
    FileSource,
    patient_of_file,
    relative_image,
)
from components.image_example_gen.tables import patient_ids, shown
from components.image_example_gen.tables.columns import (
    UNKNOWN,
    LabelColumn,
    Meanings,
    SubgroupColumn,
)
from components.image_example_gen.tables.reader import Table
from schemas import features
from schemas.errors import InputError
from trainer_modules.settings import TaskSettings

_IMAGE, _PATIENT, _SITE, _DOMAIN, _SPLIT = "image", "patient_id", "site", "domain", "split"
_STUDY, _SLIDE = features.STUDY_ID, features.SLIDE_ID
_OPTIONAL = (_PATIENT, _STUDY, _SLIDE, _SITE, _DOMAIN, _SPLIT)
# Letters and digits of other names that columns of images have in practice.
_IMAGE_NAMES = (
    *("path", "file", "filename", "filepath", "imagepath", "imagefile", "imagefilename"),
    *("imagename", "img", "imgpath", "uri", "dicompath", "dicomfile", "imageindex", "relativepath"),
)
_MEANT = (_SITE, _DOMAIN, _SPLIT)
_GIVEN_SPLITS = (features.UNLABELED, features.TRAIN, features.VALIDATION, features.TEST)

Value = TypeVar("Value", covariant=True)


class _Reader(Protocol[Value]):
    """What reads the cells of a label or a subgroup."""

    accepted: str

    def parse(self, text: str) -> Value: ...


class ManifestSource(FileSource):
    """Rows of a manifest file."""

    def __init__(self, data: DataSettings, task: TaskSettings):
        super().__init__(data)
        self.name = data.manifest
        self._table = Table(data.root, data.manifest)
        self._base = os.path.dirname(self._table.path)
        self._official = data.official_split
        self._labels = {name: data.label_columns.get(name, name) for name in task.labels}
        self._label_columns = [
            LabelColumn(task, name, meanings=data.values.get(name)) for name in task.labels
        ]
        self._names = {name: data.columns.get(name, name) for name in (_IMAGE, *_OPTIONAL)}
        self._mapped = data.columns
        self._identified = data.patients == "identified"
        self._tags: dict[str, str | None] = {}
        self._subgroups = {name: data.columns.get(name, name) for name in data.subgroups}
        self._subgroup_columns = [
            SubgroupColumn(s, data.subgroup_bins, data.values.get(s)) for s in data.subgroups
        ]
        self._meanings = {name: Meanings(data.values.get(name, {})) for name in _MEANT}
        self._valued = data.values

    def offers(self) -> Offer:
        """See `rows.Source`: any column may be a label or a subgroup."""
        self._check_files()
        header = self._table.header()
        labels = {label for label, column in self._labels.items() if column in header}
        groups = {name for name, column in self._mapped.items() if column in header}
        return Offer(frozenset(labels.union(header)), frozenset(groups.union(header)))

    def rows(self) -> Iterator[Row]:
        """See `rows.Source`."""
        required = [self._names[_IMAGE], *self._labels.values(), *self._subgroups.values()]
        required += [self._names[name] for name in _OPTIONAL if name in self._mapped]
        optional = [self._names[name] for name in _OPTIONAL if name not in self._mapped]
        columns = list(dict.fromkeys(required))
        for number, cells in enumerate(self._table.rows(columns, optional), start=1):
            yield self._row(number, cells)

    def where(self, number: int) -> str:
        """See `rows.Source`."""
        return self._table.where(number)

    def counts(self) -> Mapping[str, int]:
        """See `rows.Source`."""
        return {"empty_rows": self._table.empty_rows} if self._table.empty_rows else {}

    def patients_advice(self) -> str:
        """See `rows.Source`: a column of the table that looks like it."""
        near = patient_ids.like_patients(self._table.header())
        if near:
            return (
                f"the manifest has no column '{self._names[_PATIENT]}', did you mean '{near[0]}'? "
                f"Then say so: data.columns={{patient_id: {near[0]}}}"
            )
        return (
            f"the manifest has no column '{self._names[_PATIENT]}'; add it, or name the one that "
            "tells patients: data.columns={patient_id: COLUMN}"
        )

    def _tables(self) -> list[str]:
        return [self._table.path]

    def _check_files(self) -> None:
        super()._check_files()
        if os.path.isabs(self.name) or ".." in self.name.split("/"):
            raise InputError(f"data.manifest '{self.name}': give a path inside data.root")
        if not os.path.isfile(self._table.path):
            raise InputError(
                f"data.manifest: no file '{self.name}' in data.root '{self._root}'; "
                "accepted are .csv, .csv.gz and .parquet"
            )
        self._check_columns()

    def _where_images_are(self) -> str:
        return "paths are relative to the manifest"

    def _check_columns(self) -> None:
        accepted = (_IMAGE, *_OPTIONAL, *self._subgroups)
        for name in self._mapped:
            if name not in accepted:
                raise InputError(
                    f"data.columns names '{name}'; accepted are {', '.join(accepted)}; columns of "
                    "labels are named in data.label_columns"
                )
        accepted = (*self._labels, *_MEANT, *self._subgroups)
        for name in self._valued:
            if name not in accepted:
                raise InputError(f"data.values names '{name}'; accepted are {', '.join(accepted)}")
        header = self._table.header()
        wanted: list[tuple[str, str, str, Collection[str]]] = [
            ("columns", _IMAGE, self._names[_IMAGE], _IMAGE_NAMES),
            *(("label_columns", label, column, ()) for label, column in self._labels.items()),
        ]
        for setting, name, column, aliases in wanted:
            near = "" if column in header else shown.nearest(column, header, aliases)
            if near:
                raise InputError(
                    f"{self.name} has no column '{column}', did you mean '{near}'? Then say so: "
                    f"data.{setting}={{{name}: {near}}}"
                )

    def _row(self, number: int, given: dict[str, str]) -> Row:
        cells = {name: given[column] for name, column in self._names.items() if column in given}
        for name, meanings in self._meanings.items():
            meaning = meanings.of(cells[name]) if name in cells else None
            cells |= {} if meaning is None else {name: meaning}
        try:
            image = relative_image(cells[_IMAGE])
        except ValueError as error:
            raise InputError(
                f"{self.where(number)}: image {error}", local=f"image '{cells[_IMAGE]}'"
            ) from None
        domain = cells.get(_DOMAIN) or features.IN_DISTRIBUTION
        if domain not in features.DOMAINS:
            raise self._bad_value(number, _DOMAIN, domain, ", ".join(features.DOMAINS), image)
        split = self._split(number, cells.get(_SPLIT, ""), domain, image)
        patient = self._patient(number, image, cells.get(_PATIENT))
        return Row(
            number=number,
            image=image,
            patient_id=image if patient is None else patient,
            own_patient=patient is None,
            site=cells.get(_SITE) or UNKNOWN,
            domain=domain,
            split=split if self._official else None,
            labels=tuple(
                self._value(number, name, column, given[name], image)
                for name, column in zip(self._labels.values(), self._label_columns, strict=True)
            ),
            subgroups=tuple(
                self._value(number, column, reader, given[column], image)
                for column, reader in zip(
                    self._subgroups.values(), self._subgroup_columns, strict=True
                )
            ),
            study_id=cells.get(_STUDY, ""),
            slide_id=cells.get(_SLIDE, ""),
        )

    def _patient(self, number: int, image: str, text: str | None) -> str | None:
        """The patient's id; empty where it is not known, None where the file can't be read."""
        if text == "" and self._identified:
            raise InputError(
                f"{self.where(number)}: patient_id is empty; fill it, take the row out, or set "
                "data.patients=per_image (overlap of patients is then not checked)",
                local=f"image '{image}'",
            )
        if text is not None or not self._identified:
            return text or ""
        if image not in self._tags:
            self._tags[image] = patient_of_file(os.path.join(self._base, image))
        return self._tags[image]

    def _split(self, number: int, text: str, domain: str, image: str) -> str | None:
        if domain == features.SHIFTED:
            if text not in ("", features.SHIFTED):
                accepted = "empty or 'shifted' (shifted images are never split)"
                accepted += " where domain is shifted"
                raise self._bad_value(number, _SPLIT, text, accepted, image)
            return None
        if text and text not in _GIVEN_SPLITS:
            accepted = f"{', '.join(_GIVEN_SPLITS)} or empty; 'shifted' follows from domain"
            raise self._bad_value(number, _SPLIT, text, accepted, image)
        return text or None

    def _value(
        self, number: int, column: str, reader: _Reader[Value], text: str, image: str
    ) -> Value:
        try:
            return reader.parse(text)
        except ValueError:
            raise self._bad_value(number, column, text, reader.accepted, image) from None

    def _bad_value(
        self, number: int, column: str, text: str, accepted: str, image: str
    ) -> InputError:
        error = self._table.bad_value(number, self._names.get(column, column), text, accepted)
        error.local = f"image '{image}'"
        return error
