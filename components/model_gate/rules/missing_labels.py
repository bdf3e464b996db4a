"""Images without a label: how many, and of which decisions.

A model is not judged on them. If they are those that it gets wrong, what is left looks better than
the model is, so the verdict counts them and the policy has a ceiling.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from components.model_gate.policy.settings import DomainRules
from components.model_gate.rules.outcomes import FAIL, PASS, measured
from schemas import features
from schemas.documents.gate import Rule, Unlabelled
from trainer_modules.settings import TaskSettings

if TYPE_CHECKING:
    import pandas as pd

Counts = Mapping[str, Mapping[str, Unlabelled]]


def counted(table: pd.DataFrame, task: TaskSettings) -> dict[str, dict[str, Unlabelled]]:
    """By domain with images, and by target; the classes of a multiclass task are one target."""
    targets = task.targets[:1] if task.kind == "multiclass" else task.targets
    found: dict[str, dict[str, Unlabelled]] = {}
    for domain in features.DOMAINS:
        part = table[table[features.DOMAIN] == domain]
        if len(part):
            named = task.labels[0] if task.kind == "multiclass" else ""
            found[domain] = {named or one: _counted(part, one, task) for one in targets}
    return found


def _counted(part: pd.DataFrame, target: str, task: TaskSettings) -> Unlabelled:
    missing = part[~(part[features.label_weight(target)] > 0)]
    if task.kind == "multiclass":
        called = {one: int((missing[features.decision(one)] == 1).sum()) for one in task.targets}
    else:
        decision = missing[features.decision(target)]
        called = {"positive": int((decision == 1).sum()), "negative": int((decision == 0).sum())}
    return Unlabelled(images=len(part), unlabelled=len(missing), called=called)


def judged(counts: Counts, domains: Iterator[tuple[str, DomainRules]]) -> Iterator[Rule]:
    """A rule for each domain with images, on the target with the most of them unlabeled."""
    for domain, rules in domains:
        for target, one in sorted(counts.get(domain, {}).items(), key=_fraction)[-1:]:
            fraction = one.unlabelled / one.images
            where = domain if len(counts[domain]) == 1 else f"{domain} {target}"
            message = f"{where}: {one.unlabelled} of {one.images} images have no label"
            if one.unlabelled:
                called = ", ".join(f"{number} {name}" for name, number in one.called.items())
                message += f" (the model calls {called})"
            message += f", at most {rules.max_unlabelled:.0%} may have none"
            status = PASS if fraction <= rules.max_unlabelled else FAIL
            yield measured(
                "unlabeled ceiling", domain, "", fraction, rules.max_unlabelled, status, message
            )


def _fraction(item: tuple[str, Unlabelled]) -> float:
    return item[1].unlabelled / item[1].images
