"""Weights from the `encoder.weights.h5` that an earlier run exported.

Only values in this file are accepted: HDF5 can point to other files.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import keras

from schemas.errors import InputError, some_of

if TYPE_CHECKING:
    import h5py


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
        raise InputError(f"{path} is not a complete HDF5 weights file ({error})") from error
    # Keras ignores surplus arrays in the file, which would hide a deeper network.
    wanted = Counter(tuple(variable.shape) for variable in backbone.weights)
    if found != wanted:
        lacking, surplus = list((wanted - found).elements()), list((found - wanted).elements())
        raise InputError(
            f"{path} was written for another backbone: it holds {found.total()} arrays, the "
            f"configured {backbone.name} has {wanted.total()}. Shapes missing in the file: "
            f"{some_of(lacking)}; shapes only in the file: {some_of(surplus)}. Give the run the "
            "settings model.family, depth, width, units, root_filters and stem of the earlier one"
        )
    try:
        backbone.load_weights(path)
    except (ValueError, KeyError, OSError) as error:
        raise InputError(f"{path} does not fit the configured {backbone.name}: {error}") from error
    return found.total()


def _h5_shapes(file: h5py.File, path: Path) -> Counter[tuple[int, ...]]:
    """Counts the shapes of the arrays without following links or opening other files."""
    shapes: Counter[tuple[int, ...]] = Counter()

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
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
