"""The plan of a test set: assumptions, what each rule takes, and what the whole policy takes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from components.model_gate.planning import reach, search
from components.model_gate.planning.document import Assumption, GatePlan, PlannedRule, PlannedSize
from components.model_gate.planning.power import Design, Simulation, simulation
from components.model_gate.planning.search import Found, Least, Say
from components.model_gate.planning.truths import Truth, Truths
from components.model_gate.policy.settings import GateSettings

# Rules that take this part of the patients of the one that takes the most drive the plan, too.
_NEAR = 0.85


def plan(
    truths: Truths,
    assumptions: Sequence[Assumption],
    settings: GateSettings,
    power: float,
    seed: int,
    validation: int,
    say: Say,
) -> GatePlan:
    """How many patients the policy takes if the model is as assumed.

    Args:
        truths: By domain.
        assumptions: The same in words, for the plan.
        settings: The policy.
        power: Share of the tables that are to be blessed.
        seed: Of the simulation; the same numbers each time.
        validation: Patients who choose the thresholds of operating points.
        say: Is told how far it is.
    """
    settings, notes = _planned(truths, settings)
    given = {"power": power, "assumptions": tuple(assumptions), "seed": seed, "notes": notes}
    if reasons := reach.unreachable(truths, settings):
        return GatePlan(outcome="unreachable", reasons=tuple(reasons), **given)
    with simulation(Design(truths, settings, seed, validation)) as simulated:
        found = search.search(simulated, power, say)
        rules = [*_counts(truths, settings), *_rules(found, truths, simulated)]
    if found.tally is None:
        return GatePlan(
            outcome="beyond",
            rules=tuple(rules),
            reasons=tuple(_beyond(found, truths, settings, power)),
            **given,
        )
    blessed, number = found.tally.blessed_share, found.tally.tables
    return GatePlan(
        outcome="planned",
        rules=tuple(rules),
        suggested={domain: _size(truths[domain], one) for domain, one in found.patients.items()},
        blessed=blessed,
        error=search.error(blessed, number),
        tables=number,
        drivers=tuple(_drivers(rules)),
        **given,
    )


def _planned(truths: Truths, settings: GateSettings) -> tuple[GateSettings, tuple[str, ...]]:
    """The rules that a table of one finding can be planned for, and what is left out."""
    notes = [f"intervals at {100 * settings.confidence:.4g} %"]
    changed: dict[str, object] = {
        "require_evaluator": False,
        "require_serving": False,
        "serving_max_ms": None,
        "serving_max_mb": None,
    }
    if all(truth.baseline_auc is None for truth in truths.values()):
        notes.append("no baseline is assumed: max_regression is not planned for (--baseline-auc)")
    if of_findings := [rule.metric for rule in settings.slices if "/" in rule.metric]:
        changed["slices"] = tuple(rule for rule in settings.slices if "/" not in rule.metric)
        names = ", ".join(of_findings)
        notes.append(f"one finding is planned for: slices of {names} are left out")
    if settings.unit not in ("image", "patient"):
        changed["unit"] = "patient"
        notes.append(f"unit {settings.unit} is planned as patient")
    if not any(truth.groups for truth in truths.values()):
        would = "is shown to be below its floor"
        if settings.inconclusive.groups == "refuse":
            would = "is not shown to reach its floor"
        notes.append(
            f"no groups are assumed: one that {would} would keep the model back; --group adds one"
        )
    return settings.model_copy(update=changed), tuple(notes)


def _size(truth: Truth, least: Least | float) -> PlannedSize:
    at_most = isinstance(least, Least) and least.at_most
    patients = math.ceil(least.patients if isinstance(least, Least) else least)
    size = truth.size(patients)
    return PlannedSize(
        patients=patients,
        with_finding=size.positive,
        without_finding=size.negative,
        at_most=at_most,
    )


def _counts(truths: Truths, settings: GateSettings) -> Iterator[PlannedRule]:
    """Required numbers, which are exact."""
    per_class = settings.min_patients_per_class
    for domain, truth in truths.items():
        rules = getattr(settings, domain)
        for name, threshold, least in (
            ("min_patients", rules.min_patients, max(2, rules.min_patients)),
            ("min_patients_per_class", per_class, truth.least(per_class, 2)),
        ):
            yield PlannedRule(
                name=name,
                slice=domain,
                metric="",
                threshold=threshold,
                needed={domain: _size(truth, least)},
            )


def _rules(found: Found, truths: Truths, simulated: Simulation) -> Iterator[PlannedRule]:
    """Rules that keep a model back where the data do not decide them."""
    warns, thresholds = simulated.warns, simulated.thresholds
    for key, needed in found.rules.items():
        if key in warns:
            continue
        finite = {
            domain: _size(truths[domain], least)
            for domain, least in needed.items()
            if math.isfinite(least.patients)
        }
        yield PlannedRule(
            name=key.name,
            slice=key.slice,
            metric=key.metric,
            threshold=thresholds.get(key),
            needed=finite if len(finite) == len(needed) else {},
            passes=found.tally.passing(key) if found.tally else None,
        )


def _drivers(rules: Sequence[PlannedRule]) -> Iterator[str]:
    """The rules that take the most patients, of each domain."""
    domains = {domain: None for rule in rules for domain in rule.needed}
    for domain in domains:
        sizes = [
            (rule.needed[domain].patients, rule)
            for rule in rules
            if domain in rule.needed and not (rule.metric and rule.needed[domain].at_most)
        ]
        most = max(patients for patients, _ in sizes)
        names = [named(rule) for patients, rule in sizes if patients >= _NEAR * most]
        yield f"{domain}: {', '.join(dict.fromkeys(names))}"


def named(rule: PlannedRule) -> str:
    """A rule in words."""
    bound = "" if rule.threshold is None else f" {rule.threshold:g}"
    return f"{rule.name}{bound}"


def _beyond(found: Found, truths: Truths, settings: GateSettings, power: float) -> Iterator[str]:
    """Why more patients are needed than are simulated."""
    some = False
    for domain, truth in truths.items():
        rules = getattr(settings, domain)
        most = int(search.MOST_IMAGES / truth.mean_images)
        least = search.counted_least(truth, rules, settings)
        formula = search.by_formula(truth, rules, settings, power)
        if least > most:
            some = True
            yield (
                f"{domain}: {settings.min_patients_per_class} patients of each class are {least:,} "
                f"patients at a prevalence of {truth.prevalence:g}: enrich the rarer class, or "
                "choose another test set"
            )
        elif formula > most:
            some = True
            yield (
                f"{domain}: by formula, about {formula:,.0f} patients; more than {most:,} are not "
                "simulated. The assumed values are close to their floors"
            )
    if not some:
        yield "more patients than are simulated: an assumed value is close to its bound"
