"""How alpha is spent on several models that are judged on one test set.

Each of them has a chance of alpha to pass by luck. The rules bound the chance that any does, by
adding up (the union bound), as models judged on the same images are not independent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from components.model_gate.policy.settings import GateSettings
from schemas.documents.provenance import Reuse

# Sums of alpha / n may exceed alpha by rounding.
_ROUNDING = 1e-9


def spent(settings: GateSettings, look: int, others: Mapping[int, float]) -> Reuse:
    """What a look may spend.

    Args:
        settings: The policy: alpha is 1 minus its `confidence`.
        look: The model's number among those judged on the test set, from 1.
        others: What each look recorded before spent, by number.
    """
    rule, whole = settings.reuse.rule, _alpha(settings)
    planned = settings.reuse.looks or 1
    alpha = {"divide": whole / look, "planned": whole / planned, "none": whole}[rule]
    found = Reuse(
        counted=True,
        refused=False,
        look=look,
        rule=rule,
        alpha=alpha,
        # Exactly the policy's where nothing changes.
        confidence=settings.confidence if alpha == whole else 1 - alpha,
        message="",
        entry="",
    )
    message = f"this is the {_ordinal(look)} model judged on this test set"
    if refused := _over_plan(settings, look, alpha, others):
        return found.model_copy(update={"refused": True, "message": f"{message}: {refused}"})
    message += f"; intervals at {_percent(found.confidence)} %"
    if rule == "none" and look > 1:
        message += " as for the first: each has another chance to pass by luck"
    return found.model_copy(update={"message": message})


def uncounted(settings: GateSettings, why: str) -> Reuse:
    """A look that no ledger counts, at the policy's level; refused if looks are planned."""
    message, planned = f"looks at this test set were not counted: {why}", settings.reuse.looks
    if planned is not None:
        message += f"; reuse.rule 'planned' ({planned} looks) needs a ledger"
    return Reuse(
        counted=False,
        refused=planned is not None,
        look=None,
        rule=settings.reuse.rule,
        alpha=_alpha(settings),
        confidence=settings.confidence,
        message=message,
        entry="",
    )


def _over_plan(settings: GateSettings, look: int, alpha: float, others: Mapping[int, float]) -> str:
    """Why a plan allows no further model; empty if it does."""
    planned, whole = settings.reuse.looks, _alpha(settings)
    if planned is None:
        return ""
    if look > planned:
        return f"{planned} were planned, and nothing is measured"
    before = sum(other for number, other in others.items() if number != look)
    if before + alpha > whole * (1 + _ROUNDING):
        return (
            f"others spent {before:.3g} of {whole:.3g}, which leaves no {alpha:.3g} as planned "
            f"for {planned}, and nothing is measured"
        )
    return ""


def _alpha(settings: GateSettings) -> float:
    """What the level leaves, without the rounding of a subtraction."""
    return round(1 - settings.confidence, 12)


def _ordinal(number: int) -> str:
    teen = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def _percent(confidence: float) -> str:
    """With as many decimals as tell it from 100."""
    rest = 100 * (1 - confidence)
    decimals = max(1, 1 - math.floor(math.log10(rest)))
    return f"{100 - rest:.{decimals}f}".rstrip("0").rstrip(".")
