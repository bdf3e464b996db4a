"""Windows and tables of a DICOM file as views of its values (PS3.3 C.11.1 and C.11.2)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from components.image_example_gen.decoding.dicom import lookup_tables
from components.image_example_gen.decoding.dicom import values as tags
from components.image_example_gen.pixels import picture
from components.image_example_gen.pixels.intensity import View

if TYPE_CHECKING:
    from pydicom import Dataset

VALUE_TAGS = ("RescaleSlope", "RescaleIntercept")
# A window this wide, as a fraction of what the allocated bits can hold, is software's default.
_WHOLE = 0.9

Units = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Window:
    """A window of a file, by PS3.3 C.11.2.1.2 and C.11.2.1.3."""

    center: float
    width: float
    function: str

    @property
    def edges(self) -> tuple[float, float]:
        """The values shown black and white."""
        center, width = self.center, self.width
        if self.function == "LINEAR":
            center, width = center - 0.5, width - 1
        return center - width / 2, center + width / 2

    def shade(self, units: np.ndarray) -> np.ndarray:
        """0 for black to 1 for white."""
        low, high = self.edges
        if self.function == "SIGMOID":
            with np.errstate(over="ignore"):
                return 1 / (1 + np.exp(-4 * (units - self.center) / self.width))
        if high <= low:
            return (units > low).astype(np.float64)
        return (units - low) / (high - low)


@dataclasses.dataclass(frozen=True)
class Rescale:
    """The linear modality transform."""

    slope: float
    intercept: float

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Converts samples to units."""
        return samples * self.slope + self.intercept


def frame_places(header: Dataset, frame: int, sequence: str) -> list[Dataset]:
    """Where attributes of a frame may be, in order: its own group, the shared group, the header."""
    own = tags.sequence(header, "PerFrameFunctionalGroupsSequence")
    groups = own[frame : frame + 1]
    groups += tags.items(header, "SharedFunctionalGroupsSequence")[:1]
    return [item for group in groups for item in tags.items(group, sequence)[:1]] + [header]


def modality(
    header: Dataset, frame: int, little: bool, extremes: tuple[float, float]
) -> tuple[Units | None, tuple[str, ...]]:
    """How samples become units (None if they are units already), and flags.

    Args:
        header: of the file.
        frame: whose attributes go before those of the file.
        little: byte order.
        extremes: the smallest and the largest sample.
    """
    tables = tags.items(header, "ModalityLUTSequence")
    table = next(filter(None, (lookup_tables.read_table(t, little) for t in tables)), None)
    rescale, flags = _rescale(header, frame)
    if table is None:
        return rescale, (picture.RESCALE_UNUSABLE,) if tables else flags
    # The standard allows one of the two.
    flags = (picture.RESCALE_UNUSABLE,) if rescale else ()
    return table.over(*extremes), flags


def _rescale(header: Dataset, frame: int) -> tuple[Units | None, tuple[str, ...]]:
    wrong = False
    for place in frame_places(header, frame, "PixelValueTransformationSequence"):
        if not any(tags.given(place, name) for name in VALUE_TAGS):
            continue
        slope, intercept = (tags.number(place, name) for name in VALUE_TAGS)
        # Either may be empty; neither may be invalid.
        wrong |= slope == 0 or (slope is None and tags.given(place, VALUE_TAGS[0]))
        wrong |= intercept is None and tags.given(place, VALUE_TAGS[1])
        if slope == 0 or (slope is None and intercept is None):
            continue
        slope, intercept = 1.0 if slope is None else slope, intercept or 0.0
        flags = (picture.RESCALE_UNUSABLE,) if wrong else ()
        if (slope, intercept) == (1, 0):
            return None, flags
        return Rescale(slope, intercept), flags
    return None, (picture.RESCALE_UNUSABLE,) if wrong else ()


def views(
    header: Dataset, frame: int, little: bool, everything: float
) -> tuple[Callable[[float, float], list[View]], tuple[str, ...]]:
    """The file's tables, then its windows, once the range of its units is known; and flags.

    Args:
        header: of the file.
        frame: whose attributes go before those of the file.
        little: byte order.
        everything: units that the allocated bits span; infinite if all of them are used.
    """
    found: list[lookup_tables.Table | Window] = []
    wrong = False
    for place in frame_places(header, frame, "FrameVOILUTSequence"):
        for item in tags.items(place, "VOILUTSequence"):
            table = lookup_tables.read_table(item, little)
            found += [table] if table else []
            wrong |= table is None
        windows, unusable = _windows(place)
        found += windows
        wrong |= unusable

    def over(low: float, high: float) -> list[View]:
        return [
            _window_view(one, everything)
            if isinstance(one, Window)
            else _table_view(one.over(low, high))
            for one in found
        ]

    return over, (picture.WINDOW_UNUSABLE,) if wrong else ()


def _window_view(window: Window, everything: float) -> View:
    whole = window.width >= _WHOLE * everything
    return View("window", *window.edges, window.shade, whole=whole)


def _table_view(table: lookup_tables.Table) -> View:
    black, white, guessed = table.span()

    def shade(units: np.ndarray) -> np.ndarray:
        return (table(units) - black) / (white - black or 1.0)

    last = table.first + len(table.entries) - 1
    return View("VOI table", float(table.first), float(last), shade, guessed, whole=True)


def _windows(place: Dataset) -> tuple[list[Window], bool]:
    """The valid windows, and whether there are invalid ones."""
    centers = tags.numbers(place, "WindowCenter")
    widths = tags.numbers(place, "WindowWidth")
    function = tags.text(place, "VOILUTFunction")
    known = function in ("", "LINEAR", "LINEAR_EXACT", "SIGMOID")
    function = function if known and function else "LINEAR"
    found = []
    for center, width in zip(centers, widths, strict=False):
        if math.isfinite(center) and math.isfinite(width) and width > 0:
            # The linear function needs a width of at least 1; units may be small numbers.
            exact = function == "LINEAR" and width < 1
            found.append(Window(center, width, "LINEAR_EXACT" if exact else function))
    wrong = len(found) < max(len(centers), len(widths)) or not known
    return found, wrong or any(w.width < 1 and function == "LINEAR" for w in found)
