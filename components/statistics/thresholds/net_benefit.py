"""Net benefit over thresholds: decision curves (Vickers and Elkin 2006), patients as clusters.

At a threshold t, a false positive costs t / (1 - t) of what a true positive is worth: who treats at
a probability of 10 % accepts nine false alarms for each finding. The net benefit is TP/n less
FP/n * t / (1 - t); if nobody is treated, it is 0. It is a difference of two rates, and its interval
is made of theirs (`rates`) and their correlation (MOVER, Zou and Donner 2008).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from components.statistics import jackknife
from components.statistics.judged_rows import JudgedRows
from components.statistics.rates import Rate, within_patients

# Value, lower and upper bound.
_Bounds = tuple[float, float, float]


@dataclasses.dataclass(frozen=True, eq=False)
class Curve:
    """Net benefit of one target's scores at each threshold.

    Attributes:
        target: The target.
        prevalence: Of the records, or the one given.
        given: Whether it was given.
        thresholds: Ascending.
        model: Of the model's decisions at each threshold.
        treat_all: If everyone is called positive.
        over_all: The model's less that.
    """

    target: str
    prevalence: float
    given: bool
    thresholds: tuple[float, ...]
    model: tuple[_Bounds, ...]
    treat_all: tuple[float, ...]
    over_all: tuple[_Bounds, ...]


class _Patients(NamedTuple):
    """Each patient's sum of weights and number of records, and the sum of squared weights."""

    weight: np.ndarray
    number: np.ndarray
    own: float


class _Hits(NamedTuple):
    """Each patient's sum of the weights of some records, and how many they are."""

    weight: np.ndarray
    number: np.ndarray


class _Class:
    """The records of one class of a target, by score."""

    def __init__(self, records: JudgedRows, index: int, label: int):
        """Sorts them."""
        weight = records.weight[:, index]
        chosen = np.flatnonzero((weight > 0) & (records.label[:, index] == label))
        chosen = chosen[np.argsort(records.score[chosen, index], kind="stable")]
        self._score = records.score[chosen, index]
        self._weight, self._patient = weight[chosen], records.patient[chosen]
        self._patients = records.patients
        own = float((self._weight**2).sum())
        self.all = _Patients(*self._sums(0, len(chosen)), own)

    def called(self, thresholds: Sequence[float]) -> Iterator[_Hits]:
        """What is called positive from each of the thresholds on; those descend."""
        weight, count = np.zeros(self._patients), np.zeros(self._patients)
        last = len(self._score)
        for threshold in thresholds:
            first = int(np.searchsorted(self._score, threshold, side="left"))
            more = self._sums(first, last)
            weight, count, last = weight + more.weight, count + more.number, first
            # Sums in another order may be larger in the last bit.
            yield _Hits(np.minimum(weight, self.all.weight), count)

    def _sums(self, first: int, last: int) -> _Hits:
        patient = self._patient[first:last]
        weight = np.bincount(patient, self._weight[first:last], self._patients)
        return _Hits(weight, np.bincount(patient, minlength=self._patients))


def curves(
    records: JudgedRows,
    thresholds: Sequence[float],
    prevalences: Sequence[float],
    confidence: float,
) -> Iterator[Curve]:
    """Each target's curve at the prevalence of its records, and at each given one.

    Targets without both classes, or with a score that is not a number, have none.

    Args:
        records: Of a domain.
        thresholds: From 0 to less than 1, ascending.
        prevalences: With which to weigh sensitivity and specificity as well.
        confidence: Of the intervals.
    """
    for index, target in enumerate(records.targets):
        known = records.weight[:, index] > 0
        both = len(np.unique(records.label[known, index])) == 2
        if both and np.isfinite(records.score[known, index]).all():
            classes = [_Class(records, index, label) for label in (1, 0)]
            for prevalence in (None, *prevalences):
                yield _curve(target, classes, thresholds, prevalence, confidence)


def _curve(
    target: str,
    classes: Sequence[_Class],
    thresholds: Sequence[float],
    prevalence: float | None,
    confidence: float,
) -> Curve:
    positive, negative = (one.all for one in classes)
    together = _Patients(
        positive.weight + negative.weight,
        positive.number + negative.number,
        positive.own + negative.own,
    )
    share = prevalence
    if share is None:
        share = float(positive.weight.sum() / together.weight.sum())
    model, over_all = [], []
    steps = zip(thresholds[::-1], *(one.called(thresholds[::-1]) for one in classes), strict=True)
    for threshold, true, false in steps:
        odds = threshold / (1 - threshold)
        if prevalence is None:
            of, scales = (together, together), (1.0, odds)
        else:
            of, scales = (positive, negative), (prevalence, (1 - prevalence) * odds)
        found = (_rate(true, of[0]), _rate(false, of[1]))
        model.append(_less(found, scales, confidence))
        missed = (_rate(_rest(false, negative), of[1]), _rate(_rest(true, positive), of[0]))
        over_all.append(_less(missed, scales[::-1], confidence))
    return Curve(
        target,
        share,
        prevalence is not None,
        tuple(thresholds),
        tuple(model[::-1]),
        tuple(share - (1 - share) * one / (1 - one) for one in thresholds),
        tuple(over_all[::-1]),
    )


def _rest(hits: _Hits, of: _Patients) -> _Hits:
    return _Hits(of.weight - hits.weight, of.number - hits.number)


def _rate(hits: _Hits, of: _Patients) -> Rate:
    correlation = within_patients(hits.number, of.number, float(hits.number.sum()))
    return Rate.of_patients(hits.weight, of.weight, of.own, correlation)


def _less(rates: tuple[Rate, Rate], scales: tuple[float, float], confidence: float) -> _Bounds:
    """The first rate times its scale less the second times its own."""
    (one, down, up), (other, other_down, other_up) = (
        (scale * rate.value, scale * (rate.value - lower), scale * (upper - rate.value))
        for rate, scale in zip(rates, scales, strict=True)
        for lower, upper in [rate.bounds(confidence)]
    )
    shared = jackknife.correlation(*(_of_both(rates)))
    value = one - other
    lower = value - math.sqrt(_squared(down, other_up, shared))
    return value, lower, value + math.sqrt(_squared(up, other_down, shared))


def _of_both(rates: tuple[Rate, Rate]) -> list[np.ndarray]:
    """The rates without each patient in turn; one who is all there is of a class changes none."""
    return [np.where(np.isfinite(one.left_out), one.left_out, one.value) for one in rates]


def _squared(first: float, second: float, correlation: float) -> float:
    squared = first**2 + second**2 - 2 * correlation * first * second
    return 0.0 if squared < 0 else squared  # NaN stays: of one patient there are no bounds
