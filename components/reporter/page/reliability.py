"""Reliability of probabilities before and after calibration: a table and a diagram."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from components.reporter.page.svg import GRID, ID_COLOR, MUTED, SHIFTED_COLOR, drawing, grid, inline
from schemas import features
from trainer_modules.decisions.calibration_metrics import CalibrationMetrics, measure

if TYPE_CHECKING:
    import pandas as pd

BINS = 10
MIN_BIN = 5  # fewer predictions in a bin of the diagram are not informative
MAX_ROWS = 60


class Set(NamedTuple):
    """Images that are evaluated together."""

    title: str
    split: str
    domain: str
    color: str


SETS = (
    Set("validation", features.VALIDATION, features.IN_DISTRIBUTION, ID_COLOR),
    Set("in distribution", features.TEST, features.IN_DISTRIBUTION, ID_COLOR),
    Set("shifted", features.SHIFTED, features.SHIFTED, SHIFTED_COLOR),
)


class Row(NamedTuple):
    """Metrics of one target on one set; `before` is None for models that do not return it."""

    target: str
    title: str
    before: CalibrationMetrics | None
    after: CalibrationMetrics


def rows(predictions: pd.DataFrame | None, targets: Sequence[str]) -> list[Row]:
    """The metrics of each target on each set with predictions."""
    if predictions is None:
        return []
    found = []
    for target in targets:
        for one, truth, before, after in _scored(predictions, target):
            told = None if before is None else measure(truth, before)
            found.append(Row(target, one.title, told, measure(truth, after)))
    return found[:MAX_ROWS]


def diagram(predictions: pd.DataFrame, targets: Sequence[str]) -> str | None:
    """Observed frequency by predicted probability, targets pooled, one panel per set."""
    panels = []
    for one in SETS:
        parts = [
            (truth, before, after)
            for target in targets
            for found, truth, before, after in _scored(predictions, target)
            if found == one
        ]
        if parts:
            truth, after = (np.concatenate([part[place] for part in parts]) for place in (0, 2))
            told = all(part[1] is not None for part in parts)
            before = np.concatenate([part[1] for part in parts]) if told else None
            panels.append((one, truth, before, after))
    if not panels:
        return None
    with drawing():
        canvas, axes = grid(len(panels), columns=3, height=3.0, most=2.9)
        for axis, (one, truth, before, after) in zip(axes, panels, strict=True):
            axis.plot([0, 1], [0, 1], color=GRID, linewidth=1)
            if before is not None:
                predicted, observed, _ = bins(truth, before)
                axis.plot(predicted, observed, color=MUTED, linestyle=(0, (4, 3)), label="before")
            predicted, observed, count = bins(truth, after)
            axis.plot(predicted, observed, color=one.color, linewidth=1, label="after")
            sizes = 8 + 90 * count / count.max() if len(count) else count
            style = {"color": one.color, "clip_on": False, "zorder": 3}
            axis.scatter(predicted, observed, s=sizes, **style)
            axis.set(
                title=f"reliability, {one.title}",
                xlabel="predicted probability",
                aspect="equal",
            )
            axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel="observed frequency")
            if before is not None:
                axis.legend(loc="upper left")
        return inline(canvas, "reliability", "Reliability before and after calibration")


def bins(truth: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean prediction, observed frequency and count of each bin with enough predictions."""
    index = np.minimum((score * BINS).astype(int), BINS - 1)
    count = np.bincount(index, minlength=BINS)
    enough = count >= MIN_BIN
    predicted = np.bincount(index, score, BINS)[enough] / count[enough]
    observed = np.bincount(index, truth, BINS)[enough] / count[enough]
    return predicted, observed, count[enough]


def _scored(
    predictions: pd.DataFrame, target: str
) -> Iterator[tuple[Set, np.ndarray, np.ndarray | None, np.ndarray]]:
    """Known labels of a target, and its scores before and after calibration, set by set."""
    label, score = features.label(target), features.prediction(target)
    if not {"split", "domain", label, score} <= set(predictions.columns):
        return
    weight, raw = features.label_weight(target), features.uncalibrated(target)
    for one in SETS:
        table = predictions[
            (predictions["split"] == one.split) & (predictions["domain"] == one.domain)
        ]
        known = table[label].notna() & np.isfinite(table[score])
        if weight in table:
            known &= table[weight] > 0
        table = table[known]
        if len(table):
            told = raw in table and bool(np.isfinite(table[raw]).all())
            before = table[raw].to_numpy(float) if told else None
            yield one, table[label].to_numpy(float), before, table[score].to_numpy(float)
