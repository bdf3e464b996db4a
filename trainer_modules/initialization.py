"""First weights of the backbone: random, a released file or SavedModel, or an earlier encoder.

Every fault of a file is an `InputError` before any training. Files come from elsewhere, so nothing
in them is unpickled, and no array is read before its header is found to be what the network needs.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import keras
import numpy as np

from trainer_modules.errors import InputError
from trainer_modules.saved_model_weights import load_saved_model
from trainer_modules.settings import InitSettings

NPZ_PREFIX = "resnet/"
NPZ_HEAD = "resnet/head/"
ENCODER_FILE = "encoder.weights.h5"
_SHOWN = 5
_NEEDS = {
    "bit_npz": "a BiT .npz file",
    "encoder": f"an {ENCODER_FILE}",
    "saved_model": "the folder of a TF2 SavedModel",
}


def initialize(backbone: keras.Model, settings: InitSettings) -> dict[str, Any]:
    """Gives the backbone its first weights.

    Args:
        backbone: What `build_backbone` returned.
        settings: `random`; `bit_npz` with the path of a released BiT `.npz`; or `encoder` with the
            path of an `encoder.weights.h5`, or of a pushed or exported model's folder; or
            `saved_model` with the folder of a BiT or REMEDIS TF2 SavedModel.

    Returns:
        Provenance: source and, of a file, its name, sha256 and number of arrays loaded.

    Raises:
        InputError: The file is missing, damaged, or does not fit the backbone.
    """
    if settings.source == "random":
        return {"source": "random"}
    path = _existing_file(settings)
    found = describe(settings)
    load = {
        "bit_npz": load_bit_npz,
        "encoder": load_encoder,
        "saved_model": load_saved_model,
    }[settings.source]
    return found | {"arrays": load(backbone, path)}


def describe(settings: InitSettings) -> dict[str, Any]:
    """Source, name and sha256 of the file or folder that the settings name.

    Raises:
        InputError: It is missing, or another one than `sha256` says.
    """
    path = _existing_file(settings)
    digest = _sha256(path)
    if settings.sha256 and digest != settings.sha256:
        raise InputError(
            f"model.init.sha256: {path} has sha256 {digest}, expected {settings.sha256}; "
            "the file is damaged or another one"
        )
    return {"source": settings.source, "file": path.name, "sha256": digest}


def initialize_from_upstream(backbone: keras.Model, folder: str) -> dict[str, Any]:
    """Gives the backbone the weights of the Upstream Trainer's export.

    Returns:
        Provenance: as `initialize`, and what the card beside the weights says they learnt from.
    """
    found = initialize(backbone, InitSettings(source="encoder", path=folder))
    card = json.loads((Path(folder) / "assets.extra" / "card.json").read_text(encoding="utf-8"))
    return found | {"source": "upstream", "trained_on": card.get("trained_on")}


def load_bit_npz(backbone: keras.Model, path: Path) -> int:
    """Loads a BiT file in the official layout; the classification head in it is ignored.

    Returns:
        The number of arrays loaded.
    """
    variables = {NPZ_PREFIX + variable.path: variable for variable in backbone.weights}
    if f"{NPZ_PREFIX}root_block/standardized_conv2d/kernel" not in variables:
        raise InputError(
            f"model.init.source 'bit_npz' needs model.family 'bit', received a {backbone.name}; "
            "accepted for it are 'random' and 'encoder'"
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
                raise InputError(f"{path} does not fit the backbone: {_shorten(faults)}")
            for key, variable in variables.items():
                variable.assign(_read_array(archive, members[key], key, path))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
        raise InputError(
            f"{path} is not a whole .npz file ({error}); download it again, for example "
            "BiT-M-R50x1.npz"
        ) from error
    return len(variables)


def load_encoder(backbone: keras.Model, path: Path) -> int:
    """Loads an `encoder.weights.h5` that this pipeline wrote for the same backbone.

    Returns:
        The number of arrays loaded.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            found = _h5_shapes(file, path)
    except OSError as error:
        raise InputError(f"{path} is not a whole HDF5 weights file ({error})") from error
    # Keras ignores surplus arrays in the file, which would hide a deeper network.
    wanted = Counter(tuple(variable.shape) for variable in backbone.weights)
    if found != wanted:
        lacking, surplus = list((wanted - found).elements()), list((found - wanted).elements())
        raise InputError(
            f"{path} was written for another backbone: it holds {found.total()} arrays, the "
            f"configured {backbone.name} has {wanted.total()}. Shapes missing in the file: "
            f"{_shorten(lacking)}; shapes only in the file: {_shorten(surplus)}. Give the run the "
            "settings model.family, depth, width, units, root_filters and stem of the earlier one"
        )
    try:
        backbone.load_weights(path)
    except (ValueError, KeyError, OSError) as error:
        raise InputError(f"{path} does not fit the configured {backbone.name}: {error}") from error
    for variable in backbone.weights:
        if not np.isfinite(variable.numpy()).all():
            raise InputError(f"{path}: {variable.path} holds values that are not finite")
    return found.total()


def _existing_file(settings: InitSettings) -> Path:
    path = Path(settings.path).expanduser()
    if settings.source == "encoder" and path.is_dir():
        candidates = (path / ENCODER_FILE, path / "assets.extra" / ENCODER_FILE)
        path = next((file for file in candidates if file.is_file()), candidates[0])
    needed = path / "saved_model.pb" if settings.source == "saved_model" else path
    if not needed.is_file():
        raise InputError(
            f"model.init.path: no file {needed}; source '{settings.source}' needs "
            f"{_NEEDS[settings.source]}"
        )
    return path


def _sha256(path: Path) -> str:
    """Digest of a file; of a folder, the digest of its files' digests in the order of names."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return hashlib.sha256("".join(map(_sha256, files)).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """Arrays of the archive by name, without the head's."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        key = info.filename.removesuffix(".npy")
        if key in members:
            raise InputError(f"{path} holds the array {key} twice")
        if not key.startswith(NPZ_HEAD):
            members[key] = info
    return members


def _compare_names(found: set[str], wanted: set[str], path: Path) -> None:
    if found == wanted:
        return
    raise InputError(
        f"{path} is not a BiT file of the configured depth: it holds {len(found)} arrays besides "
        f"the head, the backbone needs {len(wanted)}. Missing in the file: "
        f"{_shorten(sorted(wanted - found))}; only in the file: {_shorten(sorted(found - wanted))}"
    )


def _header_fault(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, key: str, shape: tuple[int, ...]
) -> str | None:
    """What is wrong with an array, from its header alone: no data is unpacked, however large."""
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
        return f"{key} holds {info.file_size} bytes, which its shape {shape} does not explain"
    return None


def _read_array(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, key: str, path: Path
) -> np.ndarray:
    with archive.open(info) as stream:
        try:
            array = np.lib.format.read_array(stream, allow_pickle=False)
        except ValueError as error:
            raise InputError(f"{path}: {key} cannot be read ({error})") from error
        stream.read(1)  # at the end of the member zipfile compares the checksum
    if not np.isfinite(array).all():
        raise InputError(f"{path}: {key} holds values that are not finite")
    return array


def _h5_shapes(file, path: Path) -> Counter:
    """Shapes of the arrays, how often each; links are not followed, other files never opened."""
    shapes: Counter = Counter()

    def visit(name, item):
        if not hasattr(item, "shape"):
            return
        if item.external or item.is_virtual:
            raise InputError(
                f"{path}: the values of {name} lie in another file; accepted are files that hold "
                "all of their arrays"
            )
        shapes[tuple(item.shape)] += 1

    file.visititems(visit)
    return shapes


def _shorten(items: list) -> str:
    if not items:
        return "none"
    shown = "; ".join(str(item) for item in items[:_SHOWN])
    return shown if len(items) <= _SHOWN else f"{shown}; and {len(items) - _SHOWN} more"
