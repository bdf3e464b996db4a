"""Weights from a released BiT `.npz` file.

Nothing is unpickled, and no array is unpacked before every header matches the network.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import keras
import numpy as np

from schemas.errors import InputError, some_of

_PREFIX = "resnet/"
_HEAD = "resnet/head/"


def load_bit_npz(backbone: keras.Model, path: Path) -> int:
    """Loads a BiT file in the official layout; the classification head in it is ignored.

    Returns:
        The number of arrays loaded.
    """
    variables = {_PREFIX + variable.path: variable for variable in backbone.weights}
    if f"{_PREFIX}root_block/standardized_conv2d/kernel" not in variables:
        raise InputError(
            f"model.init.source 'bit_npz' needs model.family 'bit', received a {backbone.name}"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, path)
            _compare_names(set(members), set(variables), path)
            faults = [
                fault
                for key, variable in variables.items()
                if (fault := _header_fault(archive, members[key], key, tuple(variable.shape)))
            ]
            if faults:
                raise InputError(f"{path} does not fit the backbone: {some_of(faults)}")
            for key, variable in variables.items():
                variable.assign(_read_array(archive, members[key], key, path))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
        raise InputError(
            f"{path} is not a complete .npz file ({error}); download it again, for example "
            "BiT-M-R50x1.npz"
        ) from error
    return len(variables)


def _members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """Arrays of the archive by name, without the head's."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        key = info.filename.removesuffix(".npy")
        if key in members:
            raise InputError(f"{path} holds the array {key} twice")
        if not key.startswith(_HEAD):
            members[key] = info
    return members


def _compare_names(found: set[str], wanted: set[str], path: Path) -> None:
    if found == wanted:
        return
    raise InputError(
        f"{path} is not a BiT file of the configured depth: it holds {len(found)} arrays besides "
        f"the head, the backbone needs {len(wanted)}. Missing in the file: "
        f"{some_of(sorted(wanted - found))}; only in the file: {some_of(sorted(found - wanted))}"
    )


def _header_fault(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, key: str, shape: tuple[int, ...]
) -> str | None:
    """What is wrong with an array, judged by its header without unpacking data."""
    with archive.open(info) as stream:
        try:
            version = np.lib.format.read_magic(stream)
            read = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            found, _, dtype = read(stream)
            header = stream.tell()
        except (ValueError, KeyError) as error:
            return f"{key} is not a NumPy array ({error})"
    if dtype != np.float32:
        return f"{key} is {dtype}, expected float32"
    if found != shape:
        return f"{key} is {found}, expected {shape}"
    if info.file_size != header + 4 * int(np.prod(shape)):
        return f"{key} holds {info.file_size} bytes, which does not match its shape {shape}"
    return None


def _read_array(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, key: str, path: Path
) -> np.ndarray:
    with archive.open(info) as stream:
        try:
            array = np.lib.format.read_array(stream, allow_pickle=False)
        except ValueError as error:
            raise InputError(f"{path}: {key} cannot be read ({error})") from error
        stream.read(1)  # zipfile verifies the checksum at the end of the member
    return array
