"""TFX's Evaluator on predictions that are already there, against scikit-learn."""

import json
import os

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from pipeline.config.evaluation_settings import EvaluationSettings
from pipeline.graph.tfma_config import EVALUATED_SPLITS, evaluation_config
from trainer_modules.settings import TaskSettings

pytestmark = pytest.mark.slow

TASK = TaskSettings(kind="multilabel", labels=("edema", "pleural effusion"))


def batch(domain: str, size: int, noise: float) -> dict[str, np.ndarray]:
    """Synthetic predictions; a fifth of the labels is unknown."""
    random = np.random.default_rng(size)
    columns = {
        "image/id": [f"{domain}{index}" for index in range(size)],
        "patient_id": [f"{domain}{index // 2}" for index in range(size)],
        "site": [f"site{index % 2}" for index in range(size)],
        "domain": [domain] * size,
        "subgroup/sex": ["FM"[index % 2] for index in range(size)],
    }
    columns = {name: np.array(values, dtype=object) for name, values in columns.items()}
    for target in TASK.targets:
        weight = (random.random(size) < 0.8).astype(np.float32)
        label = (random.random(size) < 0.4).astype(np.float32) * weight
        score = 1 / (1 + np.exp(-(label - 0.5 + noise * random.normal(size=size))))
        columns[f"label/{target}"] = label
        columns[f"label/{target}/weight"] = weight
        columns[f"prediction/{target}"] = score.astype(np.float32)
        columns[f"decision/{target}"] = (score >= 0.55).astype(np.float32)
    return columns


@pytest.fixture(scope="module")
def in_distribution() -> dict[str, np.ndarray]:
    return batch("in_distribution", 400, 0.4)


@pytest.fixture(scope="module")
def shifted() -> dict[str, np.ndarray]:
    return batch("shifted", 300, 0.9)


def evaluate(folder, in_distribution, shifted, settings, shifted_required=True, task=TASK):
    """Runs the component's executor; returns the evaluation's folder and the blessing."""
    from tfx import v1 as tfx
    from tfx.components.util import examples_utils
    from tfx.dsl.components.base import base_beam_executor
    from tfx.proto import example_gen_pb2
    from tfx.types import artifact_utils
    from tfx.utils import proto_utils

    from components.evaluator import executor
    from components.predictor.predictions_writer import PredictionsWriter

    predictions = folder / "predictions"
    with PredictionsWriter(str(predictions), TASK.targets, ("sex",)) as writer:
        writer.write_split("test", [in_distribution])
        writer.write_split("shifted", [shifted] if shifted else [])
    artifacts = tfx.types.standard_artifacts
    examples, model = artifacts.Examples(), artifacts.Model()
    examples.uri = str(predictions)
    examples.split_names = artifact_utils.encode_split_names(["validation", "test", "shifted"])
    examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
    # There is no model in this folder: evaluation can't have run one.
    model.uri = str(folder / "model")
    evaluation, blessing = artifacts.ModelEvaluation(), artifacts.ModelBlessing()
    evaluation.uri, blessing.uri = str(folder / "evaluation"), str(folder / "blessing")
    context = base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=["--runner=FnApiRunner"], tmp_dir=str(folder / "tmp"), unique_id="1"
    )
    config = evaluation_config(task, ("sex",), settings, shifted_required)
    executor.Executor(context).Do(
        {"examples": [examples], "model": [model]},
        {"evaluation": [evaluation], "blessing": [blessing]},
        {
            "eval_config": proto_utils.proto_to_json(config),
            "example_splits": json.dumps(EVALUATED_SPLITS),
            "fairness_indicator_thresholds": "null",
        },
    )
    return evaluation.uri, (os.listdir(blessing.uri), blessing.get_int_custom_property("blessed"))


def test_passes_and_agrees_with_scikit_learn(tmp_path, in_distribution, shifted):
    import tensorflow_model_analysis as tfma

    folder, blessing = evaluate(tmp_path, in_distribution, shifted, EvaluationSettings())
    assert blessing == (["BLESSED"], 1)
    assert tfma.load_validation_result(folder).validation_ok
    slices = dict(tfma.load_eval_result(folder).slicing_metrics)
    both = {name: np.concatenate([in_distribution[name], shifted[name]]) for name in shifted}
    sex = (("domain", "shifted"), ("subgroup/sex", "F"))
    site = (("domain", "in_distribution"), ("site", "site1"))
    for key, data, keep in (
        ((), both, slice(None)),
        ((("domain", "shifted"),), shifted, slice(None)),
        (sex, shifted, shifted["subgroup/sex"] == "F"),
        (site, in_distribution, in_distribution["site"] == "site1"),
    ):
        means = dict.fromkeys(("auc", "pr_auc", "ece"), 0.0)
        for target in TASK.targets:
            label, weight, score, decision = (
                data[name][keep].astype(np.float64)
                for name in (
                    f"label/{target}",
                    f"label/{target}/weight",
                    f"prediction/{target}",
                    f"decision/{target}",
                )
            )
            metrics = {n: v["doubleValue"] for n, v in slices[key][target][""].items()}
            known = weight > 0
            expected = {
                "auc": roc_auc_score(label[known], score[known]),
                "pr_auc": average_precision_score(label[known], score[known]),
                "ece": calibration_error(label[known], score[known]),
            }
            for name, value in expected.items():
                means[name] += value / 2
                assert metrics[name] == pytest.approx(value, abs=1e-3)
            brier = np.average((score - label) ** 2, weights=weight)
            assert metrics["brier"] == pytest.approx(brier, abs=1e-6)
            assert metrics["weighted_example_count"] == weight.sum()
            assert metrics["example_count"] == len(weight)
            assert metrics["mean_label"] == pytest.approx(label[known].mean())
            ratio = score[known].mean() / label[known].mean()
            assert metrics["calibration"] == pytest.approx(ratio, rel=1e-5)
            for name, kept, right in (
                ("sensitivity", label == 1, decision == 1),
                ("specificity", (label == 0) & known, decision == 0),
                ("ppv", (decision == 1) & known, label == 1),
            ):
                assert metrics[name] == pytest.approx(right[kept].mean(), abs=1e-6)
        for name, mean in means.items():
            assert slices[key][""][""][name]["doubleValue"] == pytest.approx(mean, abs=1e-3)
    # By label value: the sick alone have a sensitivity, and nothing to rank.
    sick = slices[(("domain", "shifted"), ("label/edema", 1.0))]["edema"][""]
    decided = shifted["decision/edema"][shifted["label/edema"] == 1]
    assert sick["sensitivity"]["doubleValue"] == pytest.approx(decided.mean(), abs=1e-6)
    assert not np.isfinite(float(sick["auc"]["doubleValue"]))


def calibration_error(label, score) -> float:
    """Mean distance of mean score and mean label over 15 bins, bin by bin."""
    total = 0.0
    for low in np.arange(15) / 15:
        inside = (score >= low) & (score < low + 1 / 15)
        if inside.any():
            total += inside.sum() * abs(score[inside].mean() - label[inside].mean())
    return total / len(label)


def failing_slices(folder) -> set[str]:
    import tensorflow_model_analysis as tfma

    names = set()
    for failed in tfma.load_validation_result(folder).metric_validations_per_slice:
        assert {failure.metric_key.name for failure in failed.failures} == {"auc"}
        if failed.HasField("cross_slice_key"):
            names.add("gap")
        else:
            keys = failed.slice_key.single_slice_keys
            names.add("".join(key.bytes_value.decode() for key in keys))
    return names


def test_refuses_each_slice_for_its_own_threshold(tmp_path, in_distribution, shifted):
    settings = EvaluationSettings(
        min_auc=0.99, min_auc_in_distribution=0.5, min_auc_shifted=0.95, max_domain_gap=0.05
    )
    folder, blessing = evaluate(tmp_path, in_distribution, shifted, settings)
    assert blessing == (["NOT_BLESSED"], 0)
    assert failing_slices(folder) == {"", "shifted", "gap"}


def test_refuses_for_the_gap_alone(tmp_path, in_distribution, shifted):
    settings = EvaluationSettings(max_domain_gap=0.05)
    folder, blessing = evaluate(tmp_path, in_distribution, shifted, settings)
    assert blessing == (["NOT_BLESSED"], 0)
    assert failing_slices(folder) == {"gap"}


@pytest.mark.parametrize(("required", "blessed"), [(True, 0), (False, 1)])
def test_without_shifted_data(tmp_path, in_distribution, required, blessed):
    _, blessing = evaluate(tmp_path, in_distribution, None, EvaluationSettings(), required)
    assert blessing[1] == blessed


def test_nan_counts_against_the_model_one_class_of_a_multiclass_task(
    tmp_path, in_distribution, shifted
):
    import tensorflow_model_analysis as tfma

    task = TaskSettings(kind="multiclass", labels=("finding",), classes=TASK.targets)
    broken = dict(shifted)
    broken["prediction/edema"] = np.full_like(shifted["prediction/edema"], np.nan)
    folder, blessing = evaluate(tmp_path, in_distribution, broken, EvaluationSettings(), task=task)
    assert blessing == (["NOT_BLESSED"], 0)
    slices = dict(tfma.load_eval_result(folder).slicing_metrics)
    found = slices[(("domain", "shifted"),)]
    assert found["edema"][""]["auc"]["doubleValue"] == 0
    label, weight, score = (
        shifted[name]
        for name in (
            "label/pleural effusion",
            "label/pleural effusion/weight",
            "prediction/pleural effusion",
        )
    )
    expected = roc_auc_score(label, score, sample_weight=weight)
    auc = found["pleural effusion"][""]["auc"]["doubleValue"]
    assert auc == pytest.approx(expected, abs=1e-3)
