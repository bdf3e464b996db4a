"""Decisions at thresholds: the table of operating points, and decision curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from components.reporter.page.charts import DOMAIN_COLORS, DOMAIN_NAMES, MAX_PANELS
from components.reporter.page.svg import MUTED, drawing, grid, inline, plain
from components.reporter.page.wording import DOMAIN_TITLES, term
from schemas import features
from schemas.documents.gate import ChosenThreshold, DecisionCurve, GateVerdict, Metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Rates at an operating point, in the order of the table; PPV and NPV of the policy's prevalences
# follow, those of the test images' own do not.
_RATES = ("sensitivity", "specificity")
_AT = ("ppv_at_", "npv_at_")
MAX_ROWS = 60
# Of the largest net benefit, how far below 0 the chart goes.
_BELOW = 0.25


class Row(NamedTuple):
    """A metric of one finding at one operating point, in each domain."""

    point: str
    metric: str
    by_domain: Mapping[features.Domain, Metric | None]


class Point(NamedTuple):
    """An operating point, its threshold for a finding, and what it leads to."""

    title: str
    asked: str
    chosen: ChosenThreshold | None
    problem: str
    rows: list[Row]


def points(gate: GateVerdict | None) -> list[Point]:
    """Each operating point of each finding; one without a threshold says why."""
    found = []
    for point in gate.operating_points if gate else ():
        asked = f"{point.rule} {point.at_least:g}"
        if gate is None or point.problem:
            found.append(Point(point.name, asked, None, point.problem, []))
            continue
        several = len(point.thresholds) > 1
        for chosen in point.thresholds:
            ending = f"@{point.name}" + (f"/{chosen.finding}" if several else "")
            title = f"{point.name}, {chosen.finding}" if several else point.name
            rows = _rows(gate, title, ending)
            found.append(Point(title, asked, chosen, "", rows))
    return found[:MAX_ROWS]


def _rows(gate: GateVerdict, title: str, ending: str) -> list[Row]:
    names = dict.fromkeys(
        name.removesuffix(ending)
        for metrics in gate.metrics.values()
        for name in metrics
        if name.endswith(ending)
    )
    shown = [name for name in names if name in _RATES]
    shown += [name for name in names if name.startswith(_AT) and "by_patient" not in name]
    return [
        Row(
            title,
            term(name),
            {domain: gate.metrics.get(domain, {}).get(name + ending) for domain in DOMAIN_TITLES},
        )
        for name in shown
    ]


def decision_curves(curves: Sequence[DecisionCurve]) -> str | None:
    """Net benefit by threshold: a panel for each finding and prevalence, a line for each domain."""
    panels: dict[str, list[DecisionCurve]] = {}
    several = len({one.finding for one in curves}) > 1
    for one in curves:
        name = plain(one.finding) if several else "net benefit"
        name += f", prevalence {one.prevalence:g}" if one.given else ""
        panels.setdefault(name, []).append(one)
    if not panels:
        return None
    shown = list(panels.items())[:MAX_PANELS]
    with drawing():
        canvas, axes = grid(len(shown), columns=min(2, len(shown)), height=2.9)
        for axis, (name, found) in zip(axes, shown, strict=True):
            _panel(axis, name, found)
        handles, labels = axes[0].get_legend_handles_labels()
        canvas.legend(handles, labels, loc="outside upper left", ncols=5)
        return inline(canvas, "benefit", "Net benefit by threshold, in distribution and shifted")


def _panel(axis: Axes, name: str, curves: Sequence[DecisionCurve]) -> None:
    axis.axhline(0, color=MUTED, linewidth=1, label="treat nobody")
    for curve in curves:
        color, domain = DOMAIN_COLORS[curve.domain], DOMAIN_NAMES[curve.domain]
        lower, upper, value, everyone = (
            np.array([np.nan if one is None else one for one in column], float)
            for column in (curve.lower, curve.upper, curve.net_benefit, curve.treat_all)
        )
        axis.fill_between(curve.thresholds, lower, upper, color=color, alpha=0.14, linewidth=0)
        axis.plot(curve.thresholds, value, color=color, label=f"model, {domain}")
        dashed = {"linestyle": (0, (4, 3)), "linewidth": 1.1}
        axis.plot(
            curve.thresholds, everyone, color=color, label=f"treat everyone, {domain}", **dashed
        )
    top = max(curve.prevalence for curve in curves) * 1.15
    first, last = curves[0].thresholds[0], curves[0].thresholds[-1]
    axis.set(title=name, xlabel="threshold probability", ylabel="net benefit")
    axis.set(ylim=(-_BELOW * top, top), xlim=(first, last))
