"""Small data sets that the tests write."""

from __future__ import annotations

import csv
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from PIL import Image

from components.image_example_gen.settings import DataSettings
from trainer_modules.settings import TaskSettings


def write_png(path: pathlib.Path, seed: int, shape: tuple[int, ...] = (16, 12)) -> np.ndarray:
    """Writes random pixels and returns them."""
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def write_csv(path: pathlib.Path, rows: Sequence[Sequence[object]]) -> None:
    """Writes rows, the header first."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


@pytest.fixture
def binary_task() -> TaskSettings:
    """One 0/1 label."""
    return TaskSettings(labels=("finding",))


@pytest.fixture
def manifest_data(tmp_path) -> Callable[..., DataSettings]:
    """Returns a maker of manifest settings for a data set in tmp_path/data."""
    (tmp_path / "data").mkdir()

    def make(**changes) -> DataSettings:
        return DataSettings(source="manifest", root=str(tmp_path / "data"), **changes)

    return make
