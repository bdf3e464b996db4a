"""How often 95 % intervals contain the truth, and how often the gate blesses what it must not.

    .venv/bin/python benchmarks/bench_coverage.py [--repetitions 1000] [--seed 1] [TABLE ...]

The tables are auc, metrics, differences, prevalence, net_benefit and carried (the last three from
simulation/thresholds.py), blessings (simulation/verdicts.py), planned (simulation/planned.py) and
monitoring (simulation/looks.py). In all but the last three, each cell shows how many of 100
intervals contain the truth and, in parentheses, how many have a lower bound above it: a model whose
truth is just below a floor is blessed that often. Samples with fewer than 10 patients of a class
are omitted, because the gate does not judge them; a cell is a dash if fewer than 40 of 100 samples
remain, because those would be a biased selection. Patients are SYNTHETIC
(components/model_gate/planning/patients.py), seeds are fixed.
"""

from __future__ import annotations

import argparse
import dataclasses
import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy import special

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.simulation import looks, planned, thresholds, verdicts
from components.model_gate.planning.patients import Labels, Population, draw, two_models
from components.statistics import clustered_auc, clustered_metrics, delong, jackknife
from components.statistics.clustered_auc import ClusteredAuc
from components.statistics.intervals import Interval

CONFIDENCE = 0.95
MIN_PATIENTS_PER_CLASS = 10
LABELS: tuple[Labels, ...] = ("image", "mixed", "patient")
# Patients, prevalence, AUC.
ROWS = (
    (30, 0.35, 0.75),
    (30, 0.35, 0.90),
    (30, 0.35, 0.97),
    (60, 0.35, 0.90),
    (60, 0.35, 0.97),
    (120, 0.35, 0.90),
    (120, 0.35, 0.97),
    (120, 0.10, 0.90),
    (120, 0.10, 0.97),
    (60, 0.05, 0.75),
    (60, 0.05, 0.90),
    (120, 0.05, 0.90),
    (120, 0.05, 0.97),
    (300, 0.05, 0.90),
    (300, 0.05, 0.97),
)
_FEWEST_SAMPLES = 0.4
_DRAWS = 500

# A number of samples to one interval by name each, beside its truth.
Measured = dict[str, tuple[Interval, float]]


@dataclasses.dataclass(frozen=True)
class Cell:
    """The population to draw from repeatedly, and what to measure on each sample."""

    population: Population
    measure: Callable[[Population, np.random.Generator], Measured]
    repetitions: int
    seed: int = 1


def counted(cell: Cell) -> dict[str, tuple[int, int, int]]:
    """By name: number of intervals, of those below the truth, and of those above it."""
    random = np.random.default_rng(cell.seed)
    counts: dict[str, list[int]] = {}
    for _ in range(cell.repetitions):
        for name, (interval, truth) in cell.measure(cell.population, random).items():
            few = min(interval.by_class.values(), default=0) < MIN_PATIENTS_PER_CLASS
            if few or not interval.judged:
                continue
            count = counts.setdefault(name, [0, 0, 0])
            count[0] += 1
            count[1] += interval.upper < truth
            count[2] += interval.lower > truth
    return {
        name: (number, below, above)
        for name, (number, below, above) in counts.items()
        if number >= _FEWEST_SAMPLES * cell.repetitions
    }


def auc(population: Population, random: np.random.Generator) -> Measured:
    """The AUC by image, by patient, and by DeLong's method with patients as clusters."""
    sample = draw(population, random)
    by_image = ClusteredAuc.of(sample)
    by_patient = ClusteredAuc.of(sample.by_patient(), by_image.correlations)
    found = by_image.interval(CONFIDENCE)
    normal = dataclasses.replace(delong.interval(sample, CONFIDENCE), by_class=found.by_class)
    return {
        "by image": (found, population.auc),
        "by patient": (by_patient.interval(CONFIDENCE), population.auc),
        "DeLong": (normal, population.auc),
    }


def metrics(population: Population, random: np.random.Generator) -> Measured:
    """Rates at the threshold of equal sensitivity and specificity, and calibration."""
    right = float(special.ndtr(special.ndtri(population.auc) / np.sqrt(2)))
    share = population.prevalence
    called = share * right + (1 - share) * (1 - right)
    truths = {
        "sensitivity": right,
        "sensitivity_by_patient": right,
        "specificity": right,
        "ppv": share * right / called,
        "npv": (1 - share) * right / (1 - called),
        "balanced_accuracy": right,
        "calibration_slope": 1.0,
        "calibration_intercept": 0.0,
        "calibration_error": 0.0,
        "brier": _brier(population),
    }
    precision = clustered_metrics.Precision(CONFIDENCE, _DRAWS)
    found = clustered_metrics.intervals(draw(population, random), precision)
    return {name: (found[name], truth) for name, truth in truths.items()}


def differences(population: Population, random: np.random.Generator) -> Measured:
    """The AUC lost under shift, and against a better model that shares half or most of the noise.

    The other model's AUC is a third nearer to 1. Intervals below the truth must be rare.
    """
    better = 1 - (1 - population.auc) * 2 / 3
    lost = population.auc - better
    found = {}
    for shared in (0.5, 0.9):
        pair = two_models(population, better, shared, random)
        aucs = [ClusteredAuc.of(one) for one in pair]
        interval = clustered_auc.difference(aucs[0], aucs[1], CONFIDENCE)
        found[f"paired, {shared:g} shared"] = (interval, lost)
    other = ClusteredAuc.of(draw(dataclasses.replace(population, auc=better), random))
    apart = jackknife.gap(aucs[0].interval(CONFIDENCE), other.interval(CONFIDENCE))
    found["two domains"] = (apart, lost)
    return found


def _brier(population: Population) -> float:
    """The Brier score of the binormal model, by quadrature."""
    shift = float(np.sqrt(2) * special.ndtri(population.auc))
    score = np.linspace(-9, 9 + shift, 40_001)
    positive = population.prevalence * np.exp(-((score - shift) ** 2) / 2)
    negative = (1 - population.prevalence) * np.exp(-(score**2) / 2)
    probability = positive / (positive + negative)
    squared = positive * (1 - probability) ** 2 + negative * probability**2
    return float(squared.sum() / (positive + negative).sum())


def table(
    measure: Callable[[Population, np.random.Generator], Measured], repetitions: int, seed: int
) -> None:
    """Prints a line for each row and kind of label."""
    populations = [Population(*row, labels=labels) for labels in LABELS for row in ROWS]
    cells = [Cell(one, measure, repetitions, seed) for one in populations]
    heading: Sequence[str] = ()
    with multiprocessing.Pool() as pool:
        for population, counts in zip(populations, pool.imap(counted, cells), strict=True):
            if not heading and counts:
                heading = list(counts)
                print(f"\n{'patients, prevalence, AUC, label of':36}", *map(_column, heading))
            what = f"{population.patients:4} {population.prevalence:4.0%} {population.auc:.2f}"
            line = " ".join(_column(one) for one in _figures(heading, counts))
            print(f"{what + ' ' + population.labels:36} {line}", flush=True)


def _figures(names: Sequence[str], counts: dict[str, tuple[int, int, int]]) -> Iterator[str]:
    for name in names:
        if name not in counts:
            yield "-"
            continue
        number, below, above = counts[name]
        yield f"{100 * (number - below - above) / number:.1f} ({100 * above / number:.1f})"


def _column(text: str) -> str:
    return f"{text.replace('calibration_', 'cal. ').replace('_', ' '):>22}"


MEASURES = {"auc": auc, "metrics": metrics, "differences": differences} | thresholds.MEASURES
BLESSINGS = "blessings"
PLANNED = "planned"
MONITORING = "monitoring"


def main() -> int:
    """Prints the requested tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    accepted = (*MEASURES, BLESSINGS, PLANNED, MONITORING)
    parser.add_argument("table", nargs="*", help=f"{', '.join(accepted)}; default: all")
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    names = arguments.table or accepted
    if unknown := set(names) - set(accepted):
        parser.error(f"no table {', '.join(sorted(unknown))}; accepted: {', '.join(accepted)}")
    for name in names:
        if name == BLESSINGS:
            verdicts.print_table(list(verdicts.scenarios()), arguments.repetitions, arguments.seed)
        elif name == PLANNED:
            verdicts.print_table(list(planned.planned()), arguments.repetitions, arguments.seed)
        elif name == MONITORING:
            looks.print_table(arguments.repetitions)
        else:
            table(MEASURES[name], arguments.repetitions, arguments.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
