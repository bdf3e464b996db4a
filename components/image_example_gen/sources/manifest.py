"""Source `manifest`: a CSV or Parquet table beside the images, one row per image.

Columns: `image` (path relative to the manifest), the task's label columns (0, 1, -1 uncertain,
empty unknown; or one class name), and optionally `patient_id` (without it every image is its own
patient), `site` ('unknown'), `domain` ('in_distribution'; or 'shifted'), `split` (unlabeled,
train, validation or test, for in-distribution rows), `study_id` and `slide_id` (each unique in
the whole table, or empty) and any subgroup columns.
CSV is comma-separated UTF-8, with or without a byte-order mark, gzip allowed.

Messages name file, row and column; they show the value except for `image` and the ids,
which may identify a patient.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from components.image_example_gen.rows.row import Offer, Row
from components.image_example_gen.settings import DataSettings
from components.image_example_gen.sources.file_source import FileSource, relative_image
from components.image_example_gen.tables.columns import UNKNOWN, LabelColumn, SubgroupColumn
from components.image_example_gen.tables.reader import Table
from schemas import features
from schemas.errors import InputError
from trainer_modules.settings import TaskSettings

_IMAGE, _PATIENT, _SITE, _DOMAIN, _SPLIT = "image", "patient_id", "site", "domain", "split"
_STUDY, _SLIDE = features.STUDY_ID, features.SLIDE_ID
_OPTIONAL = (_PATIENT, _STUDY, _SLIDE, _SITE, _DOMAIN, _SPLIT)
_GIVEN_SPLITS = (features.UNLABELED, features.TRAIN, features.VALIDATION, features.TEST)


class ManifestSource(FileSource):
    """Rows of a manifest file."""

    def __init__(self, data: DataSettings, task: TaskSettings):
        super().__init__(data)
        self.name = data.manifest
        self._table = Table(data.root, data.manifest)
        self._base = os.path.dirname(self._table.path)
        self._official = data.official_split
        self._labels = {name: data.label_columns.get(name, name) for name in task.labels}
        self._label_columns = [LabelColumn(task, name) for name in task.labels]
        self._subgroups = data.subgroups
        self._subgroup_columns = [SubgroupColumn(s, data.subgroup_bins) for s in data.subgroups]

    def offers(self) -> Offer:
        """See `rows.Source`: any column may be either."""
        self._check_files()
        header = self._table.header()
        labels = {label for label, column in self._labels.items() if column in header}
        return Offer(frozenset(labels.union(header)), frozenset(header))

    def rows(self) -> Iterator[Row]:
        """See `rows.Source`."""
        required = (_IMAGE, *self._labels.values(), *self._subgroups)
        for number, cells in enumerate(self._table.rows(required, _OPTIONAL), start=1):
            yield self._row(number, cells)

    def _tables(self) -> list[str]:
        return [self._table.path]

    def _check_files(self) -> None:
        super()._check_files()
        if os.path.isabs(self.name) or ".." in self.name.split("/"):
            raise InputError(f"data.manifest '{self.name}': give a path inside data.root")
        if not os.path.isfile(self._table.path):
            raise InputError(
                f"data.manifest: there is no file '{self.name}' in data.root '{self._root}'; "
                "accepted are .csv, .csv.gz and .parquet"
            )

    def _where_images_are(self) -> str:
        return "paths are relative to the manifest"

    def _row(self, number: int, cells: dict[str, str]) -> Row:
        image = relative_image(f"{self.name}, row {number}: image", cells[_IMAGE])
        patient = cells.get(_PATIENT)
        if patient == "":
            raise InputError(
                f"{self.name}, row {number}: patient_id is empty; fill it, or leave the column "
                "out to make every image its own patient"
            )
        domain = cells.get(_DOMAIN) or features.IN_DISTRIBUTION
        if domain not in features.DOMAINS:
            raise self._table.bad_value(number, _DOMAIN, domain, ", ".join(features.DOMAINS))
        split = self._split(number, cells.get(_SPLIT, ""), domain)
        return Row(
            number=number,
            image=image,
            patient_id=image if patient is None else patient,
            site=cells.get(_SITE) or UNKNOWN,
            domain=domain,
            split=split if self._official else None,
            labels=tuple(
                self._label(number, name, column, cells[name])
                for name, column in zip(self._labels.values(), self._label_columns, strict=True)
            ),
            subgroups=tuple(
                self._subgroup(number, name, column, cells[name])
                for name, column in zip(self._subgroups, self._subgroup_columns, strict=True)
            ),
            study_id=cells.get(_STUDY, ""),
            slide_id=cells.get(_SLIDE, ""),
        )

    def _split(self, number: int, text: str, domain: str) -> str | None:
        if domain == features.SHIFTED:
            if text not in ("", features.SHIFTED):
                accepted = "empty or 'shifted' (shifted images are never split)"
                raise self._table.bad_value(
                    number, _SPLIT, text, f"{accepted} where domain is shifted"
                )
            return None
        if text and text not in _GIVEN_SPLITS:
            accepted = f"{', '.join(_GIVEN_SPLITS)} or empty; 'shifted' follows from domain"
            raise self._table.bad_value(number, _SPLIT, text, accepted)
        return text or None

    def _label(self, number: int, name: str, column: LabelColumn, text: str) -> float | None:
        try:
            return column.parse(text)
        except ValueError:
            raise self._table.bad_value(number, name, text, column.accepted) from None

    def _subgroup(self, number: int, name: str, column: SubgroupColumn, text: str) -> str:
        try:
            return column.parse(text)
        except ValueError:
            raise self._table.bad_value(number, name, text, column.accepted) from None
