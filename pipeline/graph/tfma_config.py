"""TFMA's configuration: metrics, slices and thresholds on the Predictor's examples.

The predictions are features of those examples, so the model type is `materialized_prediction`:
TFMA evaluates without running the model a second time. The metrics are those of
`components.evaluator`, which agree with scikit-learn to better than 1e-3; missing labels have
weight 0 and do not count.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.config.evaluation_settings import EvaluationSettings
from schemas import features
from trainer_modules.settings import TaskSettings

if TYPE_CHECKING:
    from tensorflow_model_analysis.proto import config_pb2

EVALUATED_SPLITS = (features.TEST, features.SHIFTED)
# By target and, if there are several, as their mean.
METRICS = ("auc", "pr_auc", "sensitivity", "specificity", "ppv", "brier", "ece")
COUNTS = (
    "calibration",
    "mean_label",
    "mean_prediction",
    "weighted_example_count",
    "example_count",
)


def evaluation_config(
    task: TaskSettings,
    subgroups: Sequence[str],
    settings: EvaluationSettings,
    shifted_required: bool = True,
) -> config_pb2.EvalConfig:
    """Builds TFMA's configuration.

    Each target is an output named after it. Its decisions at the learned operating point are a
    second prediction, `decision/<target>`, from which sensitivity, specificity and PPV follow.

    Args:
        task: What is predicted.
        subgroups: Columns to slice by, within each domain.
        settings: Thresholds.
        shifted_required: False if there may be no shifted data: its thresholds are omitted,
            because TFMA counts a slice without data as a failure.
    """
    # 0.52 exports these messages at top level only in some import orders.
    from tensorflow_model_analysis.proto import config_pb2

    targets = list(task.targets)
    scores = {target: features.prediction(target) for target in targets}
    decisions = {features.decision(target): features.decision(target) for target in targets}
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(
                model_type="materialized_prediction",
                label_keys={target: features.label(target) for target in targets},
                prediction_keys=scores | decisions,
                example_weight_keys={target: features.label_weight(target) for target in targets},
            )
        ],
        metrics_specs=[
            config_pb2.MetricsSpec(
                output_names=targets,
                output_weights=dict.fromkeys(targets, 1.0),
                metrics=[_metric(name) for name in METRICS if name != "auc"]
                + [_auc(settings, shifted_required)],
            ),
            config_pb2.MetricsSpec(output_names=targets, metrics=[_metric(n) for n in COUNTS]),
        ],
        slicing_specs=[
            config_pb2.SlicingSpec(),
            config_pb2.SlicingSpec(feature_keys=[features.DOMAIN]),
            config_pb2.SlicingSpec(feature_keys=[features.DOMAIN, features.SITE]),
            *(
                config_pb2.SlicingSpec(feature_keys=[features.DOMAIN, features.subgroup(name)])
                for name in subgroups
            ),
            *(
                config_pb2.SlicingSpec(feature_keys=[features.DOMAIN, features.label(target)])
                for target in targets
            ),
        ],
        cross_slicing_specs=[_domain_gap()],
    )


def metric_modules(config: config_pb2.EvalConfig) -> list[str]:
    """The modules that TFMA imports by name for the configuration's metrics."""
    return sorted({metric.module for spec in config.metrics_specs for metric in spec.metrics})


def _metric(name: str) -> config_pb2.MetricConfig:
    from tensorflow_model_analysis.proto import config_pb2

    return config_pb2.MetricConfig(
        class_name="TargetMetric",
        module="components.evaluator.metrics",
        config=json.dumps({"name": name}),
    )


def _auc(settings: EvaluationSettings, shifted_required: bool) -> config_pb2.MetricConfig:
    from tensorflow_model_analysis.proto import config_pb2

    floors: list[tuple[config_pb2.SlicingSpec, float | None]] = [
        # The empty slice is the whole set; a threshold without a slice would apply to every slice.
        (config_pb2.SlicingSpec(), settings.min_auc),
        (_domain(features.IN_DISTRIBUTION), settings.min_auc_in_distribution),
    ]
    if shifted_required:
        floors.append((_domain(features.SHIFTED), settings.min_auc_shifted))
    metric = _metric("auc")
    for slice_spec, floor in floors:
        if floor is not None:
            threshold = config_pb2.GenericValueThreshold(lower_bound={"value": floor})
            metric.per_slice_thresholds.add(
                slicing_specs=[slice_spec],
                threshold=config_pb2.MetricThreshold(value_threshold=threshold),
            )
    if shifted_required and settings.max_domain_gap is not None:
        ceiling = config_pb2.GenericValueThreshold(upper_bound={"value": settings.max_domain_gap})
        metric.cross_slice_thresholds.add(
            cross_slicing_specs=[_domain_gap()],
            threshold=config_pb2.MetricThreshold(value_threshold=ceiling),
        )
    return metric


def _domain(name: str) -> config_pb2.SlicingSpec:
    from tensorflow_model_analysis.proto import config_pb2

    return config_pb2.SlicingSpec(feature_values={features.DOMAIN: name})


def _domain_gap() -> config_pb2.CrossSlicingSpec:
    from tensorflow_model_analysis.proto import config_pb2

    return config_pb2.CrossSlicingSpec(
        baseline_spec=_domain(features.IN_DISTRIBUTION), slicing_specs=[_domain(features.SHIFTED)]
    )
