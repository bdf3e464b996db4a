"""Source `image_folder`: one folder for each class.

Input: every file below `data.root/CLASS/`, or below `data.root/SPLIT/CLASS/` if the top folders are
    named train, val, valid, validation, test or unlabeled. Names that begin with a dot are
    skipped; files that are not images are quarantined. DICOM files are read, too.
Labels: the folder's name is the class of a multiclass task (`task.classes`; 'Lung Opacity' matches
    `lung_opacity`). A binary label is 1 in the folder of its name, 0 in the others. Folders below
    `unlabeled/` may have any names.
Metadata: the patient is the first group of `data.image_folder.patient_pattern` in the path below
    root. Without a pattern it is PatientID, if the first image is a DICOM file; else every image
    counts as its own patient, so that two images of one patient may be in different splits without
    notice: give a pattern if file names contain the patient.
Official split: the folders train, val and test, if there are any.
Citation, license: those of the data set.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator, Sequence

from components.image_example_gen.rows.row import Offer, Row
from components.image_example_gen.settings import DataSettings
from components.image_example_gen.sources.file_source import (
    FileSource,
    files_below,
    patient_of_file,
)
from components.image_example_gen.tables.columns import UNKNOWN, SubgroupColumn
from components.image_example_gen.tables.label_names import snake_case
from schemas import features
from schemas.errors import InputError
from trainer_modules.settings import TaskSettings

_SPLITS = {
    "train": features.TRAIN,
    "training": features.TRAIN,
    "val": features.VALIDATION,
    "valid": features.VALIDATION,
    "validation": features.VALIDATION,
    "test": features.TEST,
    "testing": features.TEST,
    "unlabeled": features.UNLABELED,
    "unlabelled": features.UNLABELED,
}
_SHOWN = 20


class ImageFolderSource(FileSource):
    """Rows of class folders, in alphabetical order."""

    name = "data.root"

    def __init__(self, data: DataSettings, task: TaskSettings):
        super().__init__(data)
        self._data = data
        self._task = task
        self._headers: dict[str, str | None] = {}
        self._pattern = re.compile(data.image_folder.patient_pattern)
        self._subgroup_columns = [SubgroupColumn(s, data.subgroup_bins) for s in data.subgroups]

    def check(self) -> None:
        """See `rows.Source`."""
        self._check_files()
        if self._data.subgroups:
            raise InputError(
                f"data.subgroups {', '.join(self._data.subgroups)}: class folders have none; a "
                "manifest can"
            )
        self._meanings()
        super().check()

    def offers(self) -> Offer:
        """See `rows.Source`: any name for the one label."""
        return Offer(None, frozenset(), bool(self._pattern.pattern) or self._of_dicom)

    def rows(self) -> Iterator[Row]:
        """See `rows.Source`."""
        number = 0
        meanings = self._meanings()
        for folder, split, value in meanings:
            for image in files_below(self._root, folder):
                number += 1
                yield Row(
                    number=number,
                    image=image,
                    patient_id=image
                    if (patient := self._patient(number, image)) is None
                    else patient,
                    own_patient=patient is None,
                    site=UNKNOWN,
                    domain=features.IN_DISTRIBUTION,
                    split=split if self._data.official_split else None,
                    labels=(value,) * len(self._task.labels),
                    subgroups=(UNKNOWN,) * len(self._data.subgroups),
                )

    def _meanings(self) -> list[tuple[str, str | None, float | None]]:
        """Yields each folder with its split and label."""
        tops = _folders(self._root)
        if not tops:
            raise InputError(
                f"data.root '{self._root}' contains no folder; give one for each class"
            )
        if not all(name.lower() in _SPLITS for name in tops):
            classes: list[tuple[str, str | None, str]] = [(name, None, name) for name in tops]
        else:
            classes = list(self._classes_of_splits(tops))
        names = sorted({name for _, _, name in classes if name})
        return [
            (folder, split, self._value(name, names) if name else None)
            for folder, split, name in classes
        ]

    def _classes_of_splits(self, tops: Sequence[str]) -> Iterator[tuple[str, str | None, str]]:
        for top in tops:
            split = _SPLITS[top.lower()]
            if split == features.UNLABELED:
                yield top, split, ""
                continue
            names = _folders(os.path.join(self._root, top))
            if not names:
                raise InputError(f"data.root: '{top}' contains no folder; give one for each class")
            for name in names:
                yield f"{top}/{name}", split, name

    def _value(self, folder: str, folders: Sequence[str]) -> float | None:
        if not self._task.labels:
            return None
        if self._task.kind == "multilabel":
            raise InputError("task.kind multilabel: a folder gives only one class; use a manifest")
        if self._task.kind == "multiclass":
            return float(self._class(folder))
        label = self._task.labels[0]
        meant = self._data.label_columns.get(label, label)
        if not any(meant in (name, snake_case(name)) for name in folders):
            raise InputError(
                f"task.labels names '{label}': none of the folders {_listed(folders)} has this "
                "name; map it: data.label_columns={" + f"{label}: FOLDER" + "}"
            )
        return float(meant in (folder, snake_case(folder)))

    def _class(self, folder: str) -> int:
        renamed = {name: label for label, name in self._data.label_columns.items()}
        for name in (renamed.get(folder, folder), snake_case(folder)):
            if name in self._task.classes:
                return self._task.classes.index(name)
        raise InputError(
            f"data.root: folder '{folder}' is not one of task.classes "
            f"({_listed(self._task.classes)})"
        )

    @functools.cached_property
    def _of_dicom(self) -> bool:
        """Whether the first image is a DICOM file; then all patients are those of the headers."""
        from components.image_example_gen.decoding.dicom.objects import examine

        folders = (folder for folder, _, _ in self._meanings())
        first = next((image for folder in folders for image in files_below(self._root, folder)), "")
        tags = examine(os.path.join(self._root, first), ("PatientID",)).tags if first else None
        return tags is not None and "Rows" in tags

    def _in_header(self, image: str) -> str | None:
        if image not in self._headers:
            self._headers[image] = patient_of_file(os.path.join(self._root, image))
        return self._headers[image]

    def _patient(self, number: int, image: str) -> str | None:
        if not self._pattern.pattern:
            return self._in_header(image) if self._of_dicom else ""
        match = self._pattern.search(image)
        if not match or not match[1]:
            raise InputError(
                f"{self.where(number)}: data.image_folder.patient_pattern "
                f"'{self._pattern.pattern}' finds no patient in its path",
                local=f"image '{image}'",
            )
        return match[1]

    def where(self, number: int) -> str:
        """See `rows.Source`."""
        return f"image {number} of data.root"

    def patients_advice(self) -> str:
        """See `rows.Source`."""
        return "it has no PatientID; give data.image_folder.patient_pattern"

    def _tables(self) -> list[str]:
        return []

    def fingerprint(self) -> str:
        """See `rows.Source`: includes the names, because they are the labels."""
        import hashlib

        digest = hashlib.sha256(super().fingerprint().encode())
        for row in self.rows():
            digest.update(row.image.encode(errors="surrogateescape") + b"\0")
        return digest.hexdigest()

    def _no_rows(self) -> str:
        return "has class folders, but they contain no file"


def _folders(path: str) -> list[str]:
    with os.scandir(path) as entries:
        return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
