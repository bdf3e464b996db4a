"""Lesion outlines drawn in ASAP, and the fraction of a square that they cover."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence

import numpy as np

from schemas.errors import InputError

# Names of the groups in the data sets: CAMELYON16 numbers them, CAMELYON17 names them.
_LESION = {"_0", "_1", "tumor", "metastases", "none"}
_HOLE = {"_2", "exclusion", "normal"}
_SHAPES = {"polygon", "spline", "rectangle"}


@dataclasses.dataclass(frozen=True)
class Outlines:
    """Lesions and the healthy islands inside them: [points, 2] of level-0 pixels each."""

    lesions: tuple[np.ndarray, ...]
    holes: tuple[np.ndarray, ...]

    def fraction(self, x: float, y: float, width: float, height: float, samples: int) -> float:
        """Fraction of a rectangle that is lesion, on a grid of samples x samples points."""
        covered = _union(self.lesions, x, y, width, height, samples)
        if not covered.any():
            return 0.0
        return float((covered & ~_union(self.holes, x, y, width, height, samples)).mean())


def read_asap(path: str) -> Outlines:
    """Reads an ASAP annotation file.

    Raises:
        InputError: it is not an ASAP file, or it names an unknown group.
    """
    from defusedxml import ElementTree
    from defusedxml.common import DefusedXmlException

    shown = os.path.basename(path)
    lesions, holes = [], []
    try:
        root = ElementTree.parse(path).getroot()
        for annotation in root.iter("Annotation"):
            points = np.array(
                [(float(c.get("X")), float(c.get("Y"))) for c in annotation.iter("Coordinate")]
            )
            if not np.isfinite(points).all():
                raise ValueError("not finite")
            group = str(annotation.get("PartOfGroup"))
            if str(annotation.get("Type")).lower() not in _SHAPES or len(points) < 3:
                continue
            if group.lower() in _LESION:
                lesions.append(points)
            elif group.lower() in _HOLE:
                holes.append(points)
            else:
                raise InputError(
                    f"{shown}: an outline is of the group '{group[:40]}'; known are "
                    f"{', '.join(sorted(_LESION))} (lesion) and {', '.join(sorted(_HOLE))} (not)"
                )
    except (ElementTree.ParseError, DefusedXmlException, TypeError, OSError) as error:
        raise InputError(f"{shown}: not an ASAP annotation file ({type(error).__name__})") from None
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{shown}: a coordinate is not a number") from None
    return Outlines(tuple(lesions), tuple(holes))


def _union(
    polygons: Sequence[np.ndarray], x: float, y: float, width: float, height: float, samples: int
) -> np.ndarray:
    inside = np.zeros((samples, samples), bool)
    for points in polygons:
        low, high = points.min(axis=0), points.max(axis=0)
        if low[0] < x + width and high[0] > x and low[1] < y + height and high[1] > y:
            # In units of the sampling grid, whose points are the centers of its cells.
            scaled = (points - (x, y)) * (samples / width, samples / height) - 0.5
            inside |= fill(scaled, samples)
    return inside


def fill(points: np.ndarray, size: int) -> np.ndarray:
    """Whether each integer point of [size, size] is inside a polygon, by the even-odd rule.

    Each edge marks where it crosses each row; a point is inside after an odd number of marks. The
    cost grows with the crossings inside the square, not with the polygon's area.
    """
    (x0, y0), (x1, y1) = points.T, np.roll(points, -1, axis=0).T
    first = np.clip(np.ceil(np.minimum(y0, y1)), 0, size).astype(np.int64)
    last = np.clip(np.ceil(np.maximum(y0, y1)), 0, size).astype(np.int64)
    counts = last - first
    edges = np.repeat(np.arange(len(points)), counts)
    rows = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts) + first[edges]
    slope = (x1[edges] - x0[edges]) / (y1[edges] - y0[edges])
    columns = np.clip(np.ceil(x0[edges] + (rows - y0[edges]) * slope), 0, size).astype(np.int64)
    marks = np.zeros((size, size + 1), np.int64)
    np.add.at(marks, (rows, columns), 1)
    return (marks.cumsum(axis=1)[:, :size] & 1).astype(bool)
