"""The images to predict: those of a folder, a manifest or a single file, one after the other.

A folder may mix DICOM with other formats, and may contain files that are not images.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from components.image_example_gen.decoding import images
from components.image_example_gen.decoding.dicom.objects import NOT_DICOM, examine
from components.image_example_gen.rows.row import Row
from components.image_example_gen.settings import DataSettings
from components.image_example_gen.sources.file_source import files_below
from components.image_example_gen.sources.manifest import ManifestSource
from components.image_example_gen.tables.columns import UNKNOWN
from schemas import features
from schemas.errors import InputError
from trainer_modules.settings import TaskSettings

if TYPE_CHECKING:
    from pydicom import Dataset

    from components.image_example_gen.pixels.picture import Picture

_TABLES = (".csv", ".csv.gz", ".parquet")
_PATIENT = "PatientID"


@dataclasses.dataclass(frozen=True)
class Item:
    """An image to predict.

    Attributes:
        row: What is known about it.
        path: The file.
        frame: Frame of a DICOM file; None for other files.
        left_out: Why it is not decoded; empty for an image.
    """

    row: Row
    path: str
    frame: int | None = None
    left_out: str = ""

    def stamp(self) -> str:
        """Changes when the file does."""
        try:
            info = os.stat(self.path)
        except (OSError, ValueError):
            return "missing"
        return f"{info.st_size},{info.st_mtime_ns}"


class Images(Protocol):
    """Images in a fixed order.

    Attributes:
        labels: Task with the known labels; None if there are none.
        subgroups: Columns that are passed on.
        has_split: Whether the split is passed on.
    """

    labels: TaskSettings | None
    subgroups: tuple[str, ...]
    has_split: bool

    def count(self) -> int:
        """Number of files."""

    def items(self) -> Iterator[Item]:
        """Yields every image, and every file that is not an image."""


def open_images(
    place: str, task: TaskSettings, data: DataSettings, written: Collection[str] = ()
) -> Images:
    """Opens the images that a user names.

    Args:
        place: A folder, a manifest (CSV or Parquet), or an image.
        task: The model's.
        data: The settings of the model's run.
        written: Files that the caller writes, which are not images of the folder.

    Raises:
        InputError: There is no such file or folder, or the manifest is not acceptable.
    """
    if os.path.isdir(place):
        return _Folder(place, "", data, frozenset(map(os.path.realpath, written)))
    if not os.path.isfile(place):
        raise InputError(
            f"images '{place}': no such file or folder; accepted are a folder, a manifest "
            f"({', '.join(_TABLES)}) or an image"
        )
    folder, name = os.path.split(os.path.abspath(place))
    if name.lower().endswith(_TABLES):
        return _Manifest(folder, name, task, data)
    return _Folder(folder, name, data)


def decode(item: Item, data: DataSettings) -> Picture:
    """Decodes an image as ingestion does.

    Raises:
        images.Rejected: It can't be used.
    """
    return images.read_file(item.path, data.max_pixels, item.frame, data.intensity)


class _Folder:
    """Every file at any depth, or one; of DICOM, the frames that the run used."""

    labels: TaskSettings | None = None
    subgroups: tuple[str, ...] = ()
    has_split = False

    def __init__(
        self, root: str, name: str, data: DataSettings, written: frozenset[str] = frozenset()
    ):
        self._root = root
        self._written = written
        self._name = name
        self._frames = data.dicom.frames

    def count(self) -> int:
        return sum(1 for _ in self._paths())

    def items(self) -> Iterator[Item]:
        for number, name in enumerate(self._paths(), start=1):
            path = os.path.join(self._root, name)
            found = examine(path, (_PATIENT, "NumberOfFrames"))
            if found.skipped and found.skipped != NOT_DICOM:
                yield Item(_row(number, name, None), path, left_out=found.skipped)
            elif found.tags is None:
                yield Item(_row(number, name, None), path)
            else:
                for frame in found.chosen_frames(self._frames):
                    shown = f"{name}#{frame}" if found.frames > 1 else name
                    yield Item(_row(number, shown, found.tags), path, frame)

    def _paths(self) -> Iterator[str]:
        if self._name:
            return iter([self._name])
        real = os.path.realpath(self._root)
        names = files_below(self._root, "")
        return (name for name in names if os.path.join(real, name) not in self._written)


class _Manifest:
    """The rows of a manifest as a run reads it, without the labels and subgroups that it lacks."""

    def __init__(self, folder: str, name: str, task: TaskSettings, data: DataSettings):
        self.labels: TaskSettings | None = None
        own: dict[str, Any] = {"root": folder, "manifest": name, "official_split": True}
        header = ManifestSource(data.model_copy(update=own | {"columns": {}}), task).offers()
        names = header.subgroups or frozenset()
        own["columns"] = {key: column for key, column in data.columns.items() if column in names}
        # A column may have empty cells; without it, DICOM files say whose they are.
        has_patients = own["columns"].get(features.PATIENT_ID, features.PATIENT_ID) in names
        own["patients"] = "per_image" if has_patients else "identified"
        plain = data.model_copy(update=own)
        offered = ManifestSource(plain, task).offers()
        labels = tuple(n for n in task.labels if offered.labels is None or n in offered.labels)
        columns = offered.subgroups or ()
        self.subgroups: tuple[str, ...] = tuple(n for n in data.subgroups if n in columns)
        self.has_split = "split" in columns
        bins = {k: v for k, v in data.subgroup_bins.items() if k in self.subgroups}
        policies = {k: v for k, v in task.uncertain_by_label.items() if k in labels}
        # A copy without validation: a task needs a label.
        known = task.model_copy(update={"labels": labels, "uncertain_by_label": policies})
        if labels:
            self.labels = known
        self._root = folder
        self._shifted = frozenset(data.shifted_sites)
        more = {"subgroups": self.subgroups, "subgroup_bins": bins}
        self._source = ManifestSource(plain.model_copy(update=more), known)
        self._source.check()

    def count(self) -> int:
        return sum(1 for _ in self._source.rows())

    def items(self) -> Iterator[Item]:
        for row in self._source.rows():
            if row.site in self._shifted:
                row = dataclasses.replace(row, domain=features.SHIFTED, split=None)
            if row.own_patient:
                row = dataclasses.replace(row, patient_id="")
            yield Item(row, os.path.join(self._root, row.image))


def _row(number: int, image: str, tags: Dataset | None) -> Row:
    patient = tags.get(_PATIENT) if tags is not None else None
    return Row(
        number=number,
        image=image,
        patient_id=str(patient or "").strip(),
        site=UNKNOWN,
        domain=features.IN_DISTRIBUTION,
        split=None,
        labels=(),
        subgroups=(),
    )
