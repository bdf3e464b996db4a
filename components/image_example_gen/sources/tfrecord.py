"""Source `tfrecord`: existing files of tf.Examples, with a map of their keys.

Input: TFRecord files, plain or GZIP, `data.tfrecord.files` below `data.root`; the image is one
    feature of encoded bytes (PNG, JPEG, ...). Plain files are read record by record; GZIP files
    only from the start, once for each shard written, so unpack large ones.
Labels: numeric features (0, 1, -1 uncertain; or the index in `task.classes`) or text (a class's
    name). A feature `<label>/weight` of 0 makes the label unknown, as does a missing one.
Keys: `data.tfrecord.keys` maps `image`, `patient_id`, `study_id`, `slide_id`, `site`, `domain`,
    `split`, labels and subgroups to the records' own features, for example
    `{image: image/encoded, patient_id: subject, tumor: image/class/label}`. What is not mapped is
    looked for under the names that this pipeline writes, then under its plain name. The
    patient is required, unless `data.patients=per_image`.
Official split: the feature `split`, or the pattern in `data.tfrecord.splits` that a file's path
    matches (`{train: "train-*", test: "test-*"}`).
Citation, license: those of the data set.
"""

from __future__ import annotations

import fnmatch
import functools
import glob
import hashlib
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO

from components.image_example_gen.rows.row import Offer, Row
from components.image_example_gen.settings import DataSettings
from components.image_example_gen.sources.cached_rows import CachedRows
from components.image_example_gen.tables import patient_ids, shown
from components.image_example_gen.tables.columns import UNKNOWN, LabelColumn, SubgroupColumn
from components.image_example_gen.writing.tf_records import (
    DamagedRecords,
    RecordFile,
    RecordFiles,
    Value,
    parse_example,
)
from schemas import features
from schemas.errors import InputError
from trainer_modules.settings import TaskSettings

if TYPE_CHECKING:
    from components.image_example_gen.pixels.picture import Picture

_SPLITS = (features.UNLABELED, features.TRAIN, features.VALIDATION, features.TEST)
_SHOWN = 30


class TfrecordSource:
    """Rows of the records of all files."""

    def __init__(self, data: DataSettings, task: TaskSettings):
        self._data = data
        self._task = task
        self._label_columns = {name: LabelColumn(task, name) for name in task.labels}
        self._subgroup_columns = [SubgroupColumn(s, data.subgroup_bins) for s in data.subgroups]
        self._open_files = RecordFiles()

    def check(self) -> None:
        """See `rows.Source`; reads all records."""
        self._check_keys()
        if not any(True for _ in self._cached):
            raise InputError(f"{self._pattern()} contains no record in data.root")

    def offers(self) -> Offer:
        """See `rows.Source`: the features of the first record."""
        first = self._first()
        labels = {name for name in self._task.labels if self._key(name, first) in first}
        groups = {name for name in self._data.subgroups if self._key(name, first) in first}
        return Offer(frozenset(labels), frozenset(groups))

    def fingerprint(self) -> str:
        """See `rows.Source`: names, sizes and times of the files."""
        digest = hashlib.sha256()
        for name in self._files:
            info = os.stat(os.path.join(self._folder(), name))
            digest.update(f"{name},{info.st_size},{info.st_mtime_ns};".encode())
        return digest.hexdigest()

    def rows(self) -> Iterator[Row]:
        """See `rows.Source`; records are numbered across the files."""
        yield from self._cached

    def where(self, number: int) -> str:
        """See `rows.Source`."""
        return f"record {number}"

    def patients_advice(self) -> str:
        """See `rows.Source`."""
        near = patient_ids.like_patients(self._feature_names())
        named = near[0] if near else "FEATURE"
        return f"name the feature: data.tfrecord.keys={{patient_id: {named}}}"

    def _feature_names(self) -> Iterable[str]:
        return self._first()

    def load(self, image: str, max_pixels: int) -> Picture:
        """See `rows.Source`."""
        from components.image_example_gen.decoding import images

        data = self._encoded(image)
        if data is None:
            raise images.Rejected(images.UNSUPPORTED, "the record has no encoded image")
        return images.read_bytes(data, max_pixels, self._data.intensity)

    def original(self, image: str) -> BinaryIO | None:
        """See `rows.Source`: the encoded image of the record."""
        data = self._encoded(image)
        return None if data is None else io.BytesIO(data)

    def counts(self) -> Mapping[str, int]:
        """See `rows.Source`."""
        return {}

    def _encoded(self, image: str) -> bytes | None:
        name, _, place = image.rpartition("@")
        try:
            data = self._open_files.read(os.path.join(self._folder(), name), int(place))
            values = parse_example(data).get(self._image_key(), [])
        except (DamagedRecords, OSError):
            return None
        return values[0] if len(values) == 1 and isinstance(values[0], bytes) else None

    @functools.cached_property
    def _cached(self) -> CachedRows:
        return CachedRows(self._read_rows())

    def _read_rows(self) -> Iterator[Row]:
        number = 0
        for name in self._files:
            split = self._split_of(name)
            file = RecordFile(os.path.join(self._folder(), name))
            try:
                for place, data in file.records():
                    number += 1
                    yield self._row(number, f"{name}@{place}", parse_example(data), split)
            except DamagedRecords as error:
                raise InputError(
                    f"{name}, after record {number} of all: {error}; TFRecord files of tf.Examples "
                    "are expected"
                ) from None
            finally:
                file.close()

    def _row(
        self, number: int, image: str, record: Mapping[str, list[Value]], split: str | None
    ) -> Row:
        domain = self._text(record, "domain") or features.IN_DISTRIBUTION
        if domain not in features.DOMAINS:
            raise self._bad_value(number, "domain", domain, ", ".join(features.DOMAINS))
        given = self._text(record, "split") or split
        if given and given not in (*_SPLITS, features.SHIFTED):
            raise self._bad_value(number, "split", given, ", ".join(_SPLITS))
        own = self._data.official_split and domain == features.IN_DISTRIBUTION
        return Row(
            number=number,
            image=image,
            patient_id=self._text(record, "patient_id"),
            site=self._text(record, "site") or UNKNOWN,
            domain=domain,
            split=given if own else None,
            labels=tuple(self._label(number, name, record) for name in self._task.labels),
            subgroups=tuple(
                self._subgroup(number, name, reader, record)
                for name, reader in zip(self._data.subgroups, self._subgroup_columns, strict=True)
            ),
            study_id=self._text(record, features.STUDY_ID),
            slide_id=self._text(record, features.SLIDE_ID),
        )

    def _label(self, number: int, name: str, record: Mapping[str, list[Value]]) -> float | None:
        key = self._key(name, record)
        values, weights = record.get(key, []), record.get(f"{key}/weight", [1])
        if not values or not weights or not weights[0]:
            return None
        reader, value = self._label_columns[name], values[0]
        text = _as_text(value)
        if self._task.classes and not isinstance(value, bytes):
            if len(values) == 1 and value in range(len(self._task.classes)):
                return float(value)
            accepted = f"an index below {len(self._task.classes)}, or the class's name"
            raise self._bad_value(number, key, text, accepted)
        try:
            if len(values) > 1:
                raise ValueError
            return reader.parse(text)
        except ValueError:
            raise self._bad_value(number, key, text, reader.accepted) from None

    def _subgroup(
        self,
        number: int,
        name: str,
        reader: SubgroupColumn,
        record: Mapping[str, list[Value]],
    ) -> str:
        text = self._text(record, name)
        try:
            return reader.parse(text)
        except ValueError:
            raise self._bad_value(number, self._key(name, record), text, reader.accepted) from None

    def _text(self, record: Mapping[str, list[Value]], name: str) -> str:
        values = record.get(self._key(name, record), [])
        return _as_text(values[0]) if values else ""

    def _key(self, name: str, record: Mapping[str, list[Value]]) -> str:
        """Feature of a value: as mapped, as this pipeline names it, or the plain name."""
        mapped = self._data.tfrecord.keys.get(name) or self._data.label_columns.get(name)
        if mapped:
            return mapped
        own = (features.label(name), features.subgroup(name))
        return next((key for key in own if key in record), name)

    def _image_key(self) -> str:
        return self._data.tfrecord.keys.get("image", features.IMAGE_ENCODED)

    def _check_keys(self) -> None:
        """Raises InputError if the first record lacks a requested feature."""
        first = self._first()
        known = ", ".join(sorted(first)[:_SHOWN])
        wanted = {"image": self._image_key()}
        wanted |= {n: self._key(n, first) for n in (*self._task.labels, *self._data.subgroups)}
        wanted |= self._data.tfrecord.keys
        for name, key in wanted.items():
            if key not in first:
                raise InputError(
                    f"data.tfrecord.keys: '{name}' is expected in the feature '{key}', which the "
                    f"first record does not have; it has {known}"
                )

    def _first(self) -> dict[str, list[Value]]:
        """Features of the first record."""
        for name in self._files:
            file = RecordFile(os.path.join(self._folder(), name))
            try:
                for _, data in file.records():
                    return parse_example(data)
            except DamagedRecords as error:
                raise InputError(
                    f"{name}: {error}; a TFRecord file of tf.Examples is expected"
                ) from None
            finally:
                file.close()
        raise InputError(f"{self._pattern()} contains no record in data.root")

    def _folder(self) -> str:
        return self._data.root

    def _pattern(self) -> str:
        return f"data.tfrecord.files '{self._data.tfrecord.files}'"

    @functools.cached_property
    def _files(self) -> Sequence[str]:
        """Paths of the files, relative to their folder."""
        if not os.path.isdir(self._data.root):
            raise InputError(f"data.root '{self._data.root}' is not a folder: name the data set's")
        found = glob.glob(self._data.tfrecord.files, root_dir=self._data.root, recursive=True)
        names = sorted(n for n in found if os.path.isfile(os.path.join(self._data.root, n)))
        root = os.path.realpath(self._data.root)
        for name in names:
            real = os.path.realpath(os.path.join(root, name))
            if os.path.commonpath([root, real]) != root:
                raise InputError(f"{self._pattern()} leads out of data.root; give files inside it")
        if not names:
            raise InputError(
                f"{self._pattern()} matches no file below data.root '{self._data.root}'"
            )
        return names

    def _split_of(self, name: str) -> str | None:
        for split, pattern in self._data.tfrecord.splits.items():
            if fnmatch.fnmatch(name, pattern) or fnmatch.fnmatch(os.path.basename(name), pattern):
                return split
        return None

    def _bad_value(self, number: int, key: str, value: str, accepted: str) -> InputError:
        return InputError(
            f"record {number}: '{key}' is {shown.cell(value, accepted)}; accepted: {accepted}"
        )


def _as_text(value: Value) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace").strip()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
