"""Base of the sources whose images are files below `data.root`.

It checks that the files exist inside the root, refuses duplicate rows, and takes the fingerprint.
Subclasses decide what a row means. Messages never show a path or a patient id.
"""

from __future__ import annotations

import abc
import array
import functools
import hashlib
import os
import posixpath
import stat
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO

from components.image_example_gen.rows.row import Offer, Row
from components.image_example_gen.settings import SourceSettings
from schemas.errors import InputError

if TYPE_CHECKING:
    from components.image_example_gen.pixels.picture import Picture

_PATIENT_TAG = "PatientID"


class FileSource(abc.ABC):
    """Rows that refer to files.

    Attributes:
        name: table or folder, for messages.
    """

    name = ""

    def __init__(self, data: SourceSettings):
        self._root = data.root
        self._intensity = data.intensity
        # Folder of the rows' paths; a subclass may change it.
        self._base = data.root

    def check(self) -> None:
        """See `rows.Source`: folder, columns, all values, duplicate rows, paths, one image."""
        self._check_files()
        keys = array.array("Q")
        found, count = False, 0
        for row in self.rows():
            count += 1
            keys.append(_row_key(row))
            found = self._inside(row) is not None or found
        if not count:
            raise InputError(f"{self.name} {self._no_rows()}")
        if not found:
            raise InputError(
                f"none of the {count} images in {self.name} exists below "
                f"'{os.path.abspath(self._base)}': {self._where_images_are()}; check data.root and "
                "that the image folder was copied"
            )
        self._refuse_duplicates(keys)

    def fingerprint(self) -> str:
        """See `rows.Source`: the tables' bytes, and size and time of each image."""
        self._check_files()
        digest = hashlib.sha256()
        for path in self._tables():
            with open(path, "rb") as file:
                for block in iter(functools.partial(file.read, 1 << 20), b""):
                    digest.update(block)
        for row in self.rows():
            info = self._inside(row)
            digest.update(f"{info.st_size},{info.st_mtime_ns};".encode() if info else b"missing;")
        return digest.hexdigest()

    @abc.abstractmethod
    def rows(self) -> Iterator[Row]:
        """See `rows.Source`."""

    @abc.abstractmethod
    def offers(self) -> Offer:
        """See `rows.Source`."""

    def where(self, number: int) -> str:
        """See `rows.Source`."""
        return f"{self.name}, row {number}"

    def patients_advice(self) -> str:
        """See `rows.Source`."""
        return "name the patient of each image"

    def load(self, image: str, max_pixels: int) -> Picture:
        """See `rows.Source`."""
        from components.image_example_gen.decoding import images

        return images.read_file(
            os.path.join(self._base, image), max_pixels, intensity=self._intensity
        )

    def original(self, image: str) -> BinaryIO | None:
        """See `rows.Source`."""
        return open(os.path.join(self._base, image), "rb")

    def counts(self) -> Mapping[str, int]:
        """See `rows.Source`."""
        return {}

    @abc.abstractmethod
    def _tables(self) -> Sequence[str]:
        """Paths of the tables, whose bytes enter the fingerprint."""

    def _check_files(self) -> None:
        """Raises InputError unless the folder and the tables exist."""
        if not os.path.isdir(self._root):
            raise InputError(f"data.root '{self._root}' is not a folder: name the data set's")

    def _no_rows(self) -> str:
        return "has a header and no rows: give one row per image"

    def _where_images_are(self) -> str:
        return "paths are relative to data.root"

    def _inside(self, row: Row) -> os.stat_result | None:
        """Returns the stat of a row's file, None if it does not exist."""
        return self._inside_path(row.number, row.image)

    def _inside_path(self, number: int, image: str) -> os.stat_result | None:
        """Returns a file's stat, None if it does not exist; refuses links out of the root."""
        path = os.path.join(self._base, image)
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
                f"{self.where(number)}: image is a link that leads out of data.root; "
                "copy the images below data.root or name their real folder",
                local=f"image '{image}'",
            )
        try:
            return os.stat(real)
        except OSError:
            return None

    def _refuse_duplicates(self, keys: array.array[int]) -> None:
        """Raises InputError for rows that list the same image of the same patient twice.

        The same file under two patients or in two splits is not a duplicate but a leak, which
        DataGate reports. Takes eight bytes per row.
        """
        import numpy as np

        values, counts = np.unique(np.frombuffer(keys, np.uint64), return_counts=True)
        suspects = {int(value) for value in values[counts > 1]}
        if not suspects:
            return
        first: dict[tuple[str | None, ...], int] = {}
        for row in self.rows():
            if _row_key(row) in suspects:
                before = first.setdefault(_row_identity(row), row.number)
                if before != row.number:
                    raise InputError(
                        f"{self.where(row.number)}: names the same image as row {before}; "
                        "give every image one row",
                        local=f"image '{row.image}'",
                    )


def files_below(root: str, folder: str) -> Iterator[str]:
    """Yields the paths, below root, of all files in a folder; skips names that begin with a dot.

    Holds the names of one folder at a time, and does not follow links to folders.
    """
    with os.scandir(os.path.join(root, folder)) as entries:
        found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    for name, is_folder in found:
        if name.startswith("."):
            continue
        path = f"{folder}/{name}" if folder else name
        if is_folder:
            yield from files_below(root, path)
        else:
            yield path


def relative_image(text: str) -> str:
    """Returns a table's path normalized, after checking that it stays inside its folder.

    Raises:
        ValueError: it doesn't; the message says why, to follow the name of the cell.
    """
    if not text or "\0" in text:
        raise ValueError("is empty; give a relative path")
    if "://" in text:
        raise ValueError("is a URL; give a relative path")
    if text.startswith(("/", "~")) or text[1:3] in (":\\", ":/"):
        raise ValueError("is an absolute path; give a relative one")
    if ".." in text.replace("\\", "/").split("/"):
        raise ValueError("holds '..'; give a path inside data.root")
    return posixpath.normpath(text)


def patient_of_file(path: str) -> str | None:
    """PatientID of a DICOM file; empty for other files, None where there is none to read."""
    from components.image_example_gen.decoding.dicom.objects import examine

    if not os.path.isfile(path):
        return None
    found = examine(path, (_PATIENT_TAG,))
    if found.skipped:
        return ""
    if found.tags is None or "Rows" not in found.tags:
        return None
    return str(found.tags.get(_PATIENT_TAG) or "").strip()


@functools.lru_cache(maxsize=4096)
def _real_folder(path: str) -> str:
    return os.path.realpath(path)


def _row_identity(row: Row) -> tuple[str | None, ...]:
    return row.image, row.patient_id, row.domain, row.split


def _row_key(row: Row) -> int:
    text = "\x1f".join(str(part) for part in _row_identity(row))
    data = text.encode(errors="surrogateescape")  # file names need not be UTF-8
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")
