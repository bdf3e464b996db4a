"""Source `mimic_cxr`: MIMIC-CXR-JPG 2.0 chest X-rays, as downloaded.

Input: 377,110 JPEG chest films of 65,379 patients of Beth Israel Deaconess Medical Center;
    `data.view` selects the frontal ones by ViewPosition (default), the lateral ones or all; films
    whose position is blank or unknown are then left out and counted.
Labels: the 14 CheXpert observations of mimic-cxr-2.0.0-chexpert.csv.gz, by study: 1, 0, -1
    (uncertain: `task.uncertain`), blank (not mentioned: `data.unmentioned`). The labels of a study
    without a row there are unknown.
Metadata: subgroups `view` (ViewPosition), and `sex` and `age` if MIMIC-IV's patients.csv[.gz]
    (subject_id, gender, anchor_age) is beside the tables, unknown otherwise; site `bidmc`.
Official split: mimic-cxr-2.0.0-split.csv.gz: train, validate, test.
Layout: `data.root` contains the three tables (gzip or unpacked, of any 2.x version) and
    `files/p10/p10000032/s50414267/<dicom_id>.jpg`.
Citation: Johnson et al., MIMIC-CXR-JPG (arXiv 1901.07042); PhysioNet, doi 10.13026/8360-t248.
License: PhysioNet credentialed health data license 1.5.0; no redistribution.
"""

from __future__ import annotations

import functools
import glob
import os
import re
from collections.abc import Iterator

from components.image_example_gen.rows.row import Row
from components.image_example_gen.sources.public.chexpert import FINDINGS
from components.image_example_gen.sources.public.public_table import PublicTable
from components.image_example_gen.tables import demographics
from components.image_example_gen.tables.joins import Lookup
from components.image_example_gen.tables.reader import Table
from schemas import features
from schemas.errors import InputError

SITE = "bidmc"
_TABLES = ("split", "metadata", "chexpert")
_SPLITS = {
    "train": features.TRAIN, "validate": features.VALIDATION, "test": features.TEST
}  # fmt: skip
_SUBJECT, _STUDY, _IMAGE, _VIEW = "subject_id", "study_id", "dicom_id", "ViewPosition"
_PATIENTS = ("patients.csv.gz", "patients.csv")
_DIGITS = re.compile(r"^\d+$")
_NAME = re.compile(r"^[0-9A-Za-z.-]+$")


class MimicCxrSource(PublicTable):
    """Rows of the split table, joined with the other tables."""

    findings = FINDINGS
    aliases = {"effusion": "Pleural Effusion"}  # noqa: RUF012 (constant)
    subgroups = ("sex", "age", "view")
    name = "the split table"

    def rows(self) -> Iterator[Row]:
        """See `rows.Source`."""
        table = self._find("split")
        unknown = 0
        for number, cells in enumerate(table.rows((_IMAGE, _STUDY, _SUBJECT, "split")), start=1):
            self._check_ids(table, number, cells)
            view = self._views.get(cells[_IMAGE])
            if view is None:
                raise InputError(
                    f"{table.where(number)}: its dicom_id is not in "
                    f"{self._find('metadata').name}; take both tables from one version"
                )
            facing = demographics.view_class(view)
            if self._data.view in ("all", facing):
                yield self._row(number, table, cells, view)
            else:
                unknown += not facing
        self._unknown_views = unknown

    def _row(self, number: int, table: Table, cells: dict[str, str], view: str) -> Row:
        split = _SPLITS.get(cells["split"])
        if split is None:
            raise table.bad_value(number, "split", cells["split"], ", ".join(_SPLITS))
        subject, study = cells[_SUBJECT], cells[_STUDY]
        sex, age = (self._people.get(subject) if self._people else None) or ("", "")
        unlabeled = (None,) * len(self._task.labels)
        return Row(
            number=number,
            image=f"files/p{subject[:2]}/p{subject}/s{study}/{cells[_IMAGE]}.jpg",
            patient_id=subject,
            site=SITE,
            domain=features.IN_DISTRIBUTION,
            split=split if self._data.official_split else None,
            labels=self._studies.get(study) or unlabeled,
            subgroups=self._subgroups({"sex": sex, "age": age, "view": view}),
            study_id=study,
        )

    @functools.cached_property
    def _views(self) -> Lookup[str]:
        table = self._find("metadata")
        rows = table.rows((_IMAGE, _VIEW))
        return Lookup(((cells[_IMAGE], cells[_VIEW]) for cells in rows), table.name, table.where)

    @functools.cached_property
    def _studies(self) -> Lookup[tuple[float | None, ...]]:
        table = self._find("chexpert")
        rows = enumerate(table.rows((_STUDY, *self._columns.values())), start=1)
        labels = ((cells[_STUDY], self._labels(table, number, cells)) for number, cells in rows)
        return Lookup(labels, table.name, table.where)

    @functools.cached_property
    def _people(self) -> Lookup[tuple[str, str]] | None:
        table = self._people_table()
        if table is None:
            return None
        rows = table.rows((_SUBJECT, "gender", "anchor_age"))
        people = (
            (
                cells[_SUBJECT],
                (demographics.sex(cells["gender"]), demographics.age(cells["anchor_age"])),
            )
            for cells in rows
        )
        return Lookup(people, table.name, table.where)

    def _people_table(self) -> Table | None:
        for name in _PATIENTS:
            if os.path.isfile(os.path.join(self._root, name)):
                return Table(self._root, name)
        return None

    def _check_ids(self, table: Table, number: int, cells: dict[str, str]) -> None:
        """Refuses values that would change the path; shows none, because they are identities."""
        for name, pattern in ((_SUBJECT, _DIGITS), (_STUDY, _DIGITS), (_IMAGE, _NAME)):
            if not pattern.match(cells[name]):
                raise InputError(
                    f"{table.where(number)}: {name} is not an id like those of MIMIC-CXR "
                    "(digits; letters, digits and dashes for dicom_id)"
                )

    def _find(self, kind: str) -> Table:
        pattern = os.path.join(glob.escape(self._root), f"mimic-cxr-2.*-{kind}.csv*")
        names = sorted(
            os.path.basename(path) for path in glob.glob(pattern) if path.endswith((".csv", ".gz"))
        )
        if not names:
            names = [f"mimic-cxr-2.0.0-{kind}.csv.gz"]
        told = "name the folder that contains the tables and files/"
        return self._find_tables(names[-1], told=told)[0]

    def _tables(self) -> list[str]:
        people = self._people_table()
        paths = [self._find(kind).path for kind in _TABLES]
        return [*paths, people.path] if people else paths

    def _check_files(self) -> None:
        super()._check_files()
        for kind in _TABLES:
            self._find(kind)
