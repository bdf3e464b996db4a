"""Distributions of image statistics, and distances of them that know how fine is fine enough.

A distance of two distributions sees any difference of values that hardly vary: all images of one
set have a mean of 0.500, all of another one of 0.501, and the distance is 1. So each statistic has
a scale, the least difference that means anything, and distributions are compared after a blur by
that scale. What differs by much less is then equal, and what varies by much more is unchanged.
Nothing here depends on the data compared, so counts can be kept for the next run.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from components.data_gate.checks.index import Index
from schemas import features

Columns = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Statistic:
    """A number that describes an image.

    Attributes:
        columns: of the index that it is computed from.
        compute: from these columns.
        low: least value that is told from smaller ones.
        high: largest value that is told from larger ones.
        scale: least difference that means anything.
    """

    columns: tuple[str, ...]
    compute: Callable[..., np.ndarray]
    low: float
    high: float
    scale: float

    @property
    def bins(self) -> int:
        """Ten a scale, so that a blur by the scale hides them."""
        return round(10 * (self.high - self.low) / self.scale)


def _as_it_is(values: np.ndarray) -> np.ndarray:
    return values


def _log_ratio(width: np.ndarray, height: np.ndarray) -> np.ndarray:
    return np.log2(width / height)


# Two or three of 255 gray levels, and two percent of a length or ratio: ours.
_GRAY, _PERCENTS = 0.01, float(np.log2(1.02))


def _gray(column: str, high: float) -> Statistic:
    return Statistic((column,), _as_it_is, 0.0, high, _GRAY)


def _pixels(column: str) -> Statistic:
    return Statistic((column,), np.log2, 0.0, 17.0, _PERCENTS)


STATISTICS = {
    features.IMAGE_MEAN: _gray("mean", 1.0),
    features.IMAGE_STD: _gray("std", 0.5),
    features.IMAGE_BORDER_MEAN: _gray("border_mean", 1.0),
    features.IMAGE_BORDER_STD: _gray("border_std", 0.5),
    features.IMAGE_HEIGHT: _pixels("height"),
    features.IMAGE_WIDTH: _pixels("width"),
    "original/height": _pixels("source_height"),
    "original/width": _pixels("source_width"),
    "original/aspect_ratio": Statistic(
        ("source_width", "source_height"), _log_ratio, -6.0, 6.0, _PERCENTS
    ),
    **{f"corner/{name}": _gray(name, 0.5 if "std" in name else 1.0) for name in features.CORNERS},
}
FILE_FORMAT = "file_format"
COLUMNS = tuple(dict.fromkeys(c for one in STATISTICS.values() for c in one.columns))


class Distances(NamedTuple):
    """How far apart two distributions are: both from 0 (the same) to 1."""

    jensen_shannon: float
    """The divergence, in bits."""
    kolmogorov_smirnov: float


def columns_of(batch: pa.RecordBatch) -> Columns:
    """The columns of all statistics; what is missing is NaN."""
    return {
        name: batch.column(name).to_numpy(zero_copy_only=False).astype(np.float64)
        for name in COLUMNS
    }


def histogram(name: str, columns: Columns) -> np.ndarray:
    """How many images are in each bin of a statistic; values beyond its range in the outermost."""
    one = STATISTICS[name]
    values = one.compute(*(columns[column] for column in one.columns))
    values = np.clip(values[np.isfinite(values)], one.low, one.high)
    return np.histogram(values, one.bins, (one.low, one.high))[0]


def distances(name: str, one: np.ndarray, other: np.ndarray) -> Distances | None:
    """Distances of two histograms of a statistic; None where one of them is empty."""
    from scipy.ndimage import gaussian_filter1d
    from scipy.spatial.distance import jensenshannon

    if not one.sum() or not other.sum():
        return None
    measured = STATISTICS[name]
    width = measured.bins * measured.scale / (measured.high - measured.low)
    # Reflected, what is blurred beyond the end of the range stays in it.
    p, q = (gaussian_filter1d(counts / counts.sum(), width) for counts in (one, other))
    root = float(jensenshannon(p, q, base=2))
    gap = float(np.abs(np.cumsum(p) - np.cumsum(q)).max())
    # SciPy gives NaN where rounding leaves less than nothing.
    return Distances(root**2 if np.isfinite(root) else 0.0, gap)


@dataclasses.dataclass
class Described:
    """What the index says of the images of a split.

    Attributes:
        numbers: statistic -> histogram.
        formats: kind of file -> images; without images that came from none.
    """

    numbers: dict[str, np.ndarray] = dataclasses.field(
        default_factory=lambda: {name: np.zeros(s.bins, int) for name, s in STATISTICS.items()}
    )
    formats: Counter[str] = dataclasses.field(default_factory=Counter)


def describe(index: Index) -> dict[str, Described]:
    """Describes the images of every split, in one pass."""
    found: dict[str, Described] = {}
    for batch in index.batches(["split", FILE_FORMAT, *COLUMNS]):
        splits = np.array(batch.column("split").to_pylist(), dtype=object)
        formats = np.array(batch.column(FILE_FORMAT).to_pylist(), dtype=object)
        columns = columns_of(batch)
        for split in set(splits):
            chosen = splits == split
            described = found.setdefault(split, Described())
            of_split = {name: values[chosen] for name, values in columns.items()}
            for name in STATISTICS:
                described.numbers[name] += histogram(name, of_split)
            described.formats.update(name for name in formats[chosen] if name)
    return found
