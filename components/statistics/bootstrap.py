"""Patient-clustered bootstrap: intervals that keep a patient's images together.

Whole patients are drawn with replacement; a record counts as often as its patient was drawn.
Resampling records instead would treat a patient's images as independent and give intervals that
are too narrow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from components.statistics.intervals import Interval, percentiles
from components.statistics.judged_rows import JudgedRows
from components.statistics.weighted_metrics import Draws, PatientMetrics

_CELLS_PER_CHUNK = 320_000


@dataclasses.dataclass(frozen=True, eq=False)
class Bootstrap:
    """Metrics of one set of records: on all of them, and on each resample of patients."""

    records: JudgedRows
    values: Mapping[str, float]
    draws: Draws

    def interval(self, name: str, confidence: float) -> Interval:
        """Interval of a metric."""
        target = name.partition("/")[2]
        if target:
            patients, examples = self.records.size_of(target)
        else:
            patients, examples = self.records.patients, self.records.examples
        value, draws = self.values[name], self.draws[name]
        lower, upper, excluded = percentiles(value, draws, confidence)
        return Interval(value, lower, upper, patients, examples, excluded)


def bootstrap(records: JudgedRows, resamples: int, seed: int) -> Bootstrap:
    """Draws patients with replacement and computes every metric on each resample.

    The same patients, number of resamples and seed give the same draws, which makes
    `paired_difference` paired; different seeds give independent draws.
    """
    metrics = PatientMetrics(records)
    values = {name: float(one[0]) for name, one in metrics(np.ones((records.patients, 1))).items()}
    parts = [metrics(counts) for counts in patient_counts(records, resamples, seed)]
    draws = {name: np.concatenate([part[name] for part in parts]) for name in values}
    return Bootstrap(records, values, draws)


def patient_counts(records: JudgedRows, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each patient is drawn: chunks of shape [patients, some resamples].

    Chunks are small enough that the results, one cell per record and resample, stay in the
    processor's cache.
    """
    random = np.random.default_rng(seed)
    patients = records.patients
    step = max(8, _CELLS_PER_CHUNK // max(1, records.examples))
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        drawn = random.integers(patients, size=(size, patients))
        drawn += np.arange(size)[:, None] * patients
        counts = np.bincount(drawn.ravel(), minlength=size * patients)
        yield np.ascontiguousarray(counts.reshape(size, patients).T, dtype=np.float64)


def paired_difference(
    candidate: Bootstrap, baseline: Bootstrap, name: str, confidence: float
) -> Interval:
    """Candidate minus baseline on the same resamples of the same patients."""
    records = candidate.records
    value = candidate.values[name] - baseline.values[name]
    draws = candidate.draws[name] - baseline.draws[name]
    lower, upper, excluded = percentiles(value, draws, confidence)
    return Interval(value, lower, upper, records.patients, records.examples, excluded)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values, which control the family-wise error."""
    values = np.asarray(p_values, np.float64)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted.tolist()
