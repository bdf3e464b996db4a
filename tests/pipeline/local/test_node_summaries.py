"""The result that each node's line shows."""

import json
import types

import pytest

from components.data_gate.checks import outcomes
from components.data_gate.checks.findings import NearDuplicates
from pipeline.local.node_summaries import summarize
from schemas.documents.document import Document
from schemas.documents.study import Cell, CellResult, Curve, Point, StudyMetrics
from tests.made_documents import data_gate_report, gate_verdict, history, ingest_report, interval


class Artifact(types.SimpleNamespace):
    """As much of a TFX artifact as a summary reads."""

    def get_int_custom_property(self, name):
        return getattr(self, name)

    def get_string_custom_property(self, name):
        return getattr(self, name)


def written(folder, name, content):
    if isinstance(content, Document):
        content.write(folder)
    else:
        (folder / name).write_text(json.dumps(content))
    return Artifact(uri=str(folder))


def cell(status, **known):
    which = Cell(arm="remedis", seed=0)
    nothing = {"reason": "", "patients": 0, "images": 0, "seconds": 1.0}
    return CellResult(cell=which, status=status, **nothing | known)


def study(*statuses):
    """A study of one curve, whose points ended like this."""
    nothing = {"reason": "", "value": None, "lower": None, "upper": None, "by_seed": {}}
    sizes = {"trained_patients": (1, 1), "trained_images": (1, 1), "patients": 9, "images": 18}
    points = [Point(arm="bit", fraction=1, status=s, **nothing, **sizes) for s in statuses]
    return StudyMetrics(
        synthetic=True,
        headlines=(),
        curves=(Curve(name="shifted", points=points),),
        left_out={},
        settings={},
        cells=(),
        versions={},
    )


CHECKS = [
    outcomes.anomalies([], (), (), "stop", {}),
    outcomes.near_duplicates(NearDuplicates(1, ()), "report"),
]
BLIND = [*CHECKS, outcomes.patient_overlap([], "stop", 4, 4)]
LOST = dict.fromkeys((1, 2, 3), "truncated")
PRETRAINED = [
    {"loss": 6.0, "contrastive_top1": 0.1, "probe_auc": 0.8},
    {"loss": 5.0, "contrastive_top1": 0.2, "probe_auc": 0.7},
]
FINETUNED = [{"validation_auc": auc} for auc in (0.7, 0.9, float("nan"), 0.8)]
SEARCHED = [
    {"trial_id": "0", "score": 0.9, "learning_rate": 0.1, "weight_decay": 0},
    {"trial_id": "1", "score": 0.91, "learning_rate": 0.01, "weight_decay": 1e-4},
]


@pytest.mark.parametrize(
    ("node", "key", "file", "content", "expected"),
    [
        (
            "ImageExampleGen",
            "ingest_report",
            "report.json",
            ingest_report({"train": [0.0] * 1200}, quarantined=LOST, source="synthetic"),
            "1,200 synthetic images, 3 quarantined",
        ),
        (
            "DataGate",
            "data_gate_report",
            "report.json",
            data_gate_report(CHECKS),
            "1 of 2 checks passed, found but not fatal: near duplicates",
        ),
        (
            "DataGate",
            "data_gate_report",
            "report.json",
            data_gate_report(BLIND),
            "1 of 3 checks passed, found but not fatal: near duplicates, "
            "not checked: patient overlap",
        ),
        (
            "Pretrainer",
            "model_run",
            "history.json",
            history("pretrain", PRETRAINED, best_epoch=1, resumed_from_epoch=1),
            "2 epochs, loss 5.000, contrastive top-1 20%, probe AUC 0.800 of epoch 1, "
            "resumed after epoch 1",
        ),
        (
            "Pretrainer",
            "model_run",
            "history.json",
            history("pretrain", []),
            "nothing to train: the encoder is a frozen SavedModel",
        ),
        (
            "UpstreamExampleGen",
            "ingest_report",
            "report.json",
            ingest_report({"train": [0.0] * 5000}),
            "5,000 images, 0 quarantined",
        ),
        (
            "Upstream",
            "model_run",
            "history.json",
            history("finetune", FINETUNED),
            "4 epochs, validation AUC 0.900",
        ),
        (
            "FinetuneTuner",
            "tuner_results",
            "tuner_results.json",
            SEARCHED,
            "2 candidates, best learning rate 0.01, weight decay 0.0001, score 0.910",
        ),
        (
            "Cell-remedis-labels1pct-seed0",
            "report",
            "cell.json",
            cell("trained", patients=9, images=1200, validation_auc=0.9),
            "9 patients, 1,200 images, validation AUC 0.900",
        ),
        (
            "Cell-remedis-labels0_1pct-seed0",
            "report",
            "cell.json",
            cell("not_enough_labels", reason="no patient with 'edema'"),
            "not enough labels: no patient with 'edema'",
        ),
        (
            "StudyReporter",
            "report",
            "study.json",
            study("judged", "not_enough_labels"),
            "1 of 2 points judged",
        ),
        (
            "Finetuner",
            "model_run",
            "history.json",
            history("finetune", FINETUNED),
            "4 epochs, validation AUC 0.900",
        ),
        (
            "ModelGate",
            "gate_report",
            "verdict.json",
            gate_verdict(False, metrics={"in_distribution": {"auc": interval(0.9, 0.05)}}),
            "not blessed, AUC ID 0.900 (0.850 to 0.950)",
        ),
    ],
)
def test_figure_of_a_report(tmp_path, node, key, file, content, expected):
    assert summarize(node, {key: written(tmp_path, file, content)}) == expected


def test_figures_of_properties():
    assert summarize("Evaluator", {"blessing": Artifact(blessed=1)}) == "TFMA thresholds passed"
    assert summarize("Pusher", {"pushed_model": Artifact(pushed=0)}) == "not pushed"
    pushed = Artifact(pushed=1, pushed_version="17")
    assert summarize("EncoderPusher", {"pushed_model": pushed}) == "version 17"


def test_a_missing_report_is_no_failure(tmp_path):
    assert summarize("DataGate", {"data_gate_report": Artifact(uri=str(tmp_path))}) == ""
    assert summarize("StatisticsGen", {}) == ""
