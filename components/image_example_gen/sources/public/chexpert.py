"""Source `chexpert`: CheXpert chest X-rays, full size or -small, as downloaded.

Input: 224,316 JPEG chest films of 65,240 patients of Stanford Hospital; `data.view` selects
    the frontal ones (default), the lateral ones or all.
Labels: 14 observations extracted from reports: 1, 0, -1 (uncertain: `task.uncertain`), blank (not
    mentioned: `data.unmentioned`; unknown by default). `Pleural Effusion` is
    `pleural_effusion`. The labels of valid.csv and test.csv are by radiologists.
Metadata: subgroups `sex`, `age`, `view` (AP, PA, LATERAL, ...); the patient is `patientNNNNN` of
    the path, the study `studyN`; site `stanford`.
Official split: train.csv is `train`. With a test.csv or test_labels.csv (the test set published
    later), valid.csv is `validation` and that table is `test`. Without it valid.csv is `test`, and
    validation is taken from train, by patient.
Layout: `data.root` is the folder of train.csv. Paths in it start with the release's folder
    (`CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg`), whatever its current name.
    The full-size release's folders `CheXpert-v1.0 batch 2 (train 1)` ... may stay beside it.
Citation: Irvin et al., CheXpert, AAAI 2019 (arXiv 1901.07031).
License: Stanford University dataset research use agreement; no redistribution.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator

from components.image_example_gen.rows.row import Row
from components.image_example_gen.sources.file_source import relative_image
from components.image_example_gen.sources.public.public_table import PublicTable
from components.image_example_gen.tables import demographics
from components.image_example_gen.tables.reader import Table
from schemas import features
from schemas.errors import InputError

FINDINGS = (
    "No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion",
    "Edema", "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion",
    "Pleural Other", "Fracture", "Support Devices",
)  # fmt: skip
SITE = "stanford"
# The first that is there: some copies have a test.csv without labels beside the other.
_TEST = ("test_labels.csv", "test.csv")
_PATH, _SEX, _AGE, _FACING, _POSITION = "Path", "Sex", "Age", "Frontal/Lateral", "AP/PA"
_ABOUT = (_SEX, _AGE, _FACING, _POSITION)
_TOP = re.compile(r"^(?:.*?/)?((?:train|valid|test)/(patient\d+)/([^/]+)(?:/.+)?)$")
_BATCH = re.compile(r"batch \d+ \((train|valid\w*|test)\b", re.IGNORECASE)


class ChexpertSource(PublicTable):
    """Rows of train.csv, valid.csv and the test table, in this order."""

    findings = FINDINGS
    aliases = {"effusion": "Pleural Effusion"}  # noqa: RUF012 (constant)
    subgroups = ("sex", "age", "view")
    name = "train.csv"

    def rows(self) -> Iterator[Row]:
        """See `rows.Source`; rows are counted through the tables."""
        number = 0
        for table, split in self._splits():
            columns = tuple(self._columns.values())
            for place, cells in enumerate(table.rows((_PATH, *columns), _ABOUT), start=1):
                number += 1
                facing = self._facing(table, place, cells)
                if self._data.view in ("all", facing):
                    yield self._row(number, place, table, split, cells)

    def _row(self, number: int, place: int, table: Table, split: str, cells: dict[str, str]) -> Row:
        try:
            match = _TOP.match(relative_image(cells[_PATH]))
            if not match:
                raise ValueError("is not like CheXpert-v1.0/train/patientNNNNN/study1/...")
        except ValueError as error:
            raise InputError(
                f"{table.where(place)}: Path {error}", local=f"image '{cells[_PATH]}'"
            ) from None
        image, patient, study = match.groups()
        position = cells.get(_POSITION, "").upper()
        about = {
            "sex": demographics.sex(cells.get(_SEX, "")),
            "age": demographics.age(cells.get(_AGE, "")),
            "view": position or cells.get(_FACING, "").upper(),
        }
        return Row(
            number=number,
            image=self._place(image),
            patient_id=patient,
            site=SITE,
            domain=features.IN_DISTRIBUTION,
            split=split if self._data.official_split else None,
            labels=self._labels(table, place, cells),
            subgroups=self._subgroups(about),
            # Study numbers restart for each patient.
            study_id=f"{patient}/{study}",
        )

    def _facing(self, table: Table, place: int, cells: dict[str, str]) -> str:
        if self._data.view == "all":
            return "all"
        # The released test.csv lacks this column, but file names contain it.
        text = cells.get(_FACING) or os.path.basename(cells[_PATH])
        for facing in ("frontal", "lateral"):
            if facing in text.lower():
                return facing
        raise table.bad_value(place, _FACING, cells.get(_FACING, ""), "Frontal, Lateral")

    def _splits(self) -> list[tuple[Table, str]]:
        tables = self._present()
        splits = [features.TRAIN, features.VALIDATION, features.TEST]
        if len(tables) == 2:
            splits = [features.TRAIN, features.TEST]
        return list(zip(tables, splits, strict=False))

    def _present(self) -> list[Table]:
        names = ["train.csv", "valid.csv"]
        names += [name for name in _TEST if os.path.isfile(os.path.join(self._root, name))][:1]
        told = "name the folder that contains train.csv and valid.csv"
        return self._find_tables(*names, told=told)

    def _tables(self) -> list[str]:
        return [table.path for table in self._present()]

    def _check_files(self) -> None:
        super()._check_files()
        self._present()

    @functools.cached_property
    def _batches(self) -> dict[str, list[str]]:
        """Folders of the full-size release, which spreads `train` over several."""
        found: dict[str, list[str]] = {}
        for name in sorted(os.listdir(self._root)):
            match = _BATCH.search(name)
            if match and os.path.isdir(os.path.join(self._root, name)):
                found.setdefault(match[1][:5].lower(), []).append(name)
        return found

    @functools.lru_cache(maxsize=4096)  # noqa: B019 (a source lives as long as its run)
    def _folder(self, split: str, patient: str) -> str:
        for name in self._batches.get(split, ()):
            for folder in (f"{name}/{patient}", f"{name}/{split}/{patient}"):
                if os.path.isdir(os.path.join(self._root, folder)):
                    return folder
        return f"{split}/{patient}"

    def _place(self, image: str) -> str:
        if not self._batches:
            return image
        split, patient, rest = image.split("/", 2)
        return f"{self._folder(split, patient)}/{rest}"
