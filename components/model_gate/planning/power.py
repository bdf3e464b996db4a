"""How often a policy blesses simulated tables of a size: the gate itself judges each of them."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.pool import Pool
from typing import NamedTuple

import numpy as np

from components.model_gate.planning import truths
from components.model_gate.planning.patients import TASK, as_table
from components.model_gate.planning.truths import Drawn, Patients, Truths
from components.model_gate.policy.settings import GateSettings
from components.model_gate.rules import domain_rules, groups, operating_points
from components.model_gate.rules.evidence import Baseline, Evidence
from components.model_gate.rules.groups import DomainAucs
from components.model_gate.rules.operating_points import Chosen
from components.model_gate.rules.outcomes import INCONCLUSIVE, NOT_REQUIRED, REFUSE, WARN
from components.statistics import clustered_auc, clustered_metrics, jackknife
from components.statistics.clustered_auc import ClusteredAuc
from components.statistics.clustered_metrics import Precision
from components.statistics.intervals import Interval
from components.statistics.judged_rows import JudgedRows
from schemas import features

_BASELINE = "the baseline"
_MOST_PROCESSES = 8
_CHUNK = 10


class Key(NamedTuple):
    """A rule, in any table."""

    name: str
    slice: str
    metric: str

    @property
    def domain(self) -> str:
        """The one domain that it judges; empty for a rule about both or none."""
        found = self.slice.partition(",")[0]
        return found if found in features.DOMAINS else ""


@dataclasses.dataclass(frozen=True)
class Design:
    """What is drawn and how it is judged.

    Attributes:
        truths: By domain.
        settings: The policy.
        seed: Of all draws.
        validation: In-distribution patients who choose the thresholds of operating points.
    """

    truths: Truths
    settings: GateSettings
    seed: int = 0
    validation: int = 0


@dataclasses.dataclass
class Tally:
    """Counts of tables.

    Attributes:
        tables: All.
        blessed: By the whole policy.
        rules: With each rule on a metric.
        blocked: In which it keeps the model back.
        warned: In which it warns.
        domains: In which some rule of a domain does, or (empty) one about both.
        thresholds: Of each rule; of a range, its ends.
    """

    tables: int = 0
    blessed: int = 0
    rules: Counter[Key] = dataclasses.field(default_factory=Counter)
    blocked: Counter[Key] = dataclasses.field(default_factory=Counter)
    warned: Counter[Key] = dataclasses.field(default_factory=Counter)
    domains: Counter[str] = dataclasses.field(default_factory=Counter)
    thresholds: dict[Key, set[float]] = dataclasses.field(default_factory=dict)

    def add(self, other: Tally) -> None:
        """Counts other tables, too."""
        self.tables += other.tables
        self.blessed += other.blessed
        for name in ("rules", "blocked", "warned", "domains"):
            getattr(self, name).update(getattr(other, name))
        for key, thresholds in other.thresholds.items():
            self.thresholds.setdefault(key, set()).update(thresholds)

    def passing(self, key: Key) -> float:
        """Share of the tables that a rule does not keep the model back on."""
        return 1 - self.blocked[key] / self.tables

    def passing_domain(self, domain: str) -> float:
        """The same of all rules of a domain."""
        return 1 - self.domains[domain] / self.tables

    @property
    def blessed_share(self) -> float:
        """Share of the tables on which the whole policy blesses the model."""
        return self.blessed / self.tables


@dataclasses.dataclass(frozen=True)
class Work:
    """Some of the tables of a size; the number of each is part of its seed."""

    design: Design
    patients: Patients
    numbers: Sequence[int]


def judged(work: Work) -> Tally:
    """Draws and judges the tables."""
    found = Tally()
    for number in work.numbers:
        found.add(_judged(work, number))
    return found


def _judged(work: Work, number: int) -> Tally:
    design = work.design
    random = np.random.default_rng([design.seed, *work.patients.values(), number])
    drawn = {
        domain: truths.draw(truth, truth.size(work.patients[domain]), random)
        for domain, truth in design.truths.items()
        if domain in work.patients
    }
    validation = None
    if design.validation and features.IN_DISTRIBUTION in design.truths:
        truth = design.truths[features.IN_DISTRIBUTION]
        validation = truths.draw(truth, truth.size(design.validation), random)
    evidence = _evidence(drawn, validation, design.settings)
    verdict = domain_rules.judge(evidence, design.settings)
    found = Tally(tables=1, blessed=int(verdict.blessed))
    blocked, warned, domains = set(), set(), set()
    for rule in verdict.rules:
        key = Key(rule.name, rule.slice, rule.metric)
        if rule.effect in (REFUSE, INCONCLUSIVE):
            blocked.add(key)
            domains.add(key.domain)
        elif rule.effect == WARN:
            warned.add(key)
        if rule.metric and rule.status != NOT_REQUIRED:
            found.rules[key] = 1
            if rule.threshold is not None:
                found.thresholds.setdefault(key, set()).add(rule.threshold)
    found.blocked.update(blocked)
    found.warned.update(warned)
    found.domains.update(domains)
    return found


def _evidence(
    drawn: Mapping[features.Domain, Drawn], validation: Drawn | None, settings: GateSettings
) -> Evidence:
    """What `evidence.collect` makes of these records as a table, without what no rule uses.

    Without the table, and what is only reported of it, it takes a quarter of the time.
    """
    table = None if validation is None else as_table(validation.model, features.IN_DISTRIBUTION, {})
    points = operating_points.choose(table, TASK, settings)
    domains = {domain: _figures(one, points, settings) for domain, one in drawn.items()}
    differences: dict[str, Interval] = {
        domain: clustered_auc.difference(one.auc, one.other, settings.confidence)
        for domain, one in domains.items()
        if one.other is not None
    }
    found = groups.judged(domains, settings, points)
    both = [one.metrics["auc"] for one in domains.values()]
    return Evidence(
        metrics={domain: one.metrics for domain, one in domains.items()},
        groups=found.groups,
        gap=jackknife.gap(*both) if len(both) == len(features.DOMAINS) else None,
        baseline=Baseline(
            _BASELINE if differences else None, differences=differences, groups=found.differences
        ),
        serving=None,
        evaluator_blessed=None,
        records=sum(one.model.examples for one in drawn.values()),
        not_probabilities=0,
        points=points,
    )


def _figures(drawn: Drawn, points: Sequence[Chosen], settings: GateSettings) -> DomainAucs:
    def auc(rows: JudgedRows) -> ClusteredAuc:
        return ClusteredAuc.of(rows if settings.unit == "image" else rows.by_patient())

    of_model = auc(drawn.model)
    precision = Precision(settings.confidence, settings.resamples)
    metrics = clustered_metrics.intervals(of_model.records, precision, of_model)
    metrics |= operating_points.measured(of_model.records, metrics, points, settings)
    in_groups: dict[str, tuple[np.ndarray, Sequence[str]]] = {}
    for name, values in drawn.groups.items():
        found, number = np.unique(values.astype(str), return_inverse=True)
        column = name if name == features.SITE else features.subgroup(name)
        in_groups[column] = number, found.tolist()
    other = None if drawn.other is None else auc(drawn.other)
    return DomainAucs(in_groups, of_model, other, metrics)


class Simulation:
    """Judges tables in several processes, each size once."""

    def __init__(self, design: Design, pool: Pool | None = None):
        """A simulation that judges in the pool, or in this process without one."""
        self.design = design
        self._pool = pool
        self._found: dict[tuple[tuple[features.Domain, int], ...], Tally] = {}

    def judged(self, patients: Patients, tables_wanted: int) -> Tally:
        """Counts of so many tables of a size; those that were judged before count."""
        found = self._found.setdefault(tuple(patients.items()), Tally())
        start = found.tables
        work = [
            Work(self.design, patients, range(at, min(at + _CHUNK, tables_wanted)))
            for at in range(start, tables_wanted, _CHUNK)
        ]
        results = self._pool.imap(judged, work) if self._pool else map(judged, work)
        for one in results:
            found.add(one)
        return found

    @property
    def warns(self) -> set[Key]:
        """Rules that only warn where the data do not decide them."""
        return {key for one in self._found.values() for key in one.warned}

    @property
    def thresholds(self) -> dict[Key, float]:
        """Thresholds of rules that have a single one."""
        found = Tally()
        for one in self._found.values():
            found.add(one)
        return {key: min(some) for key, some in found.thresholds.items() if len(some) == 1}


@contextmanager
def simulation(design: Design) -> Iterator[Simulation]:
    """A simulation on the processors there are."""
    processes = min(os.cpu_count() or 1, _MOST_PROCESSES)
    if processes == 1:
        yield Simulation(design)
        return
    with multiprocessing.Pool(processes) as pool:
        yield Simulation(design, pool)
