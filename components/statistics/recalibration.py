"""Whether probabilities mean what they say: slope, intercept and error, with intervals by patient.

Slope and intercept are Cox's recalibration (1958): the label's log odds regressed on the score's.
A slope under 1 is overconfident; the intercept, with the slope held at 1, is how much too low all
log odds are. The error is the root mean square, over bins of equal weight, of mean label minus
mean score, less what chance alone puts there (Kumar et al. 2019): a calibrated model has 0.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from components.statistics import jackknife
from components.statistics.judged_rows import JudgedRows

BINS = 10
# Scores of exactly 0 or 1, or that rounding made so, have no log odds.
_SMALLEST_SCORE = 1e-6
_MOST_STEPS = 40
# Coefficients beyond this are on their way to infinity: the classes are told apart perfectly.
_SEPARATED = 20.0
# Of the draws for the error's interval: the same predictions have the same interval.
SEED = 0


@dataclasses.dataclass(frozen=True, eq=False)
class Estimate:
    """A figure and how it moves without each patient in turn, [patients]."""

    value: float
    left_out: np.ndarray

    def bounds(self, degrees: float, confidence: float) -> tuple[float, float]:
        """Student's interval; NaN where the figure is undefined."""
        if not math.isfinite(self.value):
            return math.nan, math.nan
        return jackknife.t_bounds(self.value, self.left_out, degrees, confidence)


def slope_and_intercept(records: JudgedRows) -> tuple[Estimate, Estimate]:
    """Means over the targets: the slope, and the intercept with the slope held at 1.

    NaN where a target has none: the classes are told apart perfectly, or one is missing.
    """
    found = [_regression(records, index) for index, _ in enumerate(records.targets)]
    slopes, intercepts = zip(*found, strict=True)
    return _mean(slopes), _mean(intercepts)


def logistic_map(records: JudgedRows, index: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Intercept and slope of a target's label on its score's log odds.

    Returns:
        The two, and the two without each patient in turn, [patients, 2]; None where there are none:
        the classes are told apart perfectly, or one is missing.
    """
    usable = _usable(records, index)
    return None if usable is None else _line(usable, records.patients)


def log_odds(score: np.ndarray) -> np.ndarray:
    """Finite ones, also of scores that are 0 or 1."""
    return special.logit(np.clip(score, _SMALLEST_SCORE, 1 - _SMALLEST_SCORE))


def degrees(records: JudgedRows) -> float:
    """Degrees of freedom: the effective number of patients of the smallest class, less one."""
    numbers = []
    for index, _ in enumerate(records.targets):
        weight, label = records.weight[:, index], records.label[:, index]
        for wanted in (0, 1):
            part = np.where(label == wanted, weight, 0.0)
            sums = np.bincount(records.patient, part, records.patients)
            numbers.append(jackknife.effective_number(sums))
    return min(numbers) - 1


def error_bounds(
    records: JudgedRows, freedom: float, confidence: float, draws: int
) -> tuple[float, float, float]:
    """The debiased calibration error and its bounds.

    The deviations of the bins are taken for normal, with the jackknife's covariance and Student's
    longer tails. A bound is the error at which one as small, or as large, as the one found is no
    longer likely; it is looked for by drawing deviations.

    Args:
        records: Of one or more targets, whose errors are averaged in the square.
        freedom: Degrees of freedom of the covariance.
        confidence: Of the interval.
        draws: How many deviations are drawn; the same numbers each time.
    """
    if not freedom > 0 or not np.isfinite(records.score[records.weight > 0]).all():
        return math.nan, math.nan, math.nan
    parts = [_deviations(records, index) for index, _ in enumerate(records.targets)]
    share = np.concatenate([one[0] for one in parts]) * len(parts)
    deviation = np.concatenate([one[1] for one in parts])
    moved = np.concatenate([one[2] for one in parts], axis=1)
    patients = records.patients
    covariance = (patients - 1) / patients * moved.T @ moved
    found = float((deviation**2 / share).sum())
    by_chance = float((np.diag(covariance) / share).sum())
    lower, upper = _bounds(deviation, covariance, share, freedom, (1 - confidence) / 2, draws)
    value = math.sqrt(max(0.0, found - by_chance))
    lower, upper = min(lower, value), max(upper, value)
    if upper > lower:
        return value, lower, upper
    # No patient moves anything: each score is its label, say. Patients of another kind may be as
    # many as none among so many leaves open (Clopper and Pearson), each with an error of 1.
    unseen = math.sqrt(1 - ((1 - confidence) / 2) ** (1 / (freedom + 1)))
    return value, max(0.0, value - unseen), min(1.0, value + unseen)


def _bounds(
    deviation: np.ndarray,
    covariance: np.ndarray,
    share: np.ndarray,
    freedom: float,
    tail: float,
    draws: int,
) -> tuple[float, float]:
    """Errors c, along the direction found, at which the one found lies in neither tail.

    With a deviation e drawn, the squared error at c is c² + 2 c <u, e> + <e, e>: below the one
    found between two roots.
    """
    random = np.random.default_rng(SEED)
    values, vectors = np.linalg.eigh(covariance)
    spread = vectors * np.sqrt(np.maximum(values, 0))
    drawn = random.normal(size=(draws, len(share))) @ spread.T
    drawn *= np.sqrt(freedom / random.chisquare(freedom, draws))[:, None]
    found = float((deviation**2 / share).sum())
    if found == 0:
        return 0.0, float(np.quantile(np.sqrt((drawn**2 / share).sum(axis=1)), 1 - tail))
    direction = deviation / math.sqrt(found)
    along = (direction * drawn / share).sum(axis=1)
    inside = along**2 + found - (drawn**2 / share).sum(axis=1)
    reach = np.sqrt(np.maximum(inside, 0))
    first = np.where(inside >= 0, -along - reach, np.inf)
    last = np.where(inside >= 0, -along + reach, -np.inf)
    ordered = np.sort(last)
    upper = max(0.0, float(ordered[min(draws - 1, math.ceil((1 - tail) * draws))]))

    def as_large(error: float) -> float:
        """How often an error at least as large as the one found is drawn."""
        return float(np.mean((error >= last) | (error <= first)))

    lower, above = 0.0, math.sqrt(found)
    if as_large(0.0) < tail:
        while above - lower > 1e-4 * math.sqrt(found):
            middle = (lower + above) / 2
            lower, above = (middle, above) if as_large(middle) < tail else (lower, middle)
    return lower, upper


def _deviations(records: JudgedRows, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Share of each bin, its part of mean label minus score, and how each patient moves that."""
    known = records.weight[:, index] > 0
    weight, score = records.weight[known, index], records.score[known, index]
    patient, patients = records.patient[known], records.patients
    off = weight * (records.label[known, index] - score)
    bins = _bins(score, weight)
    number = int(bins.max()) + 1
    sums = np.bincount(patient * number + bins, off, patients * number).reshape(patients, number)
    sizes = np.bincount(patient, weight, patients)
    total = sizes.sum()
    deviation = sums.sum(axis=0) / total
    moved = (sums - sizes[:, None] * deviation) / (total - sizes)[:, None]
    return np.bincount(bins, weight, number) / total, deviation, moved


def _bins(score: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Bins of equal weight by score; equal scores share a bin, so there may be fewer."""
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    before = np.concatenate([[0.0], np.cumsum(weight[order])])
    first = before[np.searchsorted(ordered, ordered)]
    last = before[np.searchsorted(ordered, ordered, side="right")]
    middle = (first + last) / (2 * before[-1])
    _, dense = np.unique(
        np.minimum((middle * BINS).astype(np.int64), BINS - 1), return_inverse=True
    )
    bins = np.empty(len(score), np.int64)
    bins[order] = dense
    return bins


def _usable(records: JudgedRows, index: int) -> tuple[np.ndarray, ...] | None:
    """Log odds, label, weight and patient of a target's known records; None without a regression.

    There is none of scores that are not numbers, or of a single class.
    """
    known = records.weight[:, index] > 0
    score, label = records.score[known, index], records.label[known, index]
    if not np.isfinite(score).all() or len(np.unique(label)) < 2:
        return None
    return log_odds(score), label, records.weight[known, index], records.patient[known]


def _line(usable: tuple[np.ndarray, ...], patients: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Intercept and slope."""
    odds, label, weight, patient = usable
    inputs = np.stack([np.ones(len(odds)), odds], axis=1)
    return _fit(inputs, np.zeros(len(odds)), label, weight, patient, patients)


def _regression(records: JudgedRows, index: int) -> tuple[Estimate, Estimate]:
    """Slope, and intercept at a slope of 1."""
    undefined = Estimate(math.nan, np.full(records.patients, math.nan))
    usable = _usable(records, index)
    if usable is None:
        return undefined, undefined
    both = _line(usable, records.patients)
    odds, label, weight, patient = usable
    level = _fit(np.ones((len(odds), 1)), odds, label, weight, patient, records.patients)
    return (
        undefined if both is None else Estimate(float(both[0][1]), both[1][:, 1]),
        undefined if level is None else Estimate(float(level[0][0]), level[1][:, 0]),
    )


def _fit(
    inputs: np.ndarray,
    offset: np.ndarray,
    label: np.ndarray,
    weight: np.ndarray,
    patient: np.ndarray,
    patients: int,
) -> tuple[np.ndarray, np.ndarray] | None:
    """Logistic regression by Newton's method, and its coefficients without each patient.

    The latter by one step from those on all patients, which needs sums over each patient only.

    Returns:
        Coefficients [C] and those without each patient [patients, C]; None without a maximum.
    """
    width = inputs.shape[1]
    found = np.zeros(width)
    for _ in range(_MOST_STEPS):
        expected = special.expit(offset + inputs @ found)
        curvature = inputs.T @ (inputs * (weight * expected * (1 - expected))[:, None])
        try:
            step = np.linalg.solve(curvature, inputs.T @ (weight * (label - expected)))
        except np.linalg.LinAlgError:
            return None
        found = found + np.clip(step, -5, 5)
        if np.abs(found).max() > _SEPARATED:
            return None
        if np.abs(step).max() < 1e-9:
            break
    else:
        return None
    expected = special.expit(offset + inputs @ found)
    pull = inputs * (weight * (label - expected))[:, None]
    bend = weight * expected * (1 - expected)
    gradient = np.stack([np.bincount(patient, one, patients) for one in pull.T], axis=1)
    own = np.empty((patients, width, width))
    for row in range(width):
        for column in range(width):
            product = bend * inputs[:, row] * inputs[:, column]
            own[:, row, column] = np.bincount(patient, product, patients)
    try:
        moved = np.linalg.solve(own.sum(axis=0) - own, gradient[:, :, None])[:, :, 0]
    except np.linalg.LinAlgError:
        return None
    return found, found - moved


def _mean(estimates: Sequence[Estimate]) -> Estimate:
    return Estimate(
        float(np.mean([one.value for one in estimates])),
        np.mean([one.left_out for one in estimates], axis=0),
    )
