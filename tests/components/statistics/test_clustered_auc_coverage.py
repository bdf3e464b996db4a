"""How often the gate's intervals hold the truth where hospitals are: few positives, high AUC.

A small part of `benchmarks/bench_coverage.py`, which prints the whole grid.
"""

import math

import pytest

from benchmarks import bench_coverage
from components.model_gate.planning.patients import Population

pytestmark = pytest.mark.slow

REPETITIONS = 300
# What the gate promises, and two standard errors of a count among the repetitions.
PROMISED_COVER, PROMISED_ABOVE = 0.93, 0.04


def allowed(share: float, number: int) -> float:
    return 2 * math.sqrt(share * (1 - share) / number)


def shares(measure, population: Population) -> dict[str, tuple[float, float, int]]:
    """By name: how often the interval holds the truth, or lies above it, and of how many."""
    counts = bench_coverage.counted(bench_coverage.Cell(population, measure, REPETITIONS))
    return {
        name: (1 - (below + above) / number, above / number, number)
        for name, (number, below, above) in counts.items()
    }


@pytest.mark.parametrize(
    "population",
    [
        Population(30, 0.35, 0.97, "patient"),
        Population(60, 0.35, 0.97, "image"),
        Population(120, 0.10, 0.90, "patient"),
        Population(120, 0.05, 0.97, "image"),
        Population(60, 0.35, 0.90, "mixed"),
        Population(120, 0.10, 0.97, "patient", images=1),
    ],
    ids=str,
)
def test_auc(population):
    found = shares(bench_coverage.auc, population)
    for name in ("by image", "by patient"):
        cover, above, number = found[name]
        assert cover >= PROMISED_COVER - allowed(PROMISED_COVER, number), name
        assert above <= PROMISED_ABOVE + allowed(PROMISED_ABOVE, number), name
    # The same samples by the method in common use: what is too short can be told here.
    assert found["DeLong"][1] > 0.08


@pytest.mark.parametrize(
    "population", [Population(60, 0.35, 0.95, "patient"), Population(120, 0.35, 0.85, "image")]
)
def test_metrics(population):
    for name, (cover, above, number) in shares(bench_coverage.metrics, population).items():
        assert cover >= PROMISED_COVER - allowed(PROMISED_COVER, number), name
        assert above <= 0.05 + allowed(0.05, number), name


@pytest.mark.parametrize(
    "population", [Population(60, 0.35, 0.90, "patient"), Population(120, 0.10, 0.90, "image")]
)
def test_differences(population):
    for name, (cover, above, number) in shares(bench_coverage.differences, population).items():
        assert cover >= PROMISED_COVER - allowed(PROMISED_COVER, number), name
        assert above <= PROMISED_ABOVE + allowed(PROMISED_ABOVE, number), name
