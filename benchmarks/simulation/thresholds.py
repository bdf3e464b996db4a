"""What depends on thresholds: PPV and NPV at a prevalence, net benefit, thresholds carried over."""

from __future__ import annotations

import numpy as np
from scipy import special

from components.model_gate.planning.patients import Population, draw
from components.statistics import clustered_metrics
from components.statistics.clustered_auc import patients_by_class
from components.statistics.intervals import Interval
from components.statistics.thresholds import chosen, net_benefit, predictive_values
from trainer_modules.settings import OperatingPointSettings

CONFIDENCE = 0.95
# As in a screening program. What PPV and NPV cover does not depend on it.
PREVALENCE = 0.01
_THRESHOLDS = (0.05, 0.2, 0.5)
_AT = 0.9

Measured = dict[str, tuple[Interval, float]]


def at_prevalence(population: Population, random: np.random.Generator) -> Measured:
    """PPV and NPV at another prevalence, at the threshold of equal sensitivity and specificity."""
    right = float(special.ndtr(special.ndtri(population.auc) / np.sqrt(2)))
    rates = clustered_metrics.decided(draw(population, random), CONFIDENCE)
    found = predictive_values.at_prevalences(rates, [PREVALENCE])
    sick, well = PREVALENCE * right, (1 - PREVALENCE) * right
    truths = {
        "ppv": sick / (sick + (1 - PREVALENCE) * (1 - right)),
        "npv": well / (well + PREVALENCE * (1 - right)),
    }
    names = {
        predictive_values.metric_name(name, PREVALENCE) + suffix: truth
        for name, truth in truths.items()
        for suffix in ("", clustered_metrics.BY_PATIENT)
    }
    return {name: (found[name], truth) for name, truth in names.items()}


def net_benefits(population: Population, random: np.random.Generator) -> Measured:
    """Net benefit of calibrated probabilities, and how much more that is than if all are treated.

    At another prevalence, the two differ by a constant.
    """
    records = draw(population, random)
    by_class = patients_by_class(records)
    measured = {}
    for curve in net_benefit.curves(records, _THRESHOLDS, [PREVALENCE], CONFIDENCE):
        share = curve.prevalence if curve.given else population.prevalence
        for place, threshold in enumerate(_THRESHOLDS):
            truth, of_all = _truths(population, threshold, share)
            named = {f"benefit {threshold:g}": (curve.model[place], truth)}
            if curve.given:
                named = {f"at {share:g}, {threshold:g}": (curve.model[place], truth)}
            else:
                named[f"over all {threshold:g}"] = (curve.over_all[place], truth - of_all)
            for name, (bounds, true) in named.items():
                size = (records.patients, records.examples)
                measured[name] = (Interval(*bounds, *size, by_class=by_class), true)
    return measured


def carried(population: Population, random: np.random.Generator) -> Measured:
    """Rates at a threshold that as many other patients chose, on the patients that are judged.

    The truth is that of the threshold which was chosen; `chosen` is what those who chose it say.
    """
    choosers, judged = draw(population, random), draw(population, random)
    measured = {}
    for rule in ("sensitivity", "specificity"):
        settings = OperatingPointSettings(rule=rule, at_least=_AT)
        threshold = chosen.choose(choosers, settings, 10, CONFIDENCE)["finding"]
        if not threshold.defined:
            continue
        found = clustered_metrics.decided(chosen.at(judged, {"finding": threshold}), CONFIDENCE)
        truths = _rates(population, threshold.value)
        for name, truth in zip(("sensitivity", "specificity"), truths, strict=True):
            measured[f"{name[:4]} at {rule[:4]}"] = (found[name], truth)
            if name == rule:
                measured[f"chosen {rule[:4]}"] = (getattr(threshold, rule), truth)
    return measured


def _rates(population: Population, probability: float) -> tuple[float, float]:
    """Sensitivity and specificity of the binormal model where its probability is cut."""
    shift = float(np.sqrt(2) * special.ndtri(population.auc))
    bounded = min(max(probability, 1e-12), 1 - 1e-12)
    odds = special.logit(bounded) - special.logit(population.prevalence)
    cut = float((odds + shift**2 / 2) / shift)
    return float(special.ndtr(shift - cut)), float(special.ndtr(cut))


def _truths(population: Population, threshold: float, prevalence: float) -> tuple[float, float]:
    """Net benefit of the model, and if all are treated."""
    sensitivity, specificity = _rates(population, threshold)
    odds = threshold / (1 - threshold)
    false = (1 - prevalence) * odds
    return prevalence * sensitivity - false * (1 - specificity), prevalence - false


MEASURES = {
    "prevalence": at_prevalence,
    "net_benefit": net_benefits,
    "carried": carried,
}
