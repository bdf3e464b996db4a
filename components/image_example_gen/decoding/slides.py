"""Whole-slide images: finds tissue, selects tiles, and reads the pixels of a tile.

A slide is never loaded whole. The tissue map has one byte for every 32 x 32 pixels of the slide
(20 MB for a slide of 100,000 x 200,000) and is built from blocks; tiles are read one by one.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from components.image_example_gen.rows.splits import uniform

if TYPE_CHECKING:
    import openslide
    from PIL import Image

# Level-0 pixels that share one cell of the tissue map.
CELL = 32
_BLOCK_CELLS = 512
_BLOCK_PIXELS = 2048
# Glass and paper are never this saturated. Without this limit, Otsu's method would split the noise
# of an empty slide in two.
_LEAST_SATURATION = 12
_OPEN_SLIDES = 4
# 300,000 x 300,000, nine times the area of a large slide.
_MOST_PIXELS = 90_000_000_000
_LONGEST_SIDE = 1_000_000
_LARGEST_TILE = 8192
# A slide's own resolution is used between these, in microns per pixel.
_FINEST, _COARSEST = 0.02, 20.0
_MOST_OBLONG = 2
# Tiles enlarged more than this do not show what their resolution promises.
_MOST_ENLARGED = 4


class UnreadableSlide(Exception):
    """A file that OpenSlide can't open or read; the message does not name the file."""


@dataclasses.dataclass(frozen=True)
class Tile:
    """A square of a slide: corner and sides in level-0 pixels, and its fraction of tissue."""

    x: int
    y: int
    width: int
    height: int
    tissue: float


@dataclasses.dataclass(frozen=True)
class TileRule:
    """Which tiles to select.

    Attributes:
        size: pixels of a stored tile's side.
        mpp: microns of a stored pixel.
        overlap: pixels that neighbors share.
        least_tissue: smallest fraction of tissue of a selected tile.
        most_tiles: largest number per slide, chosen by a hash of their place; 0: all.
        assumed_mpp: microns per pixel of slides that state nothing credible; 0 refuses them.
    """

    size: int
    mpp: float
    overlap: int
    least_tissue: float
    most_tiles: int
    assumed_mpp: float


def open_slide(path: str) -> openslide.OpenSlide:
    """Opens a slide.

    Raises:
        UnreadableSlide: it is none.
    """
    import openslide

    try:
        slide = openslide.OpenSlide(path)
    except (openslide.OpenSlideError, OSError) as error:
        raise UnreadableSlide(type(error).__name__) from None
    # OpenSlide trusts any header, and ends the process when memory runs out.
    width, height = slide.dimensions
    sides = [
        _number(slide, f"openslide.level[{level}].tile-{side}")
        for level in range(slide.level_count)
        for side in ("width", "height")
    ]
    too_large = max(width, height) > _LONGEST_SIDE or width * height > _MOST_PIXELS
    if too_large or max(sides) > _LARGEST_TILE:
        slide.close()
        raise UnreadableSlide("its header claims an impossible size")
    return slide


def _number(slide: openslide.OpenSlide, name: str) -> int:
    text = slide.properties.get(name, "")
    return int(text) if text.isdecimal() else 0


def microns_per_pixel(slide: openslide.OpenSlide, assumed: float) -> tuple[float, float] | None:
    """Horizontal and vertical microns of a level-0 pixel; None if unknown.

    `assumed`, if not 0, replaces what is missing or not credible. Converters write a printer's
    resolution (72 dots per inch are 353 microns), 0, or two numbers that make oblong pixels.
    """
    import openslide

    names = (openslide.PROPERTY_NAME_MPP_X, openslide.PROPERTY_NAME_MPP_Y)
    try:
        x, y = (float(slide.properties[name]) for name in names)
        low, high = sorted((x, y))
    except (KeyError, ValueError):
        low = high = 0
    if _FINEST < low <= high < _COARSEST and high < _MOST_OBLONG * low:
        return x, y
    return (assumed, assumed) if assumed else None


def tissue_map(slide: openslide.OpenSlide) -> np.ndarray:
    """Whether each cell of CELL x CELL level-0 pixels is tissue: Otsu's method on saturation.

    Raises:
        UnreadableSlide: the slide is damaged.
    """
    width, height = slide.dimensions
    saturation = np.zeros((-(-height // CELL), -(-width // CELL)), np.uint8)
    histogram = np.zeros(256, np.int64)
    for row, column, block in _saturation_blocks(slide, *saturation.shape):
        saturation[row : row + block.shape[0], column : column + block.shape[1]] = block
        histogram += np.bincount(block.ravel(), minlength=256)
    return saturation > max(otsu(histogram), _LEAST_SATURATION)


def _saturation_blocks(
    slide: openslide.OpenSlide, rows: int, columns: int
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yields blocks of saturation by cell, each with its place."""
    from PIL import Image

    level = slide.get_best_level_for_downsample(CELL)
    # Pixels of that level in a cell: 1 where the pyramid has the level, CELL where it has none.
    scale = CELL / slide.level_downsamples[level]
    side = max(1, min(_BLOCK_CELLS, int(_BLOCK_PIXELS / scale)))
    for row in range(0, rows, side):
        for column in range(0, columns, side):
            height, width = min(side, rows - row), min(side, columns - column)
            corner = (column * CELL, row * CELL)
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            block = read_region(slide, corner, level, size)
            if block.size != (width, height):
                block = block.resize((width, height), Image.Resampling.BOX)
            yield row, column, np.asarray(block.convert("HSV"))[..., 1]


def otsu(histogram: np.ndarray) -> int:
    """The value that splits a histogram with the largest variance between both parts.

    Values up to it are the lower part.
    """
    counts = histogram.astype(np.float64)
    values = np.arange(len(counts))
    below = counts.cumsum()
    above = below[-1] - below
    total = (counts * values).cumsum()
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (total / below - (total[-1] - total) / above) ** 2
    return int(np.nan_to_num(between).argmax())


def tiles(slide: openslide.OpenSlide, rule: TileRule, mpp: tuple[float, float]) -> list[Tile]:
    """Yields the tiles with enough tissue, row by row.

    Raises:
        UnreadableSlide: the slide is damaged.
    """
    if rule.mpp * _MOST_ENLARGED < min(mpp):
        raise UnreadableSlide(f"its pixels of {min(mpp):g} microns are too coarse for {rule.mpp:g}")
    tissue = tissue_map(slide)
    width, height = slide.dimensions
    sides = [max(1, round(rule.size * rule.mpp / m)) for m in mpp]
    steps = [(rule.size - rule.overlap) * rule.mpp / m for m in mpp]
    found = []
    for y in _corners(height, sides[1], steps[1]):
        cells = tissue[y // CELL : -(-(y + sides[1]) // CELL)]
        for x in _corners(width, sides[0], steps[0]):
            share = float(cells[:, x // CELL : -(-(x + sides[0]) // CELL)].mean())
            if share >= rule.least_tissue:
                found.append(Tile(x, y, sides[0], sides[1], share))
    if rule.most_tiles and len(found) > rule.most_tiles:
        drawn = sorted(found, key=lambda tile: uniform("tile", tile.x, tile.y))
        found = sorted(drawn[: rule.most_tiles], key=lambda tile: (tile.y, tile.x))
    return found


def _corners(length: int, side: int, step: float) -> Iterator[int]:
    number = 0
    while (corner := round(number * step)) + side <= length:
        yield corner
        number += 1


def read_tile(
    slide: openslide.OpenSlide, corner: tuple[int, int], sides: tuple[int, int], size: int
) -> np.ndarray:
    """The pixels of a tile, [size, size, 3]; areas that were not scanned are white.

    Raises:
        UnreadableSlide: the slide is damaged there.
    """
    from PIL import Image

    level = slide.get_best_level_for_downsample(max(1.0, sides[0] / size))
    scale = slide.level_downsamples[level]
    extent = tuple(max(1, round(side / scale)) for side in sides)
    if max(extent) > _BLOCK_PIXELS * 4:
        raise UnreadableSlide(
            f"no level near the wanted resolution: a tile would need {extent[0]}x{extent[1]} pixels"
        )
    tile = read_region(slide, corner, level, extent)
    if tile.size != (size, size):
        tile = tile.resize((size, size), Image.Resampling.BOX if extent[0] > size else
                           Image.Resampling.BICUBIC)  # fmt: skip
    return np.asarray(tile)


def read_region(
    slide: openslide.OpenSlide, corner: tuple[int, int], level: int, size: tuple[int, int]
) -> Image.Image:
    """A region as RGB over white.

    Raises:
        UnreadableSlide: the slide is damaged there.
    """
    import openslide
    from PIL import Image

    try:
        region = slide.read_region(corner, level, size)
    except openslide.OpenSlideError as error:
        raise UnreadableSlide(type(error).__name__) from None
    white = Image.new("RGB", region.size, (255, 255, 255))
    white.paste(region, mask=region.getchannel("A"))
    return white


class OpenSlides:
    """Keeps the last used slides open: opening a slide costs more than reading a tile."""

    def __init__(self) -> None:
        self._open: collections.OrderedDict[str, openslide.OpenSlide] = collections.OrderedDict()

    def get(self, path: str) -> openslide.OpenSlide:
        """Returns an open slide.

        Raises:
            UnreadableSlide: it is none.
        """
        slide = self._open.pop(path, None) or open_slide(path)
        self._open[path] = slide
        if len(self._open) > _OPEN_SLIDES:
            self._open.popitem(last=False)[1].close()
        return slide

    def drop(self, path: str) -> None:
        """Closes a slide: after an error OpenSlide refuses further reads of it."""
        slide = self._open.pop(path, None)
        if slide is not None:
            slide.close()
