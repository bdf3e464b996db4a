"""TFMA's metrics as plain rows. Only this module imports TFMA, which takes many seconds."""

from __future__ import annotations

from typing import Any, NamedTuple

from schemas import features
from schemas.documents.document import finite


class SliceMetric(NamedTuple):
    """A metric of one of the model's outputs in a slice; an empty output: the mean of all."""

    slice: str
    output: str
    metric: str
    value: float | None


def read_slices(folder: str) -> list[SliceMetric]:
    """Every scalar metric in an Evaluator's output."""
    import tensorflow_model_analysis as tfma

    return rows_of(tfma.load_eval_result(folder).slicing_metrics)


def rows_of(slicing_metrics: list[tuple[Any, Any]]) -> list[SliceMetric]:
    """Flattens TFMA's nesting (slice -> output -> sub key -> metric).

    Omits plots and differences between slices: the gate measures the relevant difference, with an
    interval.

    Args:
      slicing_metrics: Pairs of a slice key (pairs of column and value) and its metrics.
    """
    rows = []
    for slice_key, outputs in slicing_metrics:
        if _is_difference(slice_key):
            continue
        name = ", ".join(f"{_column(key)} = {value}" for key, value in slice_key) or "overall"
        for output, sub_keys in outputs.items():
            for sub_key, metrics in sub_keys.items():
                for metric, value in metrics.items():
                    number = value.get("doubleValue") if isinstance(value, dict) else value
                    if isinstance(number, bool) or not isinstance(number, int | float):
                        continue
                    full_name = f"{metric} ({sub_key})" if sub_key else metric
                    rows.append(SliceMetric(name, output, full_name, finite(number)))
    return rows


def _is_difference(slice_key: tuple[Any, ...]) -> bool:
    """Whether the key is a pair of slice keys instead of pairs of column and value."""
    return any(not pair or isinstance(pair[0], tuple) for pair in slice_key)


def _column(name: str) -> str:
    return name.removeprefix(features.subgroup(""))
