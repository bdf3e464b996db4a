"""TFMA's configuration: metrics, slices and thresholds on the Predictor's examples.

The predictions are features of those examples, so the model type is `materialized_prediction`:
TFMA evaluates without running the model a second time. Its AUC is the trapezoid over 10,000
thresholds and agrees with the Mann-Whitney AUC to better than 1e-3; missing labels have weight 0
and drop out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.evaluation_settings import EvaluationSettings
from trainer_modules import features
from trainer_modules.settings import TaskSettings

if TYPE_CHECKING:
    from tensorflow_model_analysis.proto import config_pb2

EVALUATED_SPLITS = (features.TEST, features.SHIFTED)


def evaluation_config(
    task: TaskSettings,
    subgroups: Sequence[str],
    settings: EvaluationSettings,
    shifted_required: bool = True,
) -> config_pb2.EvalConfig:
    """Builds TFMA's configuration.

    Each target is an output named after it; its decisions at the learned operating point are a
    second output, `decision/<target>`, which sensitivity, specificity and PPV are taken from.

    Args:
        task: What is predicted.
        subgroups: Columns to slice by, within each domain.
        settings: Thresholds.
        shifted_required: False where there may be no shifted data: its thresholds are left out,
            because TFMA counts a slice without data as a failure.
    """
    # 0.52 exports these messages at top level only in some import orders.
    from tensorflow_model_analysis.proto import config_pb2

    targets = list(task.targets)
    outputs = {target: features.prediction(target) for target in targets}
    decisions = {features.decision(target): features.decision(target) for target in targets}
    labels = {target: features.label(target) for target in targets}
    labels |= {features.decision(target): features.label(target) for target in targets}
    weights = {output: f"{label}/weight" for output, label in labels.items()}
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(
                model_type="materialized_prediction",
                label_keys=labels,
                prediction_keys=outputs | decisions,
                example_weight_keys=weights,
            )
        ],
        metrics_specs=[
            config_pb2.MetricsSpec(
                output_names=targets,
                output_weights=dict.fromkeys(targets, 1.0),
                metrics=[_auc(settings, shifted_required)],
            ),
            config_pb2.MetricsSpec(
                output_names=targets,
                metrics=[
                    _metric("AUCPrecisionRecall", name="pr_auc", num_thresholds=10_000),
                    _metric("MeanSquaredError", name="brier"),
                    _metric("Calibration"),
                    _metric("MeanLabel"),
                    _metric("MeanPrediction"),
                    _metric("WeightedExampleCount"),
                    _metric("ExampleCount"),
                ],
            ),
            config_pb2.MetricsSpec(
                output_names=list(decisions),
                metrics=[
                    _metric("Recall", name="sensitivity", thresholds=[0.5]),
                    _metric("Specificity", name="specificity", thresholds=[0.5]),
                    _metric("Precision", name="ppv", thresholds=[0.5]),
                ],
            ),
        ],
        slicing_specs=[
            config_pb2.SlicingSpec(),
            config_pb2.SlicingSpec(feature_keys=[features.DOMAIN]),
            config_pb2.SlicingSpec(feature_keys=[features.DOMAIN, features.SITE]),
            *(
                config_pb2.SlicingSpec(feature_keys=[features.DOMAIN, features.subgroup(name)])
                for name in subgroups
            ),
        ],
        cross_slicing_specs=[_domain_gap()],
    )


def _metric(class_name: str, **config: object) -> config_pb2.MetricConfig:
    from tensorflow_model_analysis.proto import config_pb2

    return config_pb2.MetricConfig(
        class_name=class_name, config=json.dumps(config) if config else ""
    )


def _auc(settings: EvaluationSettings, shifted_required: bool) -> config_pb2.MetricConfig:
    from tensorflow_model_analysis.proto import config_pb2

    floors: list[tuple[config_pb2.SlicingSpec, float | None]] = [
        # The empty slice is the whole set; a threshold without a slice would hold for every slice.
        (config_pb2.SlicingSpec(), settings.min_auc),
        (_domain(features.IN_DISTRIBUTION), settings.min_auc_in_distribution),
    ]
    if shifted_required:
        floors.append((_domain(features.SHIFTED), settings.min_auc_shifted))
    metric = _metric("AUC", name="auc", num_thresholds=10_000)
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
