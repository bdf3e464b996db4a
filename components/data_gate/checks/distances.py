"""How far shifted data are from in-distribution data: reported, never a reason to stop."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from components.data_gate.checks.index import Index
from schemas import features
from schemas.documents.data_gate import Drift
from trainer_modules.settings import TaskSettings

_RANGES = {"mean": 1.0, "std": 0.5, "border_mean": 1.0, "border_std": 0.5}
_IMAGE_COLUMNS = (*_RANGES, "height", "width")
_BINS = 256


class _Column:
    """Running moments of a column, and a histogram if its range is known."""

    def __init__(self, high: float | None):
        self.count = 0
        self.total = 0.0
        self.squares = 0.0
        self._high = high
        self.histogram = np.zeros(_BINS)

    def add(self, values: np.ndarray) -> None:
        self.count += len(values)
        self.total += float(values.sum())
        self.squares += float((values * values).sum())
        if self._high:
            self.histogram += np.histogram(values, bins=_BINS, range=(0, self._high))[0]

    @property
    def mean(self) -> float:
        return self.total / self.count

    @property
    def variance(self) -> float:
        return max(0.0, self.squares / self.count - self.mean**2)


def drift(index: Index, task: TaskSettings) -> list[Drift]:
    """Compares image statistics and label prevalence of the two domains.

    Returns:
        For images the two means, their difference in
        pooled standard deviations and (brightness and contrast) the Kolmogorov-Smirnov distance;
        for labels the two prevalences and their difference. Empty without shifted data.
    """
    labels = [features.label(name) for name in task.labels]
    columns = {
        domain: {name: _Column(_range(name)) for name in _IMAGE_COLUMNS}
        for domain in features.DOMAINS
    }
    classes = len(task.classes) or 2
    tallies = {d: {name: np.zeros(classes) for name in labels} for d in features.DOMAINS}
    for batch in index.batches(["domain", *_IMAGE_COLUMNS, *labels]):
        domains = np.array(batch.column("domain").to_pylist(), dtype=object)
        for domain in features.DOMAINS:
            chosen = domains == domain
            for name, column in columns[domain].items():
                column.add(_values(batch, name)[chosen])
            for name, tally in tallies[domain].items():
                values = _values(batch, name)[chosen]
                known = values[~np.isnan(values)].astype(np.int64)
                tally += np.bincount(known, minlength=classes)[:classes]
    near, far = (columns[domain] for domain in features.DOMAINS)
    if not near["mean"].count or not far["mean"].count:
        return []
    entries = [e for name in _IMAGE_COLUMNS for e in _compare(name, near[name], far[name])]
    near_labels, far_labels = (tallies[domain] for domain in features.DOMAINS)
    for name in labels:
        entries += _prevalence(name, task.classes, near_labels[name], far_labels[name])
    return entries


def _range(name: str) -> float | None:
    return _RANGES.get(name)


def _values(batch: pa.RecordBatch, name: str) -> np.ndarray:
    return batch.column(name).to_numpy(zero_copy_only=False).astype(np.float64)


def _compare(name: str, near: _Column, far: _Column) -> list[Drift]:
    pooled = math.sqrt((near.variance + far.variance) / 2)
    difference = far.mean - near.mean
    statistics = {"mean in_distribution": near.mean, "mean shifted": far.mean}
    if pooled > 0:
        statistics["standardized difference"] = difference / pooled
    if _range(name):
        gaps = np.cumsum(near.histogram) / near.count - np.cumsum(far.histogram) / far.count
        statistics["kolmogorov-smirnov"] = float(np.abs(gaps).max())
    return [
        Drift(feature=f"image/{name}", statistic=key, value=value)
        for key, value in statistics.items()
    ]


def _prevalence(
    name: str, classes: Sequence[str], near: np.ndarray, far: np.ndarray
) -> list[Drift]:
    if not near.sum() or not far.sum():
        return []
    fractions = near / near.sum(), far / far.sum()
    wanted = list(enumerate(classes)) if classes else [(1, "")]
    entries = []
    for place, class_name in wanted:
        feature = f"{name}={class_name}" if class_name else name
        here, there = float(fractions[0][place]), float(fractions[1][place])
        for statistic, value in (
            ("prevalence in_distribution", here),
            ("prevalence shifted", there),
            ("prevalence difference", there - here),
        ):
            entries.append(Drift(feature=feature, statistic=statistic, value=value))
    return entries
