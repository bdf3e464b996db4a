"""The report's charts: each an inline SVG, or None if there is nothing to draw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from components.reporter.page.svg import (
    GRID,
    ID_COLOR,
    INK,
    MUTED,
    PAPER,
    SHIFTED_COLOR,
    drawing,
    grid,
    inline,
    plain,
    single,
)
from components.reporter.page.wording import MINUS, title, words
from schemas import features
from schemas.documents.gate import Metric, Subgroup
from schemas.documents.history import VALIDATION, Epoch, TrainingHistory
from trainer_modules.decisions.auc import auc

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

DOMAIN_COLORS = {features.IN_DISTRIBUTION: ID_COLOR, features.SHIFTED: SHIFTED_COLOR}
DOMAIN_NAMES = {features.IN_DISTRIBUTION: "in distribution", features.SHIFTED: "shifted"}
TEST_SPLITS = {features.IN_DISTRIBUTION: features.TEST, features.SHIFTED: features.SHIFTED}

MAX_PANELS = 12
MAX_FOREST_ROWS = 48


def training_curves(history: TrainingHistory) -> str | None:
    """Each metric of a trainer's history by epoch; train and validation share a panel."""
    groups = _curve_groups(history.epochs)
    if not groups:
        return None
    panels = list(groups.items())[:MAX_PANELS]
    with drawing():
        canvas, axes = grid(len(panels), columns=4 if len(panels) == 4 else 3, height=2.1)
        for axis, (metric, curves) in zip(axes, panels, strict=True):
            for name, color in zip(curves, (ID_COLOR, SHIFTED_COLOR), strict=False):
                points = [
                    (epoch.epoch, value)
                    for epoch in history.epochs
                    if (value := epoch.metrics.get(name)) is not None
                ]
                marker = "o" if len(points) < 12 else ""
                label = "validation" if name.startswith(VALIDATION) else "training"
                axis.plot(*zip(*points, strict=True), color=color, marker=marker, label=label)
            axis.set(title=title(metric if len(curves) > 1 else curves[0]), xlabel="epoch")
            axis.locator_params(axis="x", integer=True, nbins=6)
            if len(curves) > 1:
                axis.legend()
        return inline(canvas, f"curves-{history.stage}", f"Training curves, {history.stage}")


def roc_curves(predictions: pd.DataFrame, targets: Sequence[str]) -> str | None:
    """ROC curve of each target in both domains, with the operating point."""
    from sklearn.metrics import roc_curve

    panels = [(target, _scored(predictions, target)) for target in targets[:MAX_PANELS]]
    panels = [(target, domains) for target, domains in panels if domains]
    if not panels:
        return None
    with drawing():
        canvas, axes = grid(len(panels), columns=3, height=3.0, most=2.9)
        for axis, (target, domains) in zip(axes, panels, strict=True):
            axis.plot([0, 1], [0, 1], color=GRID, linewidth=1)
            for domain, (truth, score, decision) in domains.items():
                if len(np.unique(truth)) < 2:
                    continue
                color = DOMAIN_COLORS[domain]
                false_positive, true_positive, _ = roc_curve(truth, score)
                label = f"{DOMAIN_NAMES[domain]} {auc(truth, score):.3f}"
                axis.plot(false_positive, true_positive, color=color, label=label)
                if decision is not None:
                    axis.plot(
                        decision[truth == 0].mean(),
                        decision[truth == 1].mean(),
                        color=color,
                        marker="o",
                        markersize=7,
                    )
            axis.set(
                title=plain(target),
                xlabel=f"1 {MINUS} specificity",
                ylabel="sensitivity",
                aspect="equal",
            )
            axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
            _legend(axis, "lower right")
        return inline(canvas, "roc", "ROC curves in distribution and shifted")


class ForestRow(NamedTuple):
    """One line of the forest plot; value None: not enough data."""

    domain: str
    label: str
    value: float | None
    lower: float | None
    upper: float | None
    patients: int | None
    is_domain: bool


def forest(
    overall: Mapping[features.Domain, Metric], subgroups: Sequence[Subgroup], floor: float | None
) -> str | None:
    """AUC and interval of each domain, then of each site and subgroup in it."""
    rows = forest_rows(overall, subgroups)
    if len(rows) < 2:
        return None
    with drawing():
        canvas, axis = single(height=0.55 + 0.21 * len(rows))
        axis.axvline(0.5, color=MUTED, linewidth=0.8)
        if floor is not None:
            axis.axvline(floor, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
        for position, row in enumerate(rows):
            _forest_row(axis, position, row)
        labels = axis.set_yticks(range(len(rows)), [row.label for row in rows])
        for tick, row in zip(labels, rows, strict=True):
            tick.label1.set_color(INK if row.is_domain else MUTED)
            tick.label1.set_fontweight("bold" if row.is_domain else "normal")
        axis.set(ylim=(len(rows) - 0.4, -0.6), xlabel="AUC", xlim=_forest_range(rows))
        axis.grid(axis="y", visible=False)
        axis.tick_params(axis="y", length=0)
        axis.spines["left"].set_visible(False)
        return inline(canvas, "forest", "AUC with interval by domain, site and subgroup")


def forest_rows(
    overall: Mapping[features.Domain, Metric], subgroups: Sequence[Subgroup]
) -> list[ForestRow]:
    """Each domain followed by its groups, up to the number that fits one plot."""
    rows = []
    for domain, metric in overall.items():
        interval = (metric.value, metric.lower, metric.upper, metric.patients)
        rows.append(ForestRow(domain, DOMAIN_NAMES.get(domain, domain), *interval, True))
        for group in subgroups:
            if group.domain == domain:
                value = None if group.status == "not_enough_data" else group.auc
                interval = (value, group.lower, group.upper, group.patients)
                rows.append(
                    ForestRow(
                        domain, plain(words(f"{group.column} {group.value}")), *interval, False
                    )
                )
    return rows[:MAX_FOREST_ROWS]


def image_histograms(statistics: pd.DataFrame) -> str | None:
    """Distribution of each image statistic in both domains, as fractions."""
    columns = [name for name in statistics.columns if name != "domain"]
    columns = [name for name in columns if statistics[name].dropna().nunique() > 1]
    if not columns:
        return None
    with drawing():
        canvas, axes = grid(len(columns), columns=3, height=1.9)
        for axis, name in zip(axes, columns, strict=True):
            values = statistics[name].to_numpy(float)
            edges = np.histogram_bin_edges(values[np.isfinite(values)], bins=30)
            for domain, color in DOMAIN_COLORS.items():
                part = values[(statistics["domain"] == domain).to_numpy() & np.isfinite(values)]
                if len(part):
                    fraction = np.full(len(part), 1 / len(part))
                    shared = {"bins": edges, "weights": fraction, "color": color}
                    axis.hist(part, alpha=0.18, histtype="stepfilled", **shared)
                    label = DOMAIN_NAMES[domain]
                    axis.hist(part, histtype="step", linewidth=1.3, label=label, **shared)
            axis.set(title=title(f"image/{name}"), ylabel="fraction of images")
        handles, labels = axes[0].get_legend_handles_labels()
        canvas.legend(handles, labels, loc="outside upper left", ncols=2)
        return inline(canvas, "histograms", "Image statistics, in distribution and shifted")


def _curve_groups(epochs: Sequence[Epoch]) -> dict[str, list[str]]:
    """Names of the curves of each panel: a metric on training examples, then on validation."""
    measured = (item for epoch in epochs for item in epoch.metrics.items())
    count = Counter(name for name, value in measured if value is not None)
    # A single measurement (the linear probe at the end) is not a curve.
    names = [name for name, points in count.items() if points > 1 or len(epochs) == 1]
    groups: dict[str, list[str]] = {}
    for name in sorted(names, key=lambda name: name == "learning_rate"):
        groups.setdefault(name.removeprefix(VALIDATION), []).append(name)
    return {
        metric: sorted(curves, key=lambda name: name.startswith(VALIDATION))
        for metric, curves in groups.items()
    }


def _scored(
    predictions: pd.DataFrame, target: str
) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
    """Known labels, scores and decisions of a target, by domain, from the held-out splits."""
    label, score = features.label(target), features.prediction(target)
    if not {"split", "domain", label, score} <= set(predictions.columns):
        return {}
    result = {}
    for domain, split in TEST_SPLITS.items():
        rows = predictions[(predictions["split"] == split) & (predictions["domain"] == domain)]
        known = rows[label].notna() & np.isfinite(rows[score])
        weight = features.label_weight(target)
        if weight in rows:
            known &= rows[weight] > 0
        rows = rows[known]
        if len(rows):
            decision = features.decision(target)
            result[domain] = (
                rows[label].to_numpy(float),
                rows[score].to_numpy(float),
                rows[decision].to_numpy(float) if decision in rows else None,
            )
    return result


def _forest_row(axis: Axes, position: int, row: ForestRow) -> None:
    if row.value is None:
        patients = "" if row.patients is None else f", {row.patients} patients"
        place = {"transform": axis.get_yaxis_transform(), "va": "center"}
        back = {"facecolor": PAPER, "edgecolor": "none", "pad": 1.5}
        words = f"not enough data{patients}"
        axis.text(0.005, position, words, color=MUTED, fontsize=7.5, bbox=back, **place)
        return
    color = DOMAIN_COLORS.get(row.domain, INK)
    if row.lower is not None and row.upper is not None:
        axis.plot([row.lower, row.upper], [position] * 2, color=color)
    marker, size = ("D", 6) if row.is_domain else ("o", 4.5)
    axis.plot(row.value, position, color=color, marker=marker, markersize=size, clip_on=False)


def _forest_range(rows: Sequence[ForestRow]) -> tuple[float, float]:
    """From below chance and the lowest bound to 1."""
    bounds = [b for row in rows if row.value is not None for b in (row.value, row.lower)]
    return max(0.0, min([0.5, *(b for b in bounds if b is not None)]) - 0.03), 1.005


def _legend(axis: Axes, place: str) -> None:
    if axis.get_legend_handles_labels()[0]:
        axis.legend(loc=place)
