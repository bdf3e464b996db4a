"""The plan as text, Markdown or JSON; names come from tables and options, and are escaped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from components.model_gate.planning.document import GatePlan, PlannedRule
from components.model_gate.planning.plan import named
from components.model_gate.standalone.formats import escaped
from schemas.printable import printable

TEXT = "text"
_HEADS = ("rule", "where", "patients", "with finding", "without", "passes")


def as_text(plan: GatePlan) -> str:
    """For a terminal."""
    lines = ["Assumed:"]
    lines += _aligned([("", *row) for row in _assumptions(plan)])
    if plan.rules:
        lines += ["", f"Patients that each rule alone takes to pass in {plan.power:.0%}:"]
        lines += _aligned([("", *row) for row in (_HEADS, *_rows(plan))])
    lines += ["", *_outcome(plan)]
    return "\n".join(printable(line) for line in lines) + "\n"


def as_markdown(plan: GatePlan) -> str:
    """For a study protocol or a pull request."""
    lines = ["## How many patients", ""]
    lines += [f"- {escaped(one)}" for one in _outcome(plan)]
    lines += ["", *_table(("assumption", "value", "from"), list(_assumptions(plan)))]
    if plan.rules:
        lines += ["", *_table(_HEADS, list(_rows(plan)))]
    return "\n".join(lines) + "\n"


FORMATS: Mapping[str, Callable[[GatePlan], str]] = {
    TEXT: as_text,
    "markdown": as_markdown,
    "json": GatePlan.to_json,
}


def _assumptions(plan: GatePlan) -> Iterator[tuple[str, str, str]]:
    for one in plan.assumptions:
        origin = "GUESS" if one.origin == "guess" else one.origin
        yield (
            f"{one.domain} {one.name}",
            one.value,
            f"{origin}: {one.note}" if one.note else origin,
        )


def _rows(plan: GatePlan) -> Iterator[tuple[str, ...]]:
    for rule in plan.rules:
        passes = "" if rule.passes is None else f"{rule.passes:.0%}"
        if not rule.needed:
            yield named(rule), rule.slice, "beyond", "", "", passes
        for place, (domain, size) in enumerate(rule.needed.items()):
            yield (
                named(rule) if not place else "",
                _where(rule, domain),
                f"{'<= ' if size.at_most and rule.metric else ''}{size.patients}",
                str(size.with_finding),
                str(size.without_finding),
                passes if not place else "",
            )


def _where(rule: PlannedRule, domain: str) -> str:
    return rule.slice if len(rule.needed) == 1 else domain


def _outcome(plan: GatePlan) -> Iterator[str]:
    if plan.outcome == "planned":
        for domain, size in plan.suggested.items():
            yield (
                f"{domain}: {size.patients} patients, {size.with_finding} with the finding and "
                f"{size.without_finding} without"
            )
        yield (
            f"With these, the whole policy blesses the assumed model in {plan.blessed:.1%} of "
            f"{plan.tables} simulated tables (Monte Carlo error {100 * (plan.error or 0):.1f} "
            f"points, seed {plan.seed}); at least {plan.power:.0%} are asked for."
        )
        yield f"Most patients are taken by {'; '.join(plan.drivers)}."
    elif plan.outcome == "unreachable":
        yield "Can't be planned: the assumed model does not meet the policy."
    else:
        yield "Not planned: it takes more patients than are simulated."
    yield from plan.reasons
    yield from (f"Note: {one}" for one in plan.notes)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(printable(cell)) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            printable(cell).ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    return lines + [f"| {' | '.join(escaped(cell) for cell in row)} |" for row in rows]
