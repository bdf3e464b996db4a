"""Our metrics as TFMA metrics: one pass over an example for every metric of every target.

TFMA's own metrics read each example once per metric, target and slice, which took twenty times as
long, and TFMA has no calibration error. TFMA still does the slicing, the combining, the thresholds
and the output.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
from tensorflow_model_analysis.metrics import metric_types
from tensorflow_model_analysis.utils import util

from components.evaluator.score_table import ScoreTable
from schemas import features


class TargetMetric(metric_types.Metric):
    """One metric of `ScoreTable.metrics`, by name, for each output of its specification."""

    def __init__(self, name: str):
        """Names the metric."""
        super().__init__(_computations, name=name)


def _computations(
    name: str,
    model_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    example_weighted: bool = False,
) -> metric_types.MetricComputations:
    targets = tuple(output_names or ())
    computations: metric_types.MetricComputations = []
    for model in model_names or [""]:
        # A leading underscore keeps the table out of the results. Metrics with the same key share
        # one table.
        table = metric_types.MetricKey(
            name="_score_table " + ", ".join(targets),
            model_name=model,
            example_weighted=example_weighted,
        )
        computations.append(
            metric_types.MetricComputation(
                keys=[table],
                preprocessors=[_Rows(model, targets)],
                combiner=_Combiner(table, len(targets)),
            )
        )
        keys = [
            metric_types.MetricKey(
                name=name, model_name=model, output_name=target, example_weighted=example_weighted
            )
            for target in targets
        ]
        computations.append(
            metric_types.DerivedMetricComputation(keys=keys, result=_Metric(name, table, keys))
        )
    return computations


class _Metric:
    """Takes one metric out of the table."""

    def __init__(
        self, name: str, table: metric_types.MetricKey, keys: Sequence[metric_types.MetricKey]
    ):
        self._name, self._table, self._keys = name, table, keys

    def __call__(self, metrics: dict[Any, Any]) -> dict[metric_types.MetricKey, float]:
        values = metrics[self._table][self._name]
        return {key: float(value) for key, value in zip(self._keys, values, strict=True)}


class _Rows(metric_types.Preprocessor):
    """Turns an example into one row, before it reaches its slices."""

    def __init__(self, model: str, targets: Sequence[str]):
        super().__init__(name="rows " + ", ".join([model, *targets]))
        self._model = model
        self._targets = [(target, features.decision(target)) for target in targets]

    def process(self, extracts: dict[str, Any]) -> Iterator[np.ndarray]:
        inputs = util.StandardExtracts(extracts)
        labels = inputs.get_labels(self._model)
        weights = inputs.get_example_weights(self._model)
        predictions = inputs.get_predictions(self._model)
        yield np.array(
            [
                (
                    labels[target].item(),
                    weights[target].item(),
                    predictions[target].item(),
                    predictions[decision].item(),
                )
                for target, decision in self._targets
            ],
            np.float32,
        )


class _Combiner(beam.CombineFn):
    """Combines rows into a table, and the table into metrics."""

    def __init__(self, key: metric_types.MetricKey, targets: int):
        self._key, self._targets = key, targets

    def create_accumulator(self) -> ScoreTable:
        return ScoreTable.empty(self._targets)

    def add_input(self, accumulator: ScoreTable, element: np.ndarray) -> ScoreTable:
        accumulator.add([element])
        return accumulator

    def add_inputs(self, accumulator: ScoreTable, elements: Iterable[np.ndarray]) -> ScoreTable:
        accumulator.add(elements)
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[ScoreTable]) -> ScoreTable:
        merged = ScoreTable.empty(self._targets)
        for one in accumulators:
            merged.merge(one)
        return merged

    def compact(self, accumulator: ScoreTable) -> ScoreTable:
        accumulator.fold()
        return accumulator

    def extract_output(
        self, accumulator: ScoreTable
    ) -> dict[metric_types.MetricKey, dict[str, np.ndarray]]:
        return {self._key: accumulator.metrics()}
