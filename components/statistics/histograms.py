"""Histograms of patients, and whether two samples of patients come from the same distribution.

A patient counts once, divided among its images. The test draws patients of one image each: exact
where each has one, and cautious otherwise, because the mean of several images varies less than one
of them. Both samples err, the earlier one as well: each as much as its number of patients says.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

# Anderson and Darling's statistic hardly gains from more.
MOST_BINS = 12
PATIENTS_PER_BIN = 10
# A bin of fewer could be one patient.
LEAST_PATIENTS = 5
# Exceedances after which the p-value is known well enough (Besag and Clifford 1991), and draws
# relative to those at which the smallest p-value is alpha.
_ENOUGH, _SURPLUS = 50, 4
_FIRST, _CHUNK = 500, 20_000
# Patients that a bin without any is taken to have had.
_EMPTY = 0.5


@dataclasses.dataclass(frozen=True)
class Comparison:
    """New patients against earlier ones.

    Attributes:
        distance: Kolmogorov's: the largest difference of the two cumulative shares.
        higher: How often a new patient's value is above an earlier one's; ties count half.
        p_value: Of the hypothesis that both come from the same distribution; never 0.
    """

    distance: float
    higher: float
    p_value: float


def equal_weights(patient: np.ndarray) -> np.ndarray:
    """The weight of each image: one over the images of its patient."""
    return 1 / np.bincount(patient)[patient]


def edges(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Edges of bins of about equal weight, none of which holds between 0 and five patients.

    A value that many share gets a bin of its own, so that a constant can be seen to change.
    """
    total = float(weight.sum())
    number = min(MOST_BINS, int(total / PATIENTS_PER_BIN + 1e-9))
    if number < 2:
        return np.empty(0)
    distinct, place = np.unique(values, return_inverse=True)
    mass = np.bincount(place, weight)
    below = np.concatenate([[0.0], np.cumsum(mass)[:-1]])
    wanted = np.arange(1, number) / number * total
    at_quantiles = np.minimum(np.searchsorted(below, wanted), len(distinct) - 1)
    quantiles = [_rounded(float(one)) for one in distinct[at_quantiles]]
    shared = distinct[mass >= max(LEAST_PATIENTS, total / number)]
    candidates = np.unique([*quantiles, *shared, *np.nextafter(shared, np.inf)])
    return _merged(candidates, counts(values, weight, candidates))


def _rounded(value: float) -> float:
    """Six digits, as the value at a quantile is one patient's; downwards, so it stays above."""
    found = float(f"{value:.6g}")
    if found <= value:
        return found
    return found - 10.0 ** (math.floor(math.log10(abs(found))) - 5)


def counts(values: np.ndarray, weight: np.ndarray, between: np.ndarray) -> np.ndarray:
    """Weight in each bin; a value at an edge belongs above it."""
    return np.bincount(np.searchsorted(between, values, side="right"), weight, len(between) + 1)


def pooled(between: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """The edges that remain when bins of some, but fewer than five, join a neighbor."""
    return _merged(between, shown)


def compare(earlier: np.ndarray, new: np.ndarray, alpha: float) -> Comparison:
    """Compares two histograms whose bins are quantiles of the earlier one.

    The statistic is Anderson and Darling's, which sees shifts and changes of the tails. The true
    shares of bins between quantiles of a sample are Dirichlet's, whatever the distribution; new
    samples are drawn from such shares.

    Args:
        earlier: Patients by bin.
        new: The same of the new sample.
        alpha: The level at which the p-value is used: it is exact enough for that.
    """
    size = max(1, round(float(new.sum())))
    own, share = earlier / earlier.sum(), new / new.sum()
    parameters = np.where(earlier > 0, earlier, _EMPTY)
    parameters[0] += 1  # a value at an edge belongs above it
    cumulated, scale = np.cumsum(own)[:-1], _scale(parameters / parameters.sum())
    found = float((scale * (np.cumsum(share)[:-1] - cumulated) ** 2).sum())
    # The same data give the same p-value; other data get other draws, or all would share an error.
    random = np.random.default_rng(np.frombuffer(new.astype(np.float64).tobytes(), np.uint32))
    exceeded = drawn = 0
    most = math.ceil(_SURPLUS / alpha)
    while exceeded < _ENOUGH and drawn < most:
        number = min(_CHUNK if drawn else _FIRST, most - drawn)
        masses = random.standard_gamma(parameters, (number, len(parameters)))
        samples = random.multinomial(size, masses / masses.sum(axis=1, keepdims=True))
        apart = np.cumsum(samples, axis=1)[:, :-1] / size - cumulated
        # Equal statistics differ by rounding.
        hits = np.flatnonzero(apart**2 @ scale >= found * (1 - 1e-9))
        if exceeded + len(hits) >= _ENOUGH:
            drawn += int(hits[_ENOUGH - exceeded - 1]) + 1
            exceeded = _ENOUGH
        else:
            drawn, exceeded = drawn + number, exceeded + len(hits)
    p_value = exceeded / drawn if exceeded == _ENOUGH else (exceeded + 1) / (drawn + 1)
    before = np.concatenate([[0.0], cumulated])
    return Comparison(
        distance=float(np.abs(np.cumsum(share)[:-1] - cumulated).max(initial=0.0)),
        higher=float((share * (before + own / 2)).sum()),
        p_value=p_value,
    )


def _scale(share: np.ndarray) -> np.ndarray:
    """Of the squared difference at each edge: the mass around it over its variance."""
    cumulated = np.cumsum(share)[:-1]
    return (share[:-1] + share[1:]) / 2 / (cumulated * (1 - cumulated))


def _merged(between: np.ndarray, held: np.ndarray) -> np.ndarray:
    """The edges without those beside a bin of some, but fewer than five; those grow upwards."""
    kept: list[float] = []
    inside = 0.0
    for edge, mass in zip(between, held[:-1], strict=True):
        inside += mass
        if inside == 0 or inside >= LEAST_PATIENTS - 1e-9:
            kept.append(float(edge))
            inside = 0.0
    inside += held[-1]
    # What is left above the last edge joins the bins below it until it is enough.
    while kept and 0 < inside < LEAST_PATIENTS - 1e-9:
        last = kept.pop()
        lower = kept[-1] if kept else -np.inf
        of_bin = (between > lower) & (between <= last)
        inside += float(held[:-1][of_bin].sum())
    return np.array(kept)
