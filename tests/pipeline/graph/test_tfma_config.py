"""Which threshold reaches which slice, read from the message that TFMA gets."""

import json

import pytest

from pipeline.config.evaluation_settings import EvaluationSettings
from pipeline.graph.tfma_config import evaluation_config
from trainer_modules.settings import TaskSettings

# Importing TFMA alone takes ten seconds; the tests are quick.
pytestmark = [pytest.mark.slow, pytest.mark.tfx]

TASK = TaskSettings(kind="multilabel", labels=("edema", "effusion"))
# No two alike: a floor at the wrong slice shows.
SETTINGS = EvaluationSettings(
    min_auc=0.51, min_auc_in_distribution=0.71, min_auc_shifted=0.61, max_domain_gap=0.21
)
WHOLE, ID, SHIFTED = (), (("domain", "in_distribution"),), (("domain", "shifted"),)


def built(settings=SETTINGS, subgroups=("sex", "age"), **more):
    return evaluation_config(TASK, subgroups, settings, **more)


def auc_of(config):
    (auc,) = (
        metric
        for spec in config.metrics_specs
        for metric in spec.metrics
        if json.loads(metric.config) == {"name": "auc"}
    )
    return auc


def floors(config):
    """Lower bounds by slice."""
    return {
        tuple(spec.feature_values.items()): threshold.threshold.value_threshold.lower_bound.value
        for threshold in auc_of(config).per_slice_thresholds
        for spec in threshold.slicing_specs
    }


def test_each_floor_holds_for_its_own_slice():
    expected = {WHOLE: 0.51, ID: 0.71, SHIFTED: 0.61}
    assert floors(built()) == pytest.approx(expected)
    assert len(auc_of(built()).per_slice_thresholds) == 3
    for threshold in auc_of(built()).per_slice_thresholds:
        assert not threshold.threshold.value_threshold.HasField("upper_bound")


@pytest.mark.parametrize(
    ("off", "left"),
    [
        ({"min_auc_in_distribution": None}, {WHOLE: 0.51, SHIFTED: 0.61}),
        ({"min_auc_shifted": None}, {WHOLE: 0.51, ID: 0.71}),
    ],
)
def test_a_floor_that_is_off_is_left_out(off, left):
    assert floors(built(SETTINGS.model_copy(update=off))) == pytest.approx(left)


def test_a_floor_of_zero_is_a_floor():
    found = floors(built(EvaluationSettings(min_auc=0.0)))
    assert found[WHOLE] == 0.0


def test_the_gap_is_in_distribution_minus_shifted_at_most_the_ceiling():
    (gap,) = auc_of(built()).cross_slice_thresholds
    assert gap.threshold.value_threshold.upper_bound.value == pytest.approx(0.21)
    assert not gap.threshold.value_threshold.HasField("lower_bound")
    (spec,) = gap.cross_slicing_specs
    assert dict(spec.baseline_spec.feature_values) == {"domain": "in_distribution"}
    assert [dict(one.feature_values) for one in spec.slicing_specs] == [{"domain": "shifted"}]
    assert list(built().cross_slicing_specs) == [spec]


def test_without_a_ceiling_there_is_no_threshold_on_the_gap():
    config = built(SETTINGS.model_copy(update={"max_domain_gap": None}))
    assert not auc_of(config).cross_slice_thresholds
    assert len(config.cross_slicing_specs) == 1  # it is reported all the same


def test_where_shifted_data_may_be_absent_nothing_is_asked_of_them():
    config = built(shifted_required=False)
    assert floors(config) == pytest.approx({WHOLE: 0.51, ID: 0.71})
    assert not auc_of(config).cross_slice_thresholds


def test_slices_are_the_whole_the_domains_and_groups_within_them():
    specs = built().slicing_specs
    assert [list(spec.feature_keys) for spec in specs] == [
        [],
        ["domain"],
        ["domain", "site"],
        ["domain", "subgroup/sex"],
        ["domain", "subgroup/age"],
        ["domain", "label/edema"],
        ["domain", "label/effusion"],
    ]
    assert not any(spec.feature_values for spec in specs)


def test_each_target_has_its_own_columns():
    (model,) = built().model_specs
    assert model.model_type == "materialized_prediction"
    assert dict(model.label_keys) == {"edema": "label/edema", "effusion": "label/effusion"}
    assert dict(model.example_weight_keys) == {
        "edema": "label/edema/weight",
        "effusion": "label/effusion/weight",
    }
    assert dict(model.prediction_keys) == {
        "edema": "prediction/edema",
        "effusion": "prediction/effusion",
        "decision/edema": "decision/edema",
        "decision/effusion": "decision/effusion",
    }


def test_figures_are_of_every_target_and_their_mean():
    figures, counts = built().metrics_specs
    named = [json.loads(metric.config)["name"] for metric in figures.metrics]
    assert sorted(named) == sorted(
        ["auc", "pr_auc", "sensitivity", "specificity", "ppv", "brier", "ece"]
    )
    assert dict(figures.output_weights) == {"edema": 1.0, "effusion": 1.0}
    assert {json.loads(metric.config)["name"] for metric in counts.metrics} >= {
        "weighted_example_count",
        "example_count",
        "mean_label",
    }
    assert not counts.output_weights
    for spec in (figures, counts):
        assert list(spec.output_names) == ["edema", "effusion"]
        for metric in spec.metrics:
            assert (metric.class_name, metric.module) == (
                "TargetMetric",
                "components.evaluator.metrics",
            )
