"""Numbers of patients by formula: where to begin the search, and a check of what it finds.

For the AUC, the variance of the binormal model with patients as clusters (Obuchowski 1997), on the
log odds; for a rate, the power of Clopper and Pearson's lower bound. Neither is what the gate does,
whose intervals are wider where patients are few.
"""

from __future__ import annotations

import math

from scipy import special

from components.model_gate.planning.truths import Truth
from components.statistics import rates

# A search for the number of patients of a rate ends here.
_MOST = 1_000_000
# The variance of an AUC of 1 is 0; this is the highest that has one.
_NEXT_TO_ONE = 1e-3


def auc_patients(truth: Truth, floor: float, confidence: float, power: float) -> float:
    """Patients with whom the lower bound of the AUC's interval reaches a floor."""
    if floor <= 0:
        return 0.0
    if not floor < truth.auc:
        return math.inf
    auc = min(truth.auc, 1 - _NEXT_TO_ONE)
    room = float(special.logit(auc) - special.logit(min(floor, auc - _NEXT_TO_ONE / 2)))
    per_patient = variance_of_one(truth, auc) / (auc * (1 - auc)) ** 2
    return (_quantiles(confidence, power) / room) ** 2 * per_patient


def variance_of_one(truth: Truth, auc: float) -> float:
    """The AUC's variance times the number of patients, as that grows."""
    z = float(special.ndtri(auc))
    shared = auc - 2 * float(special.owens_t(z, 1 / math.sqrt(3))) - auc**2
    share = truth.prevalence
    return max(0.0, shared) / truth.effective * (1 / share + 1 / (1 - share))


def rate_patients(rate: float, floor: float, confidence: float, power: float) -> float:
    """Patients of one image with whom the exact lower bound of a rate reaches a floor.

    By halving, although the power goes up and down a little as the number grows.
    """
    if floor <= 0:
        return 0.0
    if not floor < rate:
        return math.inf
    low, high = 0, 1
    while rate_power(rate, floor, high, confidence) < power:
        if high > _MOST:
            return math.inf
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        enough = rate_power(rate, floor, middle, confidence) >= power
        low, high = (low, middle) if enough else (middle, high)
    return float(high)


def rate_power(rate: float, floor: float, number: int, confidence: float) -> float:
    """How often Clopper and Pearson's lower bound of a rate among so many reaches a floor."""
    none, least = 0, number + 1
    while least - none > 1:
        hits = (none + least) // 2
        reaches = rates.clopper_pearson(hits / number, number, confidence)[0] >= floor
        none, least = (none, hits) if reaches else (hits, least)
    if least > number:
        return 0.0
    return 1.0 if rate >= 1 else float(special.betainc(least, number - least + 1, rate))


def _quantiles(confidence: float, power: float) -> float:
    return float(special.ndtri((1 + confidence) / 2) + special.ndtri(power))
