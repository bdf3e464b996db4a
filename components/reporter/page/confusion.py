"""Confusion matrices as pictures: how the images of each class were decided, by domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from components.reporter.page.charts import DOMAIN_COLORS, DOMAIN_NAMES
from components.reporter.page.svg import INK, MUTED, drawing, grid, inline, plain
from schemas import features
from schemas.documents.gate import Confusion

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# More do not fit: the verdict has them.
MAX_CLASSES = 40
_NUMBERED = 12  # up to so many, each cell has its percentage
_COUNTED = 6  # and its number of images
_NO_CLASS = "(none or several)"
# Text stays legible on the darkest cell, in both themes.
_DARKEST = 0.5


def picture(found: Mapping[features.Domain, Confusion]) -> str | None:
    """A panel for each domain; a row for each class, darker where more of its images are."""
    drawn = {domain: one for domain, one in found.items() if len(one.classes) <= MAX_CLASSES}
    if not drawn:
        return None
    with drawing():
        canvas, axes = grid(len(drawn), columns=2, height=4.4, most=4.5)
        for axis, (domain, one) in zip(axes, drawn.items(), strict=True):
            _panel(axis, one, DOMAIN_COLORS[domain])
            axis.set_title(DOMAIN_NAMES[domain])
        return inline(canvas, "confusion", "Confusion matrices, in distribution and shifted")


def _panel(axis: Axes, one: Confusion, color: str) -> None:
    names = [plain(name) for name in one.classes]
    undecided = any(one.undecided)
    called = [*names, _NO_CLASS] if undecided else names
    for row, counts in enumerate(one.counts):
        numbers = [*counts, one.undecided[row]] if undecided else list(counts)
        _row(axis, row, numbers, color, len(names))
    axis.set_xticks(range(len(called)), called, rotation=90 if len(called) > 3 else 0)
    axis.set_yticks(range(len(names)), names)
    small = 8.5 if len(names) <= _NUMBERED else 6
    axis.tick_params(length=0, labelsize=small)
    axis.set(
        xlim=(-0.5, len(called) - 0.5),
        ylim=(len(names) - 0.5, -0.5),
        xlabel="class that the model calls",
        ylabel="class of the image",
        aspect="equal",
    )
    axis.grid(visible=False)


def _row(axis: Axes, row: int, counts: Sequence[int], color: str, classes: int) -> None:
    from matplotlib.patches import Rectangle

    images = sum(counts)
    for column, count in enumerate(counts):
        fraction = count / images if images else 0.0
        corner = (column - 0.5, row - 0.5)
        cell = Rectangle(corner, 1, 1, facecolor=color, alpha=_DARKEST * fraction, linewidth=0)
        axis.add_patch(cell)
        if not images or classes > _NUMBERED:
            continue
        shift = 0.16 if classes <= _COUNTED else 0.0
        place = {"ha": "center", "va": "center"}
        axis.text(column, row - shift, f"{fraction:.0%}", color=INK, fontsize=8, **place)
        if shift:
            axis.text(column, row + shift, f"{count:,}", color=MUTED, fontsize=6.5, **place)
