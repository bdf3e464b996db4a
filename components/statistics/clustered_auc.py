"""The AUC's interval for patients of one or many images, few positives and values near 1.

The wider of two intervals, bound by bound. The first is the jackknife of patients on the log odds
(`jackknife`), without the pairs of two images of one patient: they say nothing about telling
patients apart. It knows no model, but its error is itself estimated, and comes out too small where
no hard patient happens to be among few. The second asks which AUCs are compatible with the data
if the variance is at least half of a binormal model's, with the correlation within patients as
estimated (Newcombe 2006's score interval, on the effective number of patients). No bound is
further away than the exact one of a share among the patients of the smaller class, which is the
most that an AUC can vary (Birnbaum and Klose 1957). docs/model_gate.md shows what was measured,
`benchmarks/bench_coverage.py` measures it again.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence

import numpy as np
from scipy import optimize, special

from components.statistics import jackknife, rates
from components.statistics.intervals import Interval
from components.statistics.judged_rows import JudgedRows, ScoreOrder
from components.statistics.target_auc import TargetAuc

# The model's variance that is believed at least. With all of it, intervals cover 99 % where the
# jackknife alone is right; without it, 82 % where hard patients are rare.
_SHARE_OF_MODEL = 0.5
_NEXT_TO_ONE = 1e-6
# Log odds of the smallest p-value told apart: one in a million.
_SMALLEST_P = -14.0


@dataclasses.dataclass(frozen=True, eq=False)
class ClusteredAuc:
    """The AUC, or the mean of several targets', with what its interval is made of.

    Attributes:
        records: What it was computed on.
        value: The AUC over all pairs; NaN when undefined.
        across: The AUC over pairs of two patients' records.
        left_out: `across` without each patient in turn, [patients].
        smallest: Half a pair, relative to all.
        degrees: Degrees of freedom of the jackknife's variance.
        error: The binormal variance at an AUC t is `error * shared(t)` plus what pairs add to it.
        per_pair: One over the effective number of pairs.
        effective: Effective number of patients of the smaller class.
        correlations: Of a patient's scores of one class, by target.
    """

    records: JudgedRows
    value: float
    across: float
    left_out: np.ndarray
    smallest: float
    degrees: float
    error: float
    per_pair: float
    effective: float
    correlations: tuple[float, ...]

    @classmethod
    def of(cls, records: JudgedRows, correlations: Sequence[float] = ()) -> ClusteredAuc:
        """The mean AUC over the targets.

        Args:
            records: Of one or more targets.
            correlations: What was found for the same records under other weights: they have no
                part in it, and it need not be computed anew.
        """
        known = list(correlations) or [math.nan] * len(records.targets)
        found = [_of_target(records, index, one) for index, one in enumerate(known)]
        return found[0] if len(found) == 1 else _mean(records, found)

    def interval(self, confidence: float) -> Interval:
        """Value and bounds; NaN where a class has not two patients."""
        return self.figures.interval(confidence)

    @functools.cached_property
    def figures(self) -> Figures:
        """What an interval of any confidence is made of."""
        records = self.records
        found = Interval(
            self.value,
            math.nan,
            math.nan,
            records.patients,
            records.examples,
            by_class=patients_by_class(records),
            effective=self.effective,
        )
        defined = self.degrees > 0 and bool(np.isfinite(self.left_out).all())
        log_odds = None
        if defined:
            log_odds = jackknife.LogOdds.of(self.across, self.left_out, self.smallest)
        return Figures(found, log_odds, self.across, self.degrees, self.error, self.per_pair)


@dataclasses.dataclass(frozen=True)
class Figures:
    """What an AUC's interval is made of, without the records: bounds are looked for in it.

    Attributes:
        found: The AUC, its bounds still missing.
        log_odds: By the jackknife; None where it is undefined.
        across: As of the AUC, and so are `degrees`, `error` and `per_pair`.
    """

    found: Interval
    log_odds: jackknife.LogOdds | None
    across: float
    degrees: float
    error: float
    per_pair: float

    def interval(self, confidence: float) -> Interval:
        """Value and bounds; NaN where they are undefined."""
        if self.log_odds is None:
            return self.found
        quantile = jackknife.t_quantile(self.degrees, confidence)
        by_model = self._model_bounds(quantile)
        # Where no patient matters, all are told apart or the score is a constant: the data do not
        # show their error, and only the model and the number of patients bound it.
        silent = self.log_odds.error < _NEXT_TO_ONE
        by_data = (0.0, 1.0) if silent else self.log_odds.bounds(quantile)
        widest = rates.clopper_pearson(self.across, self.found.effective, confidence)
        found = dataclasses.replace(
            self.found,
            lower=max(widest[0], min(by_data[0], by_model[0])),
            upper=min(widest[1], max(by_data[1], by_model[1])),
        )
        return jackknife.holding(found, self.found.value)

    def _model_bounds(self, quantile: float) -> tuple[float, float]:
        """The AUCs from which the one found is at most so many standard errors away."""
        edge = float(special.logit(1 - _NEXT_TO_ONE))
        center = float(np.clip(self.across, _NEXT_TO_ONE, 1 - _NEXT_TO_ONE))

        def beyond(log_odds: float) -> float:
            other = float(special.expit(log_odds))
            allowed = quantile * math.sqrt(_SHARE_OF_MODEL * self.model_variance(other))
            return abs(center - other) - allowed

        start = float(special.logit(center))
        bounds = []
        for end in (-edge, edge):
            outside = beyond(end) > 0
            found = optimize.brentq(beyond, start, end, xtol=1e-6) if outside else end
            bounds.append(float(special.expit(found)) if outside else float(end > 0))
        return bounds[0], bounds[1]

    def model_variance(self, auc: float) -> float:
        """The binormal model's variance if this is the AUC."""
        shared = _shared(auc)
        return self.error * shared + self.per_pair * max(0.0, auc * (1 - auc) - 2 * shared)


def difference(first: ClusteredAuc, second: ClusteredAuc, confidence: float) -> Interval:
    """First minus second: two models on the same patients."""
    return _difference(first.figures, second.figures, _in_common(first, second), confidence)


def _in_common(first: ClusteredAuc, second: ClusteredAuc) -> float:
    same = np.array_equal(first.records.score, second.records.score)
    return 1.0 if same else jackknife.correlation(first.left_out, second.left_out)


def _difference(first: Figures, second: Figures, shared: float, confidence: float) -> Interval:
    one, other = first.interval(confidence), second.interval(confidence)
    value, lower, upper = jackknife.paired_bounds(one, other, shared)
    return dataclasses.replace(one, value=value, lower=lower, upper=upper)


def p_below(first: ClusteredAuc, second: ClusteredAuc, bound: float) -> float:
    """One-sided p-value of the hypothesis that first minus second lies below a bound.

    At most alpha where the interval of confidence 1 - 2 alpha lies above the bound: the confidence
    whose interval ends at the bound is looked for. Never 0.
    """
    if not difference(first, second, 0.5).judged:
        return math.nan
    above = first.value - second.value >= bound
    one, other, shared = first.figures, second.figures, _in_common(first, second)

    def distance(log_odds_of_alpha: float) -> float:
        confidence = 1 - 2 * float(special.expit(log_odds_of_alpha))
        found = _difference(one, other, shared, confidence)
        return found.lower - bound if above else bound - found.upper

    largest = float(special.logit(0.5 - _NEXT_TO_ONE))
    if distance(_SMALLEST_P) > 0:
        alpha = float(special.expit(_SMALLEST_P))
    elif distance(largest) < 0:
        alpha = 0.5
    else:
        root = optimize.brentq(distance, _SMALLEST_P, largest, xtol=1e-3)
        alpha = float(special.expit(root))
    return alpha if above else 1 - alpha


def patients_by_class(records: JudgedRows) -> dict[str, int]:
    """Patients with a positive and with a negative record, of the target with the fewest."""
    counts: dict[str, int] = {}
    for index, _ in enumerate(records.targets):
        known = records.weight[:, index] > 0
        for name, wanted in (("positive", 1), ("negative", 0)):
            chosen = known & (records.label[:, index] == wanted)
            number = int(np.count_nonzero(np.bincount(records.patient[chosen])))
            counts[name] = min(number, counts.get(name, number))
    return counts


def _of_target(records: JudgedRows, index: int, correlation: float) -> ClusteredAuc:
    auc = TargetAuc(records, index)
    if not auc.defined or not len(auc.positive) or not len(auc.negative):
        return _undefined(records)
    pairs = auc.pairs()
    positives, negatives = pairs.positives.sum(), pairs.negatives.sum()
    value = pairs.won_by.sum() / (positives * negatives)
    within = pairs.positives * pairs.negatives
    number = positives * negatives - within.sum()
    won = pairs.won_by.sum() - pairs.won_within.sum()
    fewer = (positives - pairs.positives) * (negatives - pairs.negatives)
    fewer = fewer - (within.sum() - within)
    left = won - (pairs.won_by + pairs.won_over - 2 * pairs.won_within)
    if number <= 0 or (fewer <= 0).any():
        return _undefined(records, float(value))
    if math.isnan(correlation):
        correlation = _within_patients(records, index)
    of_positive = _effective(records, index, auc.positive, correlation)
    of_negative = _effective(records, index, auc.negative, correlation)
    return ClusteredAuc(
        records,
        value=float(value),
        across=float(won / number),
        left_out=left / fewer,
        smallest=0.5 * _lightest(records, index, auc) / float(positives * negatives),
        degrees=_degrees(pairs.won_by, pairs.won_over, pairs.positives, pairs.negatives),
        error=_error(records, index, auc, correlation),
        per_pair=1 / (of_positive * of_negative),
        effective=min(of_positive, of_negative),
        correlations=(correlation,),
    )


def _mean(records: JudgedRows, found: list[ClusteredAuc]) -> ClusteredAuc:
    """The mean over targets, whose errors the model takes for independent."""
    number = len(found)
    return ClusteredAuc(
        records,
        value=float(np.mean([one.value for one in found])),
        across=float(np.mean([one.across for one in found])),
        left_out=np.mean([one.left_out for one in found], axis=0),
        smallest=min(one.smallest for one in found) / number,
        degrees=min(one.degrees for one in found),
        error=sum(one.error for one in found) / number**2,
        per_pair=sum(one.per_pair for one in found) / number**2,
        effective=min(one.effective for one in found),
        correlations=tuple(one.correlations[0] for one in found),
    )


def _undefined(records: JudgedRows, value: float = math.nan) -> ClusteredAuc:
    nothing = np.full(records.patients, np.nan)
    return ClusteredAuc(records, value, value, nothing, 0.0, 0.0, 0.0, 0.0, 0.0, (1.0,))


def _degrees(
    won_by: np.ndarray, won_over: np.ndarray, positives: np.ndarray, negatives: np.ndarray
) -> float:
    """Welch's degrees of freedom of the two classes' parts of the variance."""
    total, others = positives.sum(), negatives.sum()
    auc = won_by.sum() / (total * others)
    of_positive = float((((won_by / others - positives * auc) / total) ** 2).sum())
    of_negative = float((((won_over / total - negatives * auc) / others) ** 2).sum())
    numbers = [jackknife.effective_number(one) for one in (positives, negatives)]
    least = min(numbers) - 1
    if least <= 0 or of_positive + of_negative < _NEXT_TO_ONE**2:
        return least
    spread = of_positive**2 / (numbers[0] - 1) + of_negative**2 / (numbers[1] - 1)
    return max(1.0, (of_positive + of_negative) ** 2 / spread)


def _shared(auc: float) -> float:
    """Covariance, in the binormal model, of two pairs that share a record."""
    z = float(special.ndtri(auc))
    return max(0.0, auc - 2 * float(special.owens_t(z, 1 / math.sqrt(3))) - auc**2)


def _error(records: JudgedRows, index: int, auc: TargetAuc, correlation: float) -> float:
    """Squared weights of the records, those of a patient added up as far as they are correlated.

    A patient's positive and negative records weigh against each other: a patient whose scores are
    all high wins as positive and loses as negative.
    """
    weight = np.zeros(records.examples)
    for rows, sign in ((auc.positive, 1), (auc.negative, -1)):
        part = records.weight[rows, index]
        weight[rows] = sign * part / part.sum()
    together = np.bincount(records.patient, weight, records.patients)
    own = float((weight**2).sum())
    return (1 - correlation) * own + correlation * float((together**2).sum())


def _lightest(records: JudgedRows, index: int, auc: TargetAuc) -> float:
    """Weight of the pair that weighs least: an AUC nearer to 1 than half of it can't be seen."""
    weight = records.weight[:, index]
    return float(weight[auc.positive].min() * weight[auc.negative].min())


def _effective(records: JudgedRows, index: int, rows: np.ndarray, correlation: float) -> float:
    """Effective number of patients of a class, whose records are correlated."""
    weight = records.weight[rows, index]
    together = np.bincount(records.patient[rows], weight, records.patients)
    own, shared = float((weight**2).sum()), float((together**2).sum())
    return float(weight.sum()) ** 2 / ((1 - correlation) * own + correlation * shared)


def _within_patients(records: JudgedRows, index: int) -> float:
    """Correlation of a patient's scores of one class: analysis of variance of normal scores."""
    between = within = own = patients = records_of_all = repeated = 0.0
    for wanted in (0, 1):
        chosen = (records.weight[:, index] > 0) & (records.label[:, index] == wanted)
        rows = np.flatnonzero(chosen)
        patient, score = records.patient[rows], _normal_scores(records.order(index), rows)
        size = np.bincount(patient, minlength=records.patients)
        mean = np.bincount(patient, score, records.patients)[size > 0] / size[size > 0]
        explained = float((size[size > 0] * mean**2).sum())
        between += explained
        within += float((score**2).sum()) - explained
        patients += len(mean) - 1
        own += len(score) - len(mean)
        records_of_all += len(score)
        repeated += float((size**2).sum()) / len(score)
    if own <= 0 or patients <= 0:
        return 1.0  # one record a patient: there is nothing to tell apart
    of_patients, of_records = between / patients, within / own
    typical = (records_of_all - repeated) / patients
    spread = of_patients + (typical - 1) * of_records
    return float(np.clip((of_patients - of_records) / spread, 0, 1)) if spread > 0 else 1.0


def _normal_scores(order: ScoreOrder, rows: np.ndarray) -> np.ndarray:
    """Normal quantiles of the ranks of some records, ties at the middle of theirs."""
    number = np.bincount(order.rank[rows], minlength=order.ranks)
    found = number > 0
    quantile = np.empty(order.ranks)
    middle = np.cumsum(number)[found] - number[found] / 2
    quantile[found] = special.ndtri(middle / len(rows))
    return quantile[order.rank[rows]]
