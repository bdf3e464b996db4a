"""Matplotlib drawings as inline SVG; colors are CSS variables, so they follow the theme."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

# Matplotlib draws with these placeholder colors; `inline` replaces each by its CSS variable.
INK, MUTED, GRID = "#010101", "#010102", "#010103"
ID_COLOR, SHIFTED_COLOR, PAPER = "#010104", "#010105", "#010106"
CSS_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--line)",
    ID_COLOR: "var(--id)",
    SHIFTED_COLOR: "var(--shifted)",
    PAPER: "var(--paper)",
}
WIDTH = 9.0  # inches; the SVG then scales to its column
MAX_NAME = 40
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": GRID,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "text.color": INK,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
}


def drawing() -> Any:
    """A context in which Matplotlib draws in the page's style, without a display."""
    import matplotlib

    matplotlib.use("Agg")
    return matplotlib.rc_context(STYLE)


def grid(
    count: int, *, columns: int, height: float, most: float | None = None
) -> tuple[Canvas, list[Axes]]:
    """A row-wise grid of panels; `most` limits the width of each, for square panels."""
    from matplotlib.figure import Figure as Canvas

    columns = min(columns, count)
    rows = -(-count // columns)
    width = min(WIDTH, most * columns) if most else WIDTH
    canvas = Canvas(figsize=(width, height * rows), layout="constrained")
    axes = list(np.atleast_1d(canvas.subplots(rows, columns)).ravel())
    for axis in axes[count:]:
        axis.remove()
    return canvas, axes[:count]


def single(*, height: float) -> tuple[Canvas, Axes]:
    """One panel as wide as the page."""
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(WIDTH, height), layout="constrained")
    return canvas, canvas.subplots()


def plain(text: str) -> str:
    """A name fit for a chart: no control characters (SVG is XML), and of limited length."""
    shown = "".join(c if c.isprintable() else "\ufffd" for c in text)
    return shown if len(shown) <= MAX_NAME else shown[: MAX_NAME - 1] + "…"


def inline(canvas: Canvas, name: str, label: str) -> str:
    """The canvas as an SVG element fit for an HTML page that holds several.

    Matplotlib's ids repeat between charts and its header names outside addresses, so ids get the
    chart's name and everything but the drawing goes.
    """
    buffer = io.BytesIO()
    canvas.savefig(buffer, format="svg", transparent=True)
    root = ElementTree.fromstring(buffer.getvalue())
    for parent in root.iter():
        for child in [child for child in parent if child.tag.endswith("}metadata")]:
            parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        for key in list(element.attrib):
            value = _recolor(element.attrib.pop(key))
            key = key.rpartition("}")[2]
            if key == "id":
                value = f"{name}-{value}"
            elif key == "href":
                value = value.replace("#", f"#{name}-")
            element.set(key, value.replace("url(#", f"url(#{name}-"))
    width = float(root.attrib.pop("width").removesuffix("pt"))
    root.attrib.pop("height")
    root.set("style", f"max-width: {width / 72 * 96:.0f}px")
    root.set("role", "img")
    root.set("aria-label", label)
    return ElementTree.tostring(root, encoding="unicode")


def _recolor(value: str) -> str:
    return re.sub(r"#01010[1-6]", lambda match: CSS_VARIABLES[match.group()], value)
