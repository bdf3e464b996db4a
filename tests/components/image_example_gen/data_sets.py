"""Writes the files of small data sets."""

from __future__ import annotations

import csv
import pathlib
from collections.abc import Sequence

import numpy as np
from PIL import Image


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
