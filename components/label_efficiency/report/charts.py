"""The study's curves as an inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from components.label_efficiency.cell.settings import BIT, RANDOM, REMEDIS
from components.label_efficiency.report.curves import JUDGED, Curve, Point
from components.label_efficiency.report.wording import ARM_NAMES, CURVE_LABELS, CURVE_TITLES
from components.reporter.page.svg import ID_COLOR, MUTED, SHIFTED_COLOR, drawing, grid, inline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STYLES = {REMEDIS: (ID_COLOR, "o"), BIT: (SHIFTED_COLOR, "s"), RANDOM: (MUTED, "^")}
# Arms are offset, so that their intervals do not overlap.
_OFFSET = {REMEDIS: -0.07, BIT: 0.0, RANDOM: 0.07}


def draw_curves(curves: Sequence[Curve]) -> str | None:
    """One panel per curve: AUC with interval by fraction of labels; None without any point."""
    drawn = [curve for curve in curves if any(p.status == JUDGED for p in curve.points)]
    if not drawn:
        return None
    with drawing():
        columns = 2 if len(drawn) in (2, 4) else 3
        canvas, axes = grid(len(drawn), columns=columns, height=3.0)
        for axis, curve in zip(axes, drawn, strict=True):
            _draw(axis, curve)
        handles, labels = axes[0].get_legend_handles_labels()
        canvas.legend(handles, labels, loc="outside upper left", ncols=3)
        return inline(canvas, "study", "AUC by fraction of labels, for each arm")


def _draw(axis: Axes, curve: Curve) -> None:
    fractions = sorted({point.fraction for point in curve.points})
    places = {fraction: place for place, fraction in enumerate(fractions)}
    for arm in dict.fromkeys(point.arm for point in curve.points):
        judged = [p for p in curve.points if p.arm == arm and p.status == JUDGED]
        if judged:
            _draw_arm(axis, arm, judged, places)
    for number, point in enumerate(p for p in curve.points if p.status != JUDGED):
        # Shown below the curves, so that no point is silently missing.
        color = _STYLES[point.arm][0]
        place: dict[str, Any] = {
            "transform": axis.get_xaxis_transform(),
            "ha": "center",
            "fontsize": 7,
        }
        text = f"{ARM_NAMES[point.arm]}: not enough"
        axis.text(places[point.fraction], 0.02 + 0.05 * (number % 3), text, color=color, **place)
    axis.set_xticks(range(len(fractions)), [f"{100 * fraction:g} %" for fraction in fractions])
    axis.set(title=CURVE_TITLES[curve.name], xlabel=CURVE_LABELS[curve.name], ylabel="AUC")
    axis.set_xlim(-0.4, len(fractions) - 0.6)


def _draw_arm(axis: Axes, arm: str, points: list[Point], places: dict[float, int]) -> None:
    color, marker = _STYLES[arm]
    across = [places[point.fraction] + _OFFSET[arm] for point in points]
    values = [point.value for point in points]
    below = [max(0.0, point.value - point.lower) for point in points]
    above = [max(0.0, point.upper - point.value) for point in points]
    axis.plot(across, values, color=color, marker=marker, label=ARM_NAMES[arm])
    axis.errorbar(across, values, yerr=(below, above), color=color, fmt="none", elinewidth=1)
