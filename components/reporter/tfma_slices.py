"""TFMA's metrics as plain rows. Alone in importing TFMA, which takes many seconds."""

from __future__ import annotations

from typing import Any


def read_slices(folder: str) -> list[dict[str, Any]]:
    """Rows {slice, output, metric, value} of every scalar figure in an Evaluator's output."""
    import tensorflow_model_analysis as tfma

    return rows_of(tfma.load_eval_result(folder).slicing_metrics)


def rows_of(slicing_metrics: list[tuple[Any, Any]]) -> list[dict[str, Any]]:
    """Flattens TFMA's nesting (slice -> output -> sub key -> metric); plots are left out.

    Args:
      slicing_metrics: Pairs of a slice key (pairs of column and value) and its metrics.
    """
    rows = []
    for slice_key, outputs in slicing_metrics:
        name = _name(slice_key)
        for output, sub_keys in outputs.items():
            for sub_key, metrics in sub_keys.items():
                for metric, value in metrics.items():
                    if isinstance(value, dict) and "doubleValue" in value:
                        value = value["doubleValue"]
                    if isinstance(value, bool) or not isinstance(value, int | float):
                        continue
                    full_name = f"{metric} ({sub_key})" if sub_key else metric
                    rows.append(
                        {"slice": name, "output": output, "metric": full_name, "value": value}
                    )
    return rows


def _name(slice_key: tuple[Any, ...]) -> str:
    """`overall`, `domain = shifted, sex = F`, or the two slices of a cross-slice difference."""
    if any(not pair or isinstance(pair[0], tuple) for pair in slice_key):
        return " \u2212 ".join(_name(side) for side in slice_key)
    return ", ".join(f"{column} = {value}" for column, value in slice_key) or "overall"
