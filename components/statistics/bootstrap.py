"""Patient-clustered bootstrap: intervals that keep a patient's images together.

Whole patients are drawn with replacement; a record counts as often as its patient was drawn.
Resampling records instead would treat a patient's images as independent and give intervals that
are too narrow.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from components.statistics.intervals import Interval, Method, Resampled
from components.statistics.judged_rows import JudgedRows
from components.statistics.weighted_metrics import Draws, PatientMetrics

_CELLS_PER_CHUNK = 320_000


@dataclasses.dataclass(frozen=True, eq=False)
class Bootstrap:
    """Metrics of one set of records: on all of them, and on each resample of patients."""

    records: JudgedRows
    values: Mapping[str, float]
    draws: Draws

    def interval(self, name: str, confidence: float, method: Method = "percentile") -> Interval:
        """Interval of a metric."""
        target = name.partition("/")[2]
        if target:
            patients, examples = self.records.size_of(target)
        else:
            patients, examples = self.records.patients, self.records.examples
        left_out = [self.left_out[name]] if method == "bca" else []
        resampled = Resampled(self.values[name], self.draws[name], left_out)
        return _interval(resampled, confidence, method, patients, examples)

    @functools.cached_property
    def left_out(self) -> Draws:
        """Every metric without each patient in turn."""
        return PatientMetrics(self.records).leave_one_out()


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
    candidate: Bootstrap,
    baseline: Bootstrap,
    name: str,
    confidence: float,
    method: Method = "percentile",
) -> Interval:
    """Candidate minus baseline on the same resamples of the same patients."""
    records = candidate.records
    resampled = _paired(candidate, baseline, name, method)
    return _interval(resampled, confidence, method, records.patients, records.examples)


def p_below(
    candidate: Bootstrap,
    baseline: Bootstrap,
    name: str,
    bound: float,
    method: Method = "percentile",
) -> float:
    """One-sided p-value of the hypothesis that candidate minus baseline lies below a bound."""
    return _paired(candidate, baseline, name, method).p_below(bound, method)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values, which control the family-wise error."""
    values = np.asarray(p_values, np.float64)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted.tolist()


def gap(
    in_distribution: Bootstrap,
    shifted: Bootstrap,
    name: str,
    confidence: float,
    method: Method = "percentile",
) -> Interval:
    """In-distribution minus shifted, the two domains resampled independently."""
    left_out = []
    if method == "bca":
        left_out = [in_distribution.left_out[name], -shifted.left_out[name]]
    resampled = Resampled(
        in_distribution.values[name] - shifted.values[name],
        in_distribution.draws[name] - shifted.draws[name],
        left_out,
    )
    return _interval(
        resampled,
        confidence,
        method,
        in_distribution.records.patients + shifted.records.patients,
        in_distribution.records.examples + shifted.records.examples,
    )


def _paired(first: Bootstrap, second: Bootstrap, name: str, method: Method) -> Resampled:
    left_out = [first.left_out[name] - second.left_out[name]] if method == "bca" else []
    return Resampled(
        first.values[name] - second.values[name], first.draws[name] - second.draws[name], left_out
    )


def _interval(
    resampled: Resampled, confidence: float, method: Method, patients: int, examples: int
) -> Interval:
    lower, upper, excluded = resampled.bounds(confidence, method)
    return Interval(resampled.value, lower, upper, patients, examples, excluded)
