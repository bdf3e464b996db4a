"""The report's charts, each an inline SVG, or None when there is nothing to draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from components.reporter.parts import Figure, HistoryPart, Subgroup
from components.reporter.svg import (
    GRID,
    ID_COLOR,
    INK,
    MUTED,
    SHIFTED_COLOR,
    drawing,
    grid,
    inline,
    single,
)
from trainer_modules import features

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

DOMAIN_COLORS = {features.IN_DISTRIBUTION: ID_COLOR, features.SHIFTED: SHIFTED_COLOR}
DOMAIN_NAMES = {features.IN_DISTRIBUTION: "in distribution", features.SHIFTED: "shifted"}
TEST_SPLITS = {features.IN_DISTRIBUTION: features.TEST, features.SHIFTED: features.SHIFTED}

MAX_PANELS = 12
MAX_FOREST_ROWS = 48
RELIABILITY_BINS = 10
MIN_BIN = 5  # fewer predictions in a reliability bin say nothing


def training_curves(history: HistoryPart) -> str | None:
    """Each figure of a trainer's history against the epoch; train and validation share a panel."""
    groups = _curve_groups(history.epochs)
    if not groups:
        return None
    panels = list(groups.items())[:MAX_PANELS]
    with drawing():
        canvas, axes = grid(len(panels), columns=3, height=2.1)
        for axis, (title, curves) in zip(axes, panels, strict=True):
            for name, color in zip(curves, (ID_COLOR, SHIFTED_COLOR), strict=False):
                points = [
                    (row.get("epoch") or index + 1, row[name])
                    for index, row in enumerate(history.epochs)
                    if row.get(name) is not None
                ]
                marker = "o" if len(points) < 12 else ""
                label = "validation" if name.startswith("val_") else "training"
                axis.plot(*zip(*points, strict=True), color=color, marker=marker, label=label)
            axis.set(title=title, xlabel="epoch")
            axis.locator_params(axis="x", integer=True, nbins=6)
            if len(curves) > 1:
                axis.legend()
        return inline(canvas, f"curves-{history.stage}", f"Training curves, {history.stage}")


def roc_curves(predictions: pd.DataFrame, targets: Sequence[str]) -> str | None:
    """ROC of each target in both domains, with the point at which the model decides."""
    from sklearn.metrics import roc_auc_score, roc_curve

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
                label = f"{DOMAIN_NAMES[domain]} {roc_auc_score(truth, score):.3f}"
                axis.plot(false_positive, true_positive, color=color, label=label)
                if decision is not None:
                    axis.plot(
                        decision[truth == 0].mean(),
                        decision[truth == 1].mean(),
                        color=color,
                        marker="o",
                        markersize=7,
                    )
            axis.set(title=target, xlabel="1 − specificity", ylabel="sensitivity", aspect="equal")
            axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
            _legend(axis, "lower right")
        return inline(canvas, "roc", "ROC curves in distribution and shifted")


def reliability(predictions: pd.DataFrame, targets: Sequence[str]) -> str | None:
    """Observed frequency against predicted probability, targets pooled, a panel a domain."""
    pooled: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for target in targets:
        for domain, (truth, score, _) in _scored(predictions, target).items():
            pooled.setdefault(domain, []).append((truth, score))
    if not pooled:
        return None
    with drawing():
        canvas, axes = grid(len(pooled), columns=3, height=3.0, most=2.9)
        for axis, (domain, pairs) in zip(axes, pooled.items(), strict=True):
            truth = np.concatenate([pair[0] for pair in pairs])
            score = np.concatenate([pair[1] for pair in pairs])
            predicted, observed, count = reliability_bins(truth, score)
            axis.plot([0, 1], [0, 1], color=GRID, linewidth=1)
            axis.plot(predicted, observed, color=DOMAIN_COLORS[domain], linewidth=1)
            sizes = 8 + 90 * count / count.max() if len(count) else count
            axis.scatter(predicted, observed, s=sizes, color=DOMAIN_COLORS[domain])
            axis.set(title=DOMAIN_NAMES[domain], xlabel="predicted probability", aspect="equal")
            axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel="observed frequency")
        return inline(canvas, "reliability", "Reliability diagrams by domain")


def reliability_bins(
    truth: np.ndarray, score: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean prediction, observed frequency and count of each bin that holds enough predictions."""
    index = np.minimum((score * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)
    count = np.bincount(index, minlength=RELIABILITY_BINS)
    enough = count >= MIN_BIN
    predicted = np.bincount(index, score, RELIABILITY_BINS)[enough] / count[enough]
    observed = np.bincount(index, truth, RELIABILITY_BINS)[enough] / count[enough]
    return predicted, observed, count[enough]


def forest(
    overall: Mapping[str, Figure], subgroups: Sequence[Subgroup], floor: float | None
) -> str | None:
    """AUC and interval of each domain, then of each site and subgroup in it."""
    rows: list[tuple[str, str, Figure | Subgroup, float | None, bool]] = []
    for domain, figure in overall.items():
        rows.append((domain, "all", figure, figure.value, True))
        for group in subgroups:
            if group.domain == domain:
                enough = group.status != "not_enough_data"
                label = f"{group.column} {group.value}"
                rows.append((domain, label, group, group.auc, enough))
    rows = rows[:MAX_FOREST_ROWS]
    if len(rows) < 2:
        return None
    with drawing():
        canvas, axis = single(height=0.55 + 0.21 * len(rows))
        axis.grid(axis="y", visible=False)
        for position, (domain, _, interval, value, enough) in enumerate(rows):
            _forest_row(axis, position, domain, interval, value, enough)
        axis.axvline(0.5, color=MUTED, linewidth=0.8)
        if floor is not None:
            axis.axvline(floor, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
        axis.set_yticks(
            range(len(rows)), [f"{DOMAIN_NAMES.get(r[0], r[0])} · {r[1]}" for r in rows]
        )
        axis.set(ylim=(len(rows) - 0.4, -0.6), xlabel="AUC", xlim=_forest_range(rows))
        axis.tick_params(axis="y", length=0)
        axis.spines["left"].set_visible(False)
        return inline(canvas, "forest", "AUC with interval by domain, site and subgroup")


def image_histograms(statistics: pd.DataFrame) -> str | None:
    """Distribution of each image statistic in both domains, as shares."""
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
                    share = np.full(len(part), 1 / len(part))
                    shared = {"bins": edges, "weights": share, "color": color}
                    axis.hist(part, alpha=0.18, histtype="stepfilled", **shared)
                    label = DOMAIN_NAMES[domain]
                    axis.hist(part, histtype="step", linewidth=1.3, label=label, **shared)
            axis.set(title=name, ylabel="share of images")
        axes[0].legend()
        return inline(canvas, "histograms", "Image statistics, in distribution and shifted")


def _curve_groups(epochs: Sequence[Mapping[str, float | None]]) -> dict[str, list[str]]:
    hidden = {"epoch", "seconds", "images_per_second"}
    names = dict.fromkeys(
        name for row in epochs for name, value in row.items() if value is not None
    )
    groups: dict[str, list[str]] = {}
    for name in sorted(names, key=lambda name: name == "learning_rate"):
        if name not in hidden:
            groups.setdefault(name.removeprefix("val_").replace("_", " "), []).append(name)
    return {
        title: sorted(curves, key=lambda n: n.startswith("val_"))
        for title, curves in groups.items()
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


def _forest_row(
    axis: Axes,
    position: int,
    domain: str,
    interval: Figure | Subgroup,
    value: float | None,
    enough: bool,
) -> None:
    if not enough or value is None:
        patients = "" if interval.patients is None else f" ({interval.patients} patients)"
        axis.text(
            0.0,
            position,
            f"not enough data{patients}",
            color=MUTED,
            va="center",
            fontsize=7.5,
            transform=axis.get_yaxis_transform(),
        )
        return
    color = DOMAIN_COLORS.get(domain, INK)
    if interval.lower is not None and interval.upper is not None:
        axis.plot([interval.lower, interval.upper], [position] * 2, color=color, linewidth=1.6)
    is_overall = isinstance(interval, Figure)
    axis.plot(
        value,
        position,
        color=color,
        marker="D" if is_overall else "o",
        markersize=6 if is_overall else 4.5,
    )


def _forest_range(rows: Sequence[tuple[Any, ...]]) -> tuple[float, float]:
    lows = [row[2].lower if row[2].lower is not None else row[3] for row in rows if row[4]]
    lowest = min([low for low in lows if low is not None], default=0.5)
    return max(0.0, min(lowest, 0.5) - 0.03), 1.005


def _legend(axis: Axes, place: str) -> None:
    if axis.get_legend_handles_labels()[0]:
        axis.legend(loc=place)
