"""Thresholds chosen on some patients, to be judged on others."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np

from components.statistics import clustered_metrics
from components.statistics.intervals import Interval
from components.statistics.judged_rows import JudgedRows
from trainer_modules.decisions import operating_point
from trainer_modules.settings import OperatingPointSettings

UNDEFINED = Interval(math.nan, math.nan, math.nan, 0, 0)


@dataclasses.dataclass(frozen=True)
class Threshold:
    """A target's threshold, and what the patients that chose it say of it.

    Attributes:
        value: Scores from here on are positive; NaN if it could not be chosen.
        patients: Those with an image of the class that the rule asks for.
        sensitivity: Of the threshold, among the patients that chose it.
        specificity: The same.
    """

    value: float
    patients: int
    sensitivity: Interval = UNDEFINED
    specificity: Interval = UNDEFINED

    @property
    def defined(self) -> bool:
        """Whether there is a threshold."""
        return math.isfinite(self.value)


def choose(
    records: JudgedRows, settings: OperatingPointSettings, least: int, confidence: float
) -> dict[str, Threshold]:
    """By target, each on its known labels; scores that are no numbers choose nothing.

    The interval of the rate that the rule asks for says how far the threshold's true rate may be
    from what was asked for: the threshold is an order statistic of the scores of that class, and
    Clopper and Pearson's bounds are quantiles of its distribution.

    Args:
        records: Of patients who are not judged.
        settings: The rule.
        least: Patients of the class that the rule asks for; fewer choose nothing.
        confidence: Of the intervals.
    """
    return {
        target: _of_target(
            clustered_metrics.of_one_target(records, index), settings, least, confidence
        )
        for index, target in enumerate(records.targets)
    }


def at(records: JudgedRows, thresholds: Mapping[str, Threshold]) -> JudgedRows:
    """The same records, decided by thresholds."""
    cuts = np.array([thresholds[target].value for target in records.targets])
    known = np.isfinite(records.score) & np.isfinite(cuts)
    decision = np.where(known, records.score >= cuts, np.nan)
    return dataclasses.replace(records, decision=decision)


def _of_target(
    records: JudgedRows, settings: OperatingPointSettings, least: int, confidence: float
) -> Threshold:
    label, score = records.label[:, 0], records.score[:, 0]
    finite = np.isfinite(score)
    wanted = {"sensitivity": label == 1, "specificity": label == 0}.get(settings.rule, label >= 0)
    patients = len(np.unique(records.patient[finite & wanted]))
    point = operating_point.choose(label[finite], score[finite], settings)
    if patients < least or point is None:
        return Threshold(math.nan, patients)
    threshold = Threshold(point.threshold, patients)
    decided = at(records.part(finite), {records.targets[0]: threshold})
    found = clustered_metrics.decided(decided, confidence)
    return dataclasses.replace(
        threshold, sensitivity=found["sensitivity"], specificity=found["specificity"]
    )
