"""Patient-clustered bootstrap: intervals that know that a patient's images belong together.

Whole patients are drawn with replacement; a record counts as often as its patient was drawn.
Resampling records instead would treat a patient's images as independent and give intervals that
are too narrow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from components.model_gate.weighted_metrics import Draws, PatientMetrics, Records

# Resamples without both classes say nothing. If more than this share of them is left out, the
# rest no longer stands for the data: there are not enough.
MAX_EXCLUDED = 0.05
_CELLS_PER_CHUNK = 1_000_000


@dataclasses.dataclass(frozen=True)
class Interval:
    """A metric's value and percentile interval; bounds are NaN when there are not enough data.

    Attributes:
        value: The metric on the records as they are; NaN when undefined.
        lower: Lower bound.
        upper: Upper bound.
        patients: Patients with a known label.
        examples: Records with a known label.
        excluded: Share of the resamples on which the metric was undefined.
    """

    value: float
    lower: float
    upper: float
    patients: int
    examples: int
    excluded: float = 0.0

    @property
    def judged(self) -> bool:
        """Whether there are a value and both bounds."""
        return bool(np.isfinite([self.value, self.lower, self.upper]).all())


@dataclasses.dataclass(frozen=True, eq=False)
class Bootstrap:
    """Metrics of one set of records: as they are, and on each resample of patients."""

    records: Records
    values: Mapping[str, float]
    draws: Draws

    def interval(self, name: str, confidence: float) -> Interval:
        """Percentile interval of a metric."""
        target = name.partition("/")[2]
        if target:
            patients, examples = self.records.size_of(target)
        else:
            patients, examples = self.records.patients, self.records.examples
        value, draws = self.values[name], self.draws[name]
        return _interval(value, draws, confidence, patients, examples)


def bootstrap(records: Records, resamples: int, seed: int) -> Bootstrap:
    """Draws patients with replacement and computes every metric on each resample.

    The same patients, number of resamples and seed give the same draws, which is what makes
    `paired_difference` paired; different seeds give independent ones.
    """
    metrics = PatientMetrics(records)
    values = {name: float(one[0]) for name, one in metrics(np.ones((records.patients, 1))).items()}
    parts = [metrics(counts) for counts in patient_counts(records, resamples, seed)]
    draws = {name: np.concatenate([part[name] for part in parts]) for name in values}
    return Bootstrap(records, values, draws)


def patient_counts(records: Records, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each patient is drawn: chunks of shape [patients, some resamples].

    A chunk is small enough for what is computed from it, one cell per record and resample, to
    stay within a few tens of megabytes.
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
    return _interval(
        *_minus(candidate, baseline, name),
        confidence,
        candidate.records.patients,
        candidate.records.examples,
    )


def share_below(candidate: Bootstrap, baseline: Bootstrap, name: str, bound: float) -> float:
    """Share of the resamples on which candidate minus baseline falls below a bound.

    The one-sided p-value of the hypothesis that the difference lies below: at most alpha where
    the percentile interval of confidence 1 - 2 alpha lies above the bound.
    """
    draws = _minus(candidate, baseline, name)[1]
    defined = draws[np.isfinite(draws)]
    return float(np.mean(defined < bound)) if len(defined) else float("nan")


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values: at most alpha together, with that family-wise error."""
    values = np.asarray(p_values, np.float64)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted.tolist()


def gap(in_distribution: Bootstrap, shifted: Bootstrap, name: str, confidence: float) -> Interval:
    """In-distribution minus shifted, the two domains resampled independently."""
    return _interval(
        *_minus(in_distribution, shifted, name),
        confidence,
        in_distribution.records.patients + shifted.records.patients,
        in_distribution.records.examples + shifted.records.examples,
    )


def _minus(first: Bootstrap, second: Bootstrap, name: str) -> tuple[float, np.ndarray]:
    return first.values[name] - second.values[name], first.draws[name] - second.draws[name]


def _interval(
    value: float, draws: np.ndarray, confidence: float, patients: int, examples: int
) -> Interval:
    defined = draws[np.isfinite(draws)]
    excluded = 1 - len(defined) / len(draws)
    lower = upper = float("nan")
    if np.isfinite(value) and excluded <= MAX_EXCLUDED:
        tail = (1 - confidence) / 2
        lower, upper = (float(bound) for bound in np.quantile(defined, [tail, 1 - tail]))
    return Interval(value, lower, upper, patients, examples, excluded)
