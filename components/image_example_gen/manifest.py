"""Source `manifest`: a CSV or Parquet table beside the images, one row per image.

Columns: `image` (path relative to the manifest), the task's label columns (0, 1, -1 uncertain,
empty unknown; or one class name), and optionally `patient_id` (without it every image is its own
patient), `site` ('unknown'), `domain` ('in_distribution'; or 'shifted'), `split` (unlabeled,
train, validation or test, for in-distribution rows) and any subgroup columns.
CSV is comma-separated UTF-8, with or without a byte-order mark, gzip allowed.

Messages name file, row and column; they show the value except for `image` and `patient_id`,
which may identify a patient.
"""

from __future__ import annotations

import array
import csv
import functools
import gzip
import hashlib
import math
import os
import posixpath
import stat
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from components.image_example_gen.columns import UNKNOWN, LabelColumn, SubgroupColumn
from components.image_example_gen.rows import Row
from components.image_example_gen.settings import DataSettings
from trainer_modules import features
from trainer_modules.errors import InputError
from trainer_modules.settings import TaskSettings

if TYPE_CHECKING:
    import numpy as np

_IMAGE, _PATIENT, _SITE, _DOMAIN, _SPLIT = "image", "patient_id", "site", "domain", "split"
_OPTIONAL = (_PATIENT, _SITE, _DOMAIN, _SPLIT)
_GIVEN_SPLITS = (features.UNLABELED, features.TRAIN, features.VALIDATION, features.TEST)
_GZIP_MAGIC = b"\x1f\x8b"
_PARQUET_MAGIC = b"PAR1"


class ManifestSource:
    """Rows of a manifest file."""

    def __init__(self, data: DataSettings, task: TaskSettings):
        self._root = data.root
        self._name = data.manifest
        self._path = os.path.join(data.root, data.manifest)
        self._base = os.path.dirname(self._path)
        self._labels = task.labels
        self._label_column = LabelColumn(task)
        self._subgroups = data.subgroups
        self._subgroup_columns = [SubgroupColumn(s, data.subgroup_bins) for s in data.subgroups]

    def check(self) -> None:
        """See `rows.Source`: folder, columns, every value, duplicate rows, paths, one image."""
        self._check_files()
        keys = array.array("Q")
        found, count = False, 0
        for row in self.rows():
            count += 1
            keys.append(_row_key(row))
            found = self._inside(row) is not None or found
        if not count:
            raise InputError(f"{self._name} has a header and no rows: give one row per image")
        if not found:
            raise InputError(
                f"none of the {count} images that {self._name} names exists below "
                f"'{os.path.abspath(self._base)}': paths are relative to the manifest; check "
                "data.root and that the image folder was copied"
            )
        self._refuse_duplicates(keys)

    def fingerprint(self) -> str:
        """See `rows.Source`: the manifest's bytes, and size and time of every image."""
        self._check_files()
        digest = hashlib.sha256()
        with open(self._path, "rb") as file:
            for block in iter(functools.partial(file.read, 1 << 20), b""):
                digest.update(block)
        for row in self.rows():
            info = self._inside(row)
            digest.update(f"{info.st_size},{info.st_mtime_ns};".encode() if info else b"missing;")
        return digest.hexdigest()

    def rows(self) -> Iterator[Row]:
        """See `rows.Source`."""
        for number, cells in enumerate(self._cells(), start=1):
            yield self._row(number, cells)

    def load(self, image: str, max_pixels: int) -> np.ndarray:
        """See `rows.Source`."""
        from components.image_example_gen import images

        return images.decode_file(os.path.join(self._base, image), max_pixels)

    def _check_files(self) -> None:
        if not os.path.isdir(self._root):
            raise InputError(f"data.root '{self._root}' is not a folder: name the data set's")
        if os.path.isabs(self._name) or ".." in self._name.split("/"):
            raise InputError(f"data.manifest '{self._name}': give a path inside data.root")
        if not os.path.isfile(self._path):
            raise InputError(
                f"data.manifest: there is no file '{self._name}' in data.root '{self._root}'; "
                "accepted are .csv, .csv.gz and .parquet"
            )

    def _cells(self) -> Iterator[dict[str, str]]:
        """Yields the needed cells of every row as text."""
        with open(self._path, "rb") as file:
            magic = file.read(4)
        return self._parquet_cells() if magic == _PARQUET_MAGIC else self._csv_cells(magic)

    def _csv_cells(self, magic: bytes) -> Iterator[dict[str, str]]:
        opener = gzip.open if magic.startswith(_GZIP_MAGIC) else open
        number = 0
        try:
            with opener(self._path, "rt", encoding="utf-8-sig", newline="") as file:
                reader = csv.reader(file, strict=True)
                header = [name.strip() for name in next(reader, [])]
                places = self._places(header)
                for cells in reader:
                    if not cells:
                        continue
                    number += 1
                    if len(cells) != len(header):
                        raise InputError(
                            f"{self._name}, row {number}: {len(cells)} cells, the header has "
                            f"{len(header)}; quote values that hold a comma"
                        )
                    yield {name: cells[place].strip() for name, place in places.items()}
        except UnicodeDecodeError as error:
            raise InputError(
                f"{self._name}, after row {number}: not UTF-8 text; save it as UTF-8 CSV"
            ) from error
        except (csv.Error, gzip.BadGzipFile, EOFError) as error:
            raise InputError(
                f"{self._name}, after row {number}: not readable as CSV ({error})"
            ) from error

    def _parquet_cells(self) -> Iterator[dict[str, str]]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(self._path) as file:
                places = self._places(file.schema_arrow.names)
                for batch in file.iter_batches(batch_size=4096, columns=list(places)):
                    for cells in batch.to_pylist():
                        yield {name: _text(value) for name, value in cells.items()}
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{self._name}: not readable as Parquet") from error

    def _places(self, header: Sequence[str]) -> dict[str, int]:
        """Returns where the needed columns are, after checking that they are there once each."""
        required = (_IMAGE, *self._labels, *self._subgroups)
        missing = [name for name in required if name not in header]
        if missing:
            hint = ""
            if len(header) == 1:
                other = next((mark for mark in ";\t|" if mark in header[0]), None)
                hint = f"; it looks separated by {other!r}, give commas" if other else ""
            raise InputError(
                f"{self._name} has no column {', '.join(repr(name) for name in missing)}; its "
                f"columns are {', '.join(header) or 'none'}{hint}"
            )
        wanted = [*required, *(name for name in _OPTIONAL if name in header)]
        twice = [name for name in wanted if list(header).count(name) > 1]
        if twice:
            raise InputError(f"{self._name} has several columns '{twice[0]}': keep one")
        return {name: list(header).index(name) for name in wanted}

    def _row(self, number: int, cells: dict[str, str]) -> Row:
        image = self._image(number, cells[_IMAGE])
        patient = cells.get(_PATIENT)
        if patient == "":
            raise InputError(
                f"{self._name}, row {number}: patient_id is empty; fill it, or leave the column "
                "out to make every image its own patient"
            )
        domain = cells.get(_DOMAIN) or features.IN_DISTRIBUTION
        if domain not in features.DOMAINS:
            raise self._bad_value(number, _DOMAIN, domain, ", ".join(features.DOMAINS))
        return Row(
            number=number,
            image=image,
            patient_id=image if patient is None else patient,
            site=cells.get(_SITE) or UNKNOWN,
            domain=domain,
            split=self._split(number, cells.get(_SPLIT, ""), domain),
            labels=tuple(self._label(number, name, cells[name]) for name in self._labels),
            subgroups=tuple(
                self._subgroup(number, name, column, cells[name])
                for name, column in zip(self._subgroups, self._subgroup_columns, strict=True)
            ),
        )

    def _image(self, number: int, text: str) -> str:
        where = f"{self._name}, row {number}: image"
        if not text or "\0" in text:
            raise InputError(f"{where} is empty; give a path relative to the manifest")
        if "://" in text:
            raise InputError(f"{where} is a URL; give a path relative to the manifest")
        if text.startswith(("/", "~")) or text[1:3] in (":\\", ":/"):
            raise InputError(f"{where} is an absolute path; give one relative to the manifest")
        if ".." in text.replace("\\", "/").split("/"):
            raise InputError(f"{where} holds '..'; give a path inside data.root")
        return posixpath.normpath(text)

    def _split(self, number: int, text: str, domain: str) -> str | None:
        if domain == features.SHIFTED:
            if text not in ("", features.SHIFTED):
                accepted = "empty or 'shifted' (shifted images are never split)"
                raise self._bad_value(number, _SPLIT, text, f"{accepted} where domain is shifted")
            return None
        if text and text not in _GIVEN_SPLITS:
            accepted = f"{', '.join(_GIVEN_SPLITS)} or empty; 'shifted' follows from domain"
            raise self._bad_value(number, _SPLIT, text, accepted)
        return text or None

    def _label(self, number: int, name: str, text: str) -> float | None:
        try:
            return self._label_column.parse(text)
        except ValueError:
            raise self._bad_value(number, name, text, self._label_column.accepted) from None

    def _subgroup(self, number: int, name: str, column: SubgroupColumn, text: str) -> str:
        try:
            return column.parse(text)
        except ValueError:
            raise self._bad_value(number, name, text, column.accepted) from None

    def _bad_value(self, number: int, column: str, value: str, accepted: str) -> InputError:
        return InputError(
            f"{self._name}, row {number}: column '{column}' is '{value[:80]}'; accepted: {accepted}"
        )

    def _inside(self, row: Row) -> os.stat_result | None:
        """Returns the image's stat, None where there is none; refuses links out of the root."""
        path = os.path.join(self._base, row.image)
        folder = _real_folder(os.path.dirname(path))
        try:
            info = os.lstat(path)
        except (OSError, ValueError):
            return None
        real = os.path.join(folder, os.path.basename(path))
        if stat.S_ISLNK(info.st_mode):
            real = os.path.realpath(path)
        root = _real_folder(self._root)
        if os.path.commonpath([root, real]) != root:
            raise InputError(
                f"{self._name}, row {row.number}: image is a link that leads out of data.root; "
                "copy the images below data.root or name their real folder"
            )
        try:
            return os.stat(real)
        except OSError:
            return None

    def _refuse_duplicates(self, keys: array.array) -> None:
        """Raises InputError for rows that say the same image of the same patient twice.

        The same file under two patients or two splits is no slip of the manifest's but a leak:
        that is left to DataGate, which names it as one. Eight bytes a row are held.
        """
        import numpy as np

        values, counts = np.unique(np.frombuffer(keys, np.uint64), return_counts=True)
        suspects = {int(value) for value in values[counts > 1]}
        if not suspects:
            return
        first: dict[tuple, int] = {}
        for row in self.rows():
            if _row_key(row) in suspects:
                before = first.setdefault(_row_identity(row), row.number)
                if before != row.number:
                    raise InputError(
                        f"{self._name}, row {row.number}: names the same image as row {before}; "
                        "give every image one row"
                    )


@functools.lru_cache(maxsize=4096)
def _real_folder(path: str) -> str:
    return os.path.realpath(path)


def _row_identity(row: Row) -> tuple:
    return row.image, row.patient_id, row.domain, row.split


def _row_key(row: Row) -> int:
    text = "\x1f".join(str(part) for part in _row_identity(row))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _text(value: object) -> str:
    """A Parquet cell as the text it would have in a CSV file."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
