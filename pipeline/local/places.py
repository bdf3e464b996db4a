"""Which folders a run may write to: checks that create and change nothing."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from pipeline.config.curated_schema import REPOSITORY
from schemas.errors import InputError


@dataclasses.dataclass(frozen=True)
class Place:
    """A path, absolute and without links, and the setting or argument that names it."""

    name: str
    path: Path

    def __str__(self) -> str:
        return f"{self.name} '{self.path}'"

    def is_in(self, other: Place) -> bool:
        """Whether it is the other place, or below it."""
        return self.path.is_relative_to(other.path)


def written_place(given: str, name: str, *, alone: bool = True) -> Place:
    """A folder that a run may create or write to.

    Args:
      given: The path.
      name: The setting or argument.
      alone: Whether the run has it for itself, so that it can't be `/`, the home or the checkout.

    Raises:
      InputError: It is a file, a link without an end, `/`, the home or the checkout, or there is no
        permission to write.
    """
    said = f"{name} {given!r}" if "\0" in given else f"{name} '{given}'"
    try:
        path = Path(os.path.abspath(Path(given).expanduser()))
        _check_exists_or_can(path, said)
    except (OSError, RuntimeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{said} is not a usable path: {reason}; give a folder") from None
    place = Place(name, Path(os.path.realpath(path)))
    for kept, what in _not_for_runs():
        if alone and place.path == kept:
            raise InputError(f"{said} is {what}; give a folder for this purpose alone")
    return place


def _not_for_runs() -> Iterable[tuple[Path, str]]:
    yield Path("/"), "the root of the file system"
    home = os.path.expanduser("~")
    if home != "~":
        yield Path(os.path.realpath(home)), "the home folder"
    yield REPOSITORY, "the folder of this program"


def check_output_place(output: Place) -> None:
    """Refuses the parents of the home folder and of the checkout, too."""
    for kept, what in _not_for_runs():
        if kept.is_relative_to(output.path):
            raise InputError(f"{output} holds {what}; give a folder for this purpose alone")


def _check_exists_or_can(path: Path, said: str) -> None:
    """Checks the folder, or the nearest parent that exists: it is created there."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        os.stat(path)  # raises for a loop of links
    existing = next(one for one in (path, *path.parents) if os.path.lexists(one))
    if existing.is_symlink() and not existing.exists():
        target = os.readlink(existing)
        raise InputError(
            f"{said}: '{existing}' is a symbolic link to '{target}', which does not exist; give a "
            "folder, or remove the link"
        )
    if not stat.S_ISDIR(os.stat(existing).st_mode):
        raise InputError(f"{said}: '{existing}' is not a folder; give a folder")
    longest = max((len(os.fsencode(part)) for part in path.parts), default=0)
    if longest > os.pathconf(existing, "PC_NAME_MAX"):
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    if not os.access(existing, os.R_OK | os.W_OK | os.X_OK):
        raise InputError(
            f"{said} can't be used: no permission to read and write in '{existing}'; give a folder "
            "you can write to"
        )


def read_place(given: str, name: str) -> Place:
    """A path that a run reads; whoever reads it checks that it exists."""
    return Place(name, Path(os.path.realpath(Path(given).expanduser())))


def check_apart(output: Place, written: Iterable[Place], read: Iterable[Place]) -> None:
    """Refuses places where what a run writes would mix with what it reads.

    Args:
      output: The output folder: neither in nor around a folder that is read.
      written: Other folders that are written to: not in a folder that is read.
      read: Folders of images.

    Raises:
      InputError: Names both places.
    """
    read = list(read)
    for images in read:
        if images.is_in(output):
            raise InputError(
                f"{output} is or holds {images}: results would mix with images; give a folder "
                "outside of it"
            )
    for place in (output, *written):
        for images in read:
            if place.is_in(images):
                raise InputError(
                    f"{place} is in {images}: results would mix with images; give a folder outside "
                    "of it"
                )


def check_push_destination(destination: Place, output: Place, own: Iterable[str]) -> None:
    """Refuses a destination in which a server would find other files of the run.

    Raises:
      InputError: It is the output folder or among the run's own files, or the output folder is
        where its versions are.
    """
    hint = "give another folder, or leave it empty for 'pushed' in the output folder"
    if destination.path == output.path:
        raise InputError(f"{destination} is the output folder; {hint}")
    for name in own:
        if destination.path.is_relative_to(output.path / name):
            raise InputError(f"{destination} is in the run's own folder '{name}'; {hint}")
    for kind in ("classifier", "encoder"):
        if output.path.is_relative_to(destination.path / kind):
            raise InputError(f"{output} is among the models of {destination}; {hint}")
