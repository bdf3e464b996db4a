"""Operating points: thresholds from in-distribution validation rows, judged on other patients.

The rows that are judged never choose a threshold: on them, it would look as good as it was chosen
to look. Without validation rows an operating point is not judged, and the model not blessed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from components.model_gate.policy.operating_points import POINT, OperatingPoint, PointBounds
from components.model_gate.policy.settings import DomainRules, GateSettings
from components.model_gate.rules import shortage
from components.model_gate.rules.outcomes import (
    NOT_ENOUGH_DATA,
    NOT_REQUIRED,
    REFUSE,
    Lack,
    Least,
    effect,
    lack,
    numbers,
    plain,
    result,
    within,
)
from components.statistics import clustered_metrics
from components.statistics.clustered_metrics import BY_PATIENT
from components.statistics.intervals import Interval
from components.statistics.judged_rows import JudgedRows
from components.statistics.thresholds import chosen, predictive_values
from components.statistics.thresholds.chosen import Threshold
from schemas import features
from schemas.documents.gate import Rule
from trainer_modules.settings import TaskSettings

if TYPE_CHECKING:
    import pandas as pd

# The patients that chose a threshold leave this much open of what was asked for, or the verdict
# warns. For a sensitivity of 0.95, about 45 positive patients are needed.
_UNCERTAIN = 0.1
_CLASS = {"sensitivity": "positive", "specificity": "negative"}
_NEEDED = (
    "needed: rows of split validation, domain in_distribution, with labels of both classes, of "
    "patients that are not judged"
)


@dataclasses.dataclass(frozen=True)
class Chosen:
    """An operating point with its threshold for each target; without them, `lack` says why."""

    point: OperatingPoint
    thresholds: Mapping[str, Threshold]
    lack: Lack | None = None


def choose(
    validation: pd.DataFrame | None, task: TaskSettings, settings: GateSettings
) -> list[Chosen]:
    """Every operating point of the policy, on validation rows alone."""
    if not settings.operating_points:
        return []
    missing = _missing(validation, task)
    if missing is not None or validation is None:
        return [Chosen(point, {}, missing) for point in settings.operating_points]
    rows = validation[validation[features.DOMAIN] == features.IN_DISTRIBUTION]
    records = JudgedRows.of_task(rows, task)
    found = []
    for point in settings.operating_points:
        thresholds = chosen.choose(
            records, point.rule, settings.min_patients_per_class, settings.confidence
        )
        found.append(Chosen(point, thresholds, _too_few(thresholds, point, settings)))
    return found


def _missing(validation: pd.DataFrame | None, task: TaskSettings) -> Lack | None:
    if task.kind == "multiclass":
        reason = "a multiclass model decides for the most probable class, not at a threshold"
        instead = "set operating_points to [], and a min_balanced_accuracy instead"
        return Lack(f"{reason}; {instead}", absent=True)
    if validation is None or not (validation[features.DOMAIN] == features.IN_DISTRIBUTION).any():
        reason = "there are no in-distribution validation rows to choose its threshold on"
        return Lack(f"{reason}; {_NEEDED}", absent=True)
    return None


def _too_few(
    thresholds: Mapping[str, Threshold], point: OperatingPoint, settings: GateSettings
) -> Lack | None:
    for target, one in thresholds.items():
        if not one.defined:
            of = f" of {target}" if len(thresholds) > 1 else ""
            least, kind = settings.min_patients_per_class, _CLASS[point.rule.rule]
            if one.patients >= least:
                other = "negative" if kind == "positive" else "positive"
                reason = f"no validation row{of} is {other}"
            else:
                reason = (
                    f"{one.patients} patients with {kind} images{of} among the validation rows "
                    f"are fewer than the required {least}"
                )
            return Lack(f"{reason}; {_NEEDED}", absent=False)
    return None


def measured(
    records: JudgedRows,
    metrics: Mapping[str, Interval],
    points: Sequence[Chosen],
    settings: GateSettings,
) -> dict[str, Interval]:
    """Rates at each operating point, and PPV and NPV at each prevalence.

    Args:
        records: Of a domain or group.
        metrics: At the records' own decisions.
        points: With their thresholds.
        settings: Confidence and prevalences.

    Returns:
        METRIC@POINT and METRIC@POINT/TARGET; without a point, of the records' own decisions.
    """
    if records.exclusive:
        return {}
    found = predictive_values.at_prevalences(metrics, settings.prevalences)
    for one in points:
        if one.lack is None:
            rates = clustered_metrics.decided(
                chosen.at(records, one.thresholds), settings.confidence
            )
            rates |= predictive_values.at_prevalences(rates, settings.prevalences)
            found |= {_at(name, one.point): interval for name, interval in rates.items()}
    return found


def _at(metric: str, point: OperatingPoint) -> str:
    base, slash, target = metric.partition("/")
    return f"{base}{POINT}{point.name}{slash}{target}"


def judged(
    points: Sequence[Chosen],
    metrics: Mapping[str, Mapping[str, Interval]],
    settings: GateSettings,
) -> Iterator[Rule]:
    """The floors of each point in each domain; of several findings, the mean's and each one's."""
    domains = (
        (features.IN_DISTRIBUTION, settings.in_distribution),
        (features.SHIFTED, settings.shifted),
    )
    for one in points:
        if one.lack is not None:
            if one.point.asked:
                message = f"operating point '{one.point.name}': {one.lack.reason}"
                done = effect(NOT_ENOUGH_DATA, REFUSE, one.lack.absent)
                yield plain("operating point", NOT_ENOUGH_DATA, message, done)
            continue
        for domain, rules in domains:
            bounds: PointBounds = getattr(one.point, domain)
            found = metrics.get(domain, {})
            for base, floor in _floors(bounds, settings.prevalences):
                for metric in (base, f"{base}{BY_PATIENT}"):
                    yield _floor(one, domain, metric, "", floor, found, rules, settings)
                prefix = _at(f"{base}/", one.point)
                for target in [name for name in found if name.startswith(prefix)]:
                    finding = target.removeprefix(prefix)
                    yield _floor(one, domain, base, finding, floor, found, rules, settings)


def warnings(points: Sequence[Chosen]) -> Iterator[str]:
    """Points whose threshold few patients chose, and those that nothing asks for and can't be."""
    for one in points:
        where = f"operating point '{one.point.name}'"
        if one.lack is not None:
            if not one.point.asked:
                yield f"{where} is not measured: {one.lack.reason}"
            continue
        rule = one.point.rule
        for target, threshold in one.thresholds.items():
            lower = getattr(threshold, rule.rule).lower
            if not lower >= rule.at_least - _UNCERTAIN:
                of = f" of {target}" if len(one.thresholds) > 1 else ""
                yield (
                    f"{where}: {threshold.patients} patients with {_CLASS[rule.rule]} images chose "
                    f"the threshold{of}; among all such patients, its {rule.rule} may be as low "
                    f"as {lower:.3f} instead of {rule.at_least:g}"
                )


def _floors(bounds: PointBounds, prevalences: Sequence[float]) -> Iterator[tuple[str, float]]:
    floors = [("sensitivity", bounds.min_sensitivity), ("specificity", bounds.min_specificity)]
    for prevalence in prevalences:
        floors.append((predictive_values.metric_name("ppv", prevalence), bounds.min_ppv))
        floors.append((predictive_values.metric_name("npv", prevalence), bounds.min_npv))
    return (one for one in floors if one[1] > 0)


def _floor(
    one: Chosen,
    domain: str,
    base: str,
    finding: str,
    floor: float,
    metrics: Mapping[str, Interval],
    rules: DomainRules,
    settings: GateSettings,
) -> Rule:
    """A floor of the mean; of a single finding, where the policy says what unclear ones do."""
    what = f"{base}/{finding}" if finding else base
    metric = _at(what, one.point)
    name = "operating point floor" + (" by patient" if base.endswith(BY_PATIENT) else "")
    where = f"{domain} {what} at operating point {one.point.name}"
    interval = metrics.get(metric)
    least = Least(rules.min_patients, settings.min_patients_per_class)
    lacking = lack(metrics, metric, least)
    if interval is None or lacking is not None:
        reason = lacking.reason if lacking else "undefined"
        message = f"{where}: {reason}"
        if not rules.required and not metrics:
            return result(name, domain, metric, interval, floor, NOT_REQUIRED, message)
        unclear = settings.inconclusive.findings if finding else REFUSE
        status, short = NOT_ENOUGH_DATA, lacking.shortage if lacking else None
        done = effect(status, unclear, lacking is None or lacking.absent)
        return result(name, domain, metric, interval, floor, status, message, done, short)
    status, relation = within(interval, low=floor)
    inconclusive = settings.inconclusive
    done = effect(status, inconclusive.findings if finding else inconclusive.domains)
    message = f"{where}: {relation} ({numbers(interval)}, {_threshold(one, finding)})"
    short = shortage.of_interval(interval, floor, None)
    return result(name, domain, metric, interval, floor, status, message, done, short)


def _threshold(one: Chosen, finding: str) -> str:
    """A threshold and how many patients chose it; of several, the fewest."""
    fewest = min(threshold.patients for threshold in one.thresholds.values())
    if finding:
        fewest = one.thresholds[finding].patients
    kind = _CLASS[one.point.rule.rule]
    if finding or len(one.thresholds) == 1:
        value = one.thresholds[finding or next(iter(one.thresholds))].value
        return f"threshold {value:.3g} chosen on {fewest} {kind} patients"
    return f"thresholds chosen on {fewest} or more {kind} patients each"
