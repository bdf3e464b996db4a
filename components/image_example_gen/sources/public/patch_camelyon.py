"""Source `patch_camelyon`: PatchCamelyon's HDF5 files, as downloaded and unpacked.

Input: 327,680 RGB patches of 96 x 96 pixels from 400 lymph-node slides of two Dutch hospitals, as
    `camelyonpatch_level_2_split_{train,valid,test}_x.h5`. Source `tfds` reads the copy
    prepared by TFDS.
Labels: `tumor` (0/1): tumor in the central 32 x 32 region, from `..._y.h5`.
Metadata: `..._meta.csv` gives each patch's slide (`wsi`), which serves as the patient. Without
    the tables every patch counts as its own patient, overlap of patients is not checked, and only
    the official split can be used. Site `camelyon16`.
Official split: train, valid, test, of different slides.
Citation: Veeling et al., Rotation equivariant CNNs for digital pathology, MICCAI 2018; Bejnordi et
    al., JAMA 2017.
License: CC0. The patches are from CAMELYON16: don't combine the two data sets.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, BinaryIO

from components.image_example_gen.rows.row import Offer, Row
from components.image_example_gen.settings import DataSettings
from components.image_example_gen.tables.columns import UNKNOWN
from components.image_example_gen.tables.label_names import LabelNames
from components.image_example_gen.tables.reader import Table
from schemas import features
from schemas.errors import InputError
from trainer_modules.settings import TaskSettings

if TYPE_CHECKING:
    import h5py

    from components.image_example_gen.pixels.picture import Picture

SITE = "camelyon16"
_SPLITS = {"train": features.TRAIN, "valid": features.VALIDATION, "test": features.TEST}
_PREFIX = "camelyonpatch_level_2_split_"
_SLIDE = "wsi"
_BLOCK = 65_536


class PatchCamelyonSource:
    """Rows of the three files, in the order of their patches."""

    def __init__(self, data: DataSettings, task: TaskSettings):
        self._data = data
        self._task = task
        self._names = LabelNames(["tumor"], data.label_columns)

    def check(self) -> None:
        """See `rows.Source`."""
        if not os.path.isdir(self._data.root):
            raise InputError(f"data.root '{self._data.root}' is not a folder: name the data set's")
        if self._task.classes and self._task.labels:
            raise InputError("task.kind multiclass: patch_camelyon has one 0/1 label, tumor")
        if self._data.subgroups:
            raise InputError(
                f"data.subgroups names '{self._data.subgroups[0]}', patch_camelyon has none"
            )
        self._names.match(self._task.labels, self._data.source)
        for split in _SPLITS:
            self._check_split(split)

    def offers(self) -> Offer:
        """See `rows.Source`."""
        return Offer(self._names.known(), frozenset(), all(map(self._meta, _SPLITS)))

    def fingerprint(self) -> str:
        """See `rows.Source`: sizes and times of all files; does not read their 7 GB."""
        digest = hashlib.sha256()
        for split in _SPLITS:
            for path in (self._path(split, "x.h5"), self._path(split, "y.h5"), self._meta(split)):
                if path and os.path.isfile(path):
                    info = os.stat(path)
                    digest.update(f"{info.st_size},{info.st_mtime_ns};".encode())
        return digest.hexdigest()

    def rows(self) -> Iterator[Row]:
        """See `rows.Source`; patches are numbered across the files."""
        number = 0
        for split, name in _SPLITS.items():
            for place, (label, slide) in enumerate(
                zip(self._labels(split), self._slides(split), strict=True)
            ):
                number += 1
                yield Row(
                    number=number,
                    image=f"{split}/{place}",
                    patient_id=slide,
                    site=SITE,
                    domain=features.IN_DISTRIBUTION,
                    split=name if self._data.official_split else None,
                    labels=(float(label),) * len(self._task.labels),
                    subgroups=(UNKNOWN,) * len(self._data.subgroups),
                    slide_id=slide,
                )

    def where(self, number: int) -> str:
        """See `rows.Source`."""
        return f"patch {number}"

    def patients_advice(self) -> str:
        """See `rows.Source`."""
        return f"add {_PREFIX}*_meta.csv"

    def load(self, image: str, max_pixels: int) -> Picture:
        """See `rows.Source`."""
        from components.image_example_gen.decoding import images

        split, _, place = image.partition("/")
        try:
            return images.Picture(self._patches(split)[int(place)])
        except OSError:
            raise images.Rejected(images.UNREADABLE, "damaged part of the HDF5 file") from None

    def original(self, image: str) -> BinaryIO | None:
        """See `rows.Source`: a patch is not a file."""
        return None

    def counts(self) -> Mapping[str, int]:
        """See `rows.Source`."""
        return {}

    def _check_split(self, split: str) -> None:
        patches, labels = self._patches(split), self._h5(split, "y")
        name = os.path.basename(self._path(split, "x.h5"))
        if patches.ndim != 4 or patches.shape[-1] != 3 or patches.dtype.str != "|u1":
            raise InputError(
                f"{name}: 'x' is {patches.dtype} {patches.shape}; expected is uint8 of the shape "
                "[patches, height, width, 3]"
            )
        if labels.size != len(patches):
            raise InputError(f"{name} has {len(patches)} patches, its labels are {labels.size}")
        if not set(self._labels(split)) <= {0, 1}:
            raise InputError(
                f"{os.path.basename(self._path(split, 'y.h5'))}: labels must be 0 or 1"
            )
        meta = self._meta(split)
        if meta is None and not self._data.official_split:
            raise InputError(
                f"data.root '{self._data.root}' contains no {_PREFIX}{split}_meta.csv, which tells "
                "slides apart: without it patches of one slide would be in several splits; add it, "
                "or keep data.official_split"
            )
        rows = sum(1 for _ in self._slides(split))
        if rows != len(patches):
            raise InputError(
                f"{os.path.basename(meta or '')} has {rows} rows for {len(patches)} patches"
            )

    def _patches(self, split: str) -> h5py.Dataset:
        return self._h5(split, "x")

    @functools.lru_cache(maxsize=8)  # noqa: B019 (a source lives as long as its run)
    def _h5(self, split: str, name: str) -> h5py.Dataset:
        import h5py

        path = self._path(split, f"{name}.h5")
        shown = os.path.basename(path)
        if not os.path.isfile(path):
            hint = "gunzip it first" if os.path.isfile(f"{path}.gz") else "download it"
            raise InputError(f"data.root '{self._data.root}' contains no '{shown}': {hint}")
        try:
            return h5py.File(path, "r")[name]
        except (OSError, KeyError):
            raise InputError(f"{shown}: not an HDF5 file with the data set '{name}'") from None

    def _labels(self, split: str) -> Iterator[int]:
        labels = self._h5(split, "y")
        for start in range(0, len(labels), _BLOCK):
            yield from labels[start : start + _BLOCK].ravel().tolist()

    def _slides(self, split: str) -> Iterator[str]:
        """Yields the slide of each patch, empty if there is no table."""
        meta = self._meta(split)
        if meta is None:
            return itertools.repeat("", self._h5(split, "y").size)
        table = Table(self._data.root, os.path.basename(meta))
        return (cells[_SLIDE] for cells in table.rows((_SLIDE,)))

    def _path(self, split: str, end: str) -> str:
        return os.path.join(self._data.root, f"{_PREFIX}{split}_{end}")

    def _meta(self, split: str) -> str | None:
        paths = (self._path(split, "meta.csv"), self._path(split, "meta.csv.gz"))
        return next((path for path in paths if os.path.isfile(path)), None)
