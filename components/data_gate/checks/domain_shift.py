"""How far shifted data are from in-distribution data: reported, never a reason to stop."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from components.data_gate.checks import distributions
from components.data_gate.checks.index import Index
from schemas import features
from schemas.documents.data_gate import DomainShift
from trainer_modules.settings import TaskSettings

# What the table shows: a column of the index, and its statistic.
_SHOWN = {
    "mean": features.IMAGE_MEAN,
    "std": features.IMAGE_STD,
    "border_mean": features.IMAGE_BORDER_MEAN,
    "border_std": features.IMAGE_BORDER_STD,
    "height": features.IMAGE_HEIGHT,
    "width": features.IMAGE_WIDTH,
    "source_height": "original/height",
    "source_width": "original/width",
}
# The least difference of sizes that means anything, in relation to the size.
_LEAST_RATIO = 0.02


class _Column:
    """Running moments and the distribution of a column; missing values are left out."""

    def __init__(self, name: str):
        self._name = name
        self.count = 0
        self.total = 0.0
        self.squares = 0.0
        self.histogram = np.zeros(distributions.STATISTICS[_SHOWN[name]].bins)

    def add(self, columns: distributions.Columns, chosen: np.ndarray) -> None:
        values = columns[self._name][chosen]
        values = values[np.isfinite(values)]
        self.count += len(values)
        self.total += float(values.sum())
        self.squares += float((values * values).sum())
        self.histogram += distributions.histogram(
            _SHOWN[self._name], {name: column[chosen] for name, column in columns.items()}
        )

    @property
    def mean(self) -> float:
        return self.total / self.count

    @property
    def variance(self) -> float:
        return max(0.0, self.squares / self.count - self.mean**2)


def domain_shift(index: Index, task: TaskSettings) -> list[DomainShift]:
    """Compares image statistics and label prevalence of the two domains.

    Returns:
        For images the two means, their difference in
        pooled standard deviations (at least the scale of the statistic) and, but for sizes, the
        Kolmogorov-Smirnov distance after a blur by that scale (`distributions`);
        for labels the two prevalences and their difference. Empty without shifted data.
    """
    labels = [features.label(name) for name in task.labels]
    columns = {domain: {name: _Column(name) for name in _SHOWN} for domain in features.DOMAINS}
    classes = len(task.classes) or 2
    tallies = {d: {name: np.zeros(classes) for name in labels} for d in features.DOMAINS}
    for batch in index.batches(["domain", *distributions.COLUMNS, *labels]):
        domains = np.array(batch.column("domain").to_pylist(), dtype=object)
        numbers = distributions.columns_of(batch)
        for domain in features.DOMAINS:
            chosen = domains == domain
            for column in columns[domain].values():
                column.add(numbers, chosen)
            for name, tally in tallies[domain].items():
                values = _values(batch, name)[chosen]
                known = values[~np.isnan(values)].astype(np.int64)
                tally += np.bincount(known, minlength=classes)[:classes]
    near, far = (columns[domain] for domain in features.DOMAINS)
    if not near["mean"].count or not far["mean"].count:
        return []
    entries = [e for name in _SHOWN for e in _compare(name, near[name], far[name])]
    near_labels, far_labels = (tallies[domain] for domain in features.DOMAINS)
    for name in labels:
        entries += _prevalence(name, task.classes, near_labels[name], far_labels[name])
    return entries


def _values(batch: pa.RecordBatch, name: str) -> np.ndarray:
    return batch.column(name).to_numpy(zero_copy_only=False).astype(np.float64)


def _compare(name: str, near: _Column, far: _Column) -> list[DomainShift]:
    measured = distributions.distances(_SHOWN[name], near.histogram, far.histogram)
    if measured is None:
        return []
    difference = far.mean - near.mean
    statistics = {"mean in_distribution": near.mean, "mean shifted": far.mean}
    pooled = math.sqrt((near.variance + far.variance) / 2)
    if pooled > 0 or difference:
        statistics["standardized difference"] = difference / max(pooled, _scale(name, near, far))
    if "height" not in name and "width" not in name:
        statistics["kolmogorov-smirnov"] = measured.kolmogorov_smirnov
    return [
        DomainShift(feature=_SHOWN[name], statistic=key, value=value)
        for key, value in statistics.items()
    ]


def _scale(name: str, near: _Column, far: _Column) -> float:
    """The least standard deviation: of a column that hardly varies, nothing is far apart."""
    if "height" in name or "width" in name:
        return _LEAST_RATIO * max(near.mean, far.mean)
    return distributions.STATISTICS[_SHOWN[name]].scale


def _prevalence(
    name: str, classes: Sequence[str], near: np.ndarray, far: np.ndarray
) -> list[DomainShift]:
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
            entries.append(DomainShift(feature=feature, statistic=statistic, value=value))
    return entries
