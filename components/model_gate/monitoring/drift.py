"""Drift of scores and image statistics from the blessed table, tested by patient."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from components.model_gate.reference.build import values_of
from components.model_gate.rules import group_columns
from components.statistics import histograms
from schemas import features
from schemas.documents.monitoring import Drift, Shares, Site
from schemas.documents.reference import DomainReference, Histogram
from schemas.printable import printable

if TYPE_CHECKING:
    import pandas as pd

# Sites are shown, not tested: their p-value is not used.
_NOT_TESTED = 0.5


@dataclasses.dataclass(frozen=True, eq=False)
class Sample:
    """A column of the new table beside its histogram in the reference.

    Attributes:
        column: Its name in messages.
        earlier: Blessed patients by bin.
        new: New patients by bin.
        edges: Between the bins.
        lacks: Why it can't be tested; empty if it can.
    """

    column: str
    earlier: np.ndarray
    new: np.ndarray
    edges: np.ndarray
    lacks: str


def samples(table: pd.DataFrame, reference: DomainReference, least: int) -> list[Sample]:
    """What can be compared; which of it is enough follows from numbers of patients alone.

    Args:
        table: New predictions.
        reference: Of the blessed domain.
        least: Patients without which nothing is tested.
    """
    found = []
    for target, one in reference.targets.items():
        name = "score" if len(reference.targets) == 1 else f"score/{target}"
        found.append(_sample(table, features.prediction(target), name, one.scores, least))
    for name, histogram in reference.statistics.items():
        column = features.statistic(name)
        if column in table:
            found.append(_sample(table, column, column, histogram, least))
    return found


def absent(table: pd.DataFrame, reference: DomainReference) -> Iterator[str]:
    """Warnings about image statistics that one of the two tables lacks."""
    there = {name for name in table if name.startswith(features.statistic(""))}
    blessed = {features.statistic(name) for name in reference.statistics}
    for name in sorted(blessed - there):
        yield f"{name}: the blessed table has it, this one does not; its drift is not tested"
    for name in sorted(there - blessed):
        yield f"{name}: the blessed table does not have it; its drift is not tested"


def judged(found: Sequence[Sample], alpha: float, tolerance: float) -> list[Drift]:
    """Tests each sample at a level.

    Args:
        found: The samples.
        alpha: Level of each test.
        tolerance: Distance up to which drift raises no alarm.
    """
    return [_judged(one, alpha, tolerance) for one in found]


def _sample(
    table: pd.DataFrame, column: str, name: str, histogram: Histogram, least: int
) -> Sample:
    values, patient = values_of(table, column)
    edges, earlier = np.array(histogram.edges), np.array(histogram.patients)
    weight = histograms.equal_weights(patient)
    new = histograms.counts(values, weight, edges)
    lacks = ""
    if len(earlier) < 2:
        lacks = (
            f"the blessed table has too few patients ({earlier.sum():.0f}) or values to compare "
            "with"
        )
    elif round(new.sum()) < least:
        lacks = f"fewer patients than the required {least}"
    return Sample(name, earlier, new, edges, lacks)


def _judged(one: Sample, alpha: float, tolerance: float) -> Drift:
    shown = printable(one.column)
    sizes = {
        "column": one.column,
        "reference_patients": round(float(one.earlier.sum())),
        "patients": round(float(one.new.sum())),
    }
    if one.lacks:
        nothing = dict.fromkeys(("distance", "higher", "p_value", "alpha", "shares"))
        message = f"{shown}: {one.lacks}"
        return Drift(**sizes, **nothing, status="not_enough_data", message=message)
    found = histograms.compare(one.earlier, one.new, alpha)
    status = "no_drift"
    if found.p_value <= alpha:
        status = "drift" if found.distance > tolerance else "small"
    words = {
        "no_drift": "no drift is shown",
        "small": f"drift, but not beyond the tolerated distance of {tolerance:g}",
        "drift": "drift",
    }[status]
    return Drift(
        **sizes,
        distance=found.distance,
        higher=found.higher,
        p_value=found.p_value,
        alpha=alpha,
        status=status,
        shares=_shares(one),
        message=f"{shown}: {words} (distance {found.distance:.3f}; a new value is above a blessed "
        f"one in {found.higher:.0%} of pairs; p {found.p_value:.2g}, level {alpha:.2g}; "
        f"{sizes['patients']} and {sizes['reference_patients']} patients)",
    )


def _shares(one: Sample) -> Shares:
    """As they may be shown: no bin of a few new patients."""
    edges = histograms.pooled(one.edges, one.new)
    bins = np.concatenate([[0], np.cumsum(np.isin(one.edges, edges))])
    earlier, new = (np.bincount(bins, held, len(edges) + 1) for held in (one.earlier, one.new))
    return Shares(
        edges=tuple(edges),
        reference=tuple(earlier / earlier.sum()),
        new=tuple(new / new.sum()),
    )


def sites(table: pd.DataFrame, reference: DomainReference) -> list[Site]:
    """How far each site's scores are from the blessed ones, without names of small groups."""
    shown = group_columns.private(table, (), np.ones(len(table), bool))
    found: list[Site] = []
    if shown[features.SITE].nunique() < 2:
        return found
    for site, rows in shown.groupby(features.SITE, sort=True, observed=True):
        for target, one in reference.targets.items():
            held = _sample(rows, features.prediction(target), "score", one.scores, 0)
            apart = None
            if held.new.sum() >= histograms.LEAST_PATIENTS and not held.lacks:
                apart = histograms.compare(held.earlier, held.new, _NOT_TESTED)
            found.append(
                Site(
                    site=str(site),
                    target=target,
                    patients=rows[features.PATIENT_ID].nunique(),
                    images=len(rows),
                    distance=apart.distance if apart else None,
                    higher=apart.higher if apart else None,
                )
            )
    return found
