"""Predictor, Evaluator, ModelGate and the stock Pusher under LocalDagRunner."""

import json
from pathlib import Path

import numpy as np
import pytest

from components.model_gate.policy.operating_points import OperatingPoint, PointBounds
from components.model_gate.policy.settings import DomainRules, GateSettings
from pipeline.config.evaluation_settings import EvaluationSettings
from pipeline.graph.tfma_config import EVALUATED_SPLITS, evaluation_config
from trainer_modules.settings import TaskSettings

pytestmark = pytest.mark.slow

TASK = TaskSettings(kind="binary", labels=("edema",))


def rows(domain: str, noise: float, patients: int = 40) -> list[dict]:
    """Gray images, brighter where the label is 1; two of each patient."""
    random = np.random.default_rng(len(domain))
    found = []
    for index in range(2 * patients):
        label = float(index // 2 % 2)
        brightness = 90 + 75 * label + noise * random.normal()
        found.append(
            {
                "brightness": int(np.clip(brightness, 0, 255)),
                "image/id": f"{domain}{index}",
                "patient_id": f"{domain}{index // 2}",
                "site": "ab"[index // 4 % 2],
                "domain": domain,
                "subgroup/sex": "FM"[index // 8 % 2],
                "label/edema": label,
                "label/edema/weight": 1.0,
            }
        )
    return found


@pytest.fixture(scope="module")
def examples(tmp_path_factory, write_records) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    for split, domain, noise in (
        ("validation", "in_distribution", 20),
        ("test", "in_distribution", 20),
        ("shifted", "shifted", 40),
    ):
        write_records(folder / f"Split-{split}" / "data_tfrecord-00000.gz", rows(domain, noise))
    return folder


def run(folder: Path, examples: Path, model: Path, settings: GateSettings) -> dict:
    """Runs the stages anew; returns the verdict and whether Pusher pushed."""
    from tfx import v1 as tfx
    from tfx.types import artifact_utils

    from components.evaluator.component import Evaluator
    from components.model_gate.component import ModelGate
    from components.predictor.component import Predictor

    splits = artifact_utils.encode_split_names(["validation", "test", "shifted"])
    images = tfx.dsl.Importer(
        source_uri=str(examples),
        artifact_type=tfx.types.standard_artifacts.Examples,
        properties={"split_names": splits},
    ).with_id("Images")
    exported = tfx.dsl.Importer(
        source_uri=str(model), artifact_type=tfx.types.standard_artifacts.Model
    ).with_id("Exported")
    predictor = Predictor(
        exported.outputs["result"], images.outputs["result"], TASK, ("sex",), "digest"
    )
    evaluator = Evaluator(
        examples=predictor.outputs["predictions"],
        model=exported.outputs["result"],
        example_splits=list(EVALUATED_SPLITS),
        eval_config=evaluation_config(TASK, ("sex",), EvaluationSettings()),
        code_digest="digest",
    )
    gate = ModelGate(
        model=exported.outputs["result"],
        examples=images.outputs["result"],
        predictions=predictor.outputs["predictions"],
        evaluator_blessing=evaluator.outputs["blessing"],
        settings=settings,
        task=TASK,
        subgroups=("sex",),
        baseline_dir=str(folder / "pushed"),
        code_digest="digest",
        ledger=str(folder / "ledger.jsonl"),
    )
    pusher = tfx.components.Pusher(
        model=exported.outputs["result"],
        model_blessing=gate.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=str(folder / "pushed"))
        ),
    )
    before = pushed_versions(folder)
    tfx.orchestration.LocalDagRunner().run(
        tfx.dsl.Pipeline(
            pipeline_name="judging",
            pipeline_root=str(folder / "root"),
            components=[images, exported, predictor, evaluator, gate, pusher],
            metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
                str(folder / "metadata.db")
            ),
            enable_cache=True,
            beam_pipeline_args=["--runner=FnApiRunner"],
        )
    )
    reports = (folder / "root" / "ModelGate" / "gate_report").glob("*/verdict.json")
    verdict = json.loads(max(reports, key=lambda path: int(path.parent.name)).read_text())
    verdict["pushed"] = pushed_versions(folder) - before
    return verdict


def pushed_versions(folder: Path) -> set[str]:
    return {path.name for path in (folder / "pushed").glob("*")}


def export(export_classifier, folder: Path, scale: float, **more) -> Path:
    export_classifier(folder / "Format-Serving", {"edema": scale}, **more)
    return folder


# The made models tell the classes apart and are underconfident.
ORDER_ALONE = {
    "calibration_slope": None,
    "calibration_intercept": None,
    "max_calibration_error": 1.0,
}
SETTINGS = GateSettings(
    resamples=300,
    serving_examples=4,
    in_distribution=DomainRules(min_auc=0.85, **ORDER_ALONE),
    shifted=DomainRules(min_auc=0.6, **ORDER_ALONE),
    operating_points=(
        OperatingPoint(
            name="screen",
            at_sensitivity=0.9,
            in_distribution=PointBounds(min_sensitivity=0.6, min_specificity=0.6),
        ),
    ),
)


def test_good_model_pushed_bad_ones_refused(tmp_path, examples, export_classifier):
    good = export(export_classifier, tmp_path / "good", 6.0)
    first = run(tmp_path, examples, good, SETTINGS)
    assert first["blessed"], first["reasons"]
    assert len(first["pushed"]) == 1
    assert first["baseline"]["version"] is None
    shifted = first["metrics"]["shifted"]["auc"]
    assert shifted["lower"] < shifted["value"] < first["metrics"]["in_distribution"]["auc"]["value"]
    assert (shifted["patients"], shifted["examples"]) == (40, 80)
    assert first["serving"]["ok"]
    assert first["serving"]["max_difference"] < 1e-5

    # The validation split chose the threshold, whose patients are not among those that are judged.
    assert first["operating_points"][0]["thresholds"][0]["patients"] == 20
    at = [one for one in first["rules"] if one["name"].startswith("operating point")]
    assert [one["status"] for one in at] == ["pass"] * 4
    assert {one["slice"] for one in at} == {"in_distribution"}
    assert "specificity@screen" in first["metrics"]["shifted"]

    # Reads the image the wrong way round: TFMA and the gate refuse, nothing is pushed.
    bad = run(tmp_path, examples, export(export_classifier, tmp_path / "bad", -6.0), SETTINGS)
    assert not bad["blessed"]
    assert bad["pushed"] == set()
    failed = {rule["name"] for rule in bad["rules"] if rule["status"] == "fail"}
    assert {"auc floor", "tfma thresholds", "non-inferiority"} <= failed
    assert bad["baseline"]["version"] in first["pushed"]
    assert bad["baseline"]["difference"]["in_distribution"]["value"] < -0.5

    # NaN for bright images: refused for that, with the other numbers still reported.
    broken = export(export_classifier, tmp_path / "broken", 6.0, nan_above=0.7)
    nan = run(tmp_path, examples, broken, SETTINGS)
    assert not nan["blessed"]
    assert nan["pushed"] == set()
    assert any("predictions are NaN" in reason for reason in nan["reasons"])

    # The pushed model judged anew under other rules is not compared with itself.
    again = run(tmp_path, examples, good, SETTINGS.model_copy(update={"max_gap": 1.0}))
    assert again["baseline"]["version"] is None
    assert again["blessed"]


def test_looks_are_counted_and_the_verdict_can_be_verified(
    tmp_path, examples, export_classifier, capsys
):
    from components.model_gate.__main__ import main

    ledger = tmp_path / "ledger.jsonl"
    good = export(export_classifier, tmp_path / "good", 6.0)
    first = run(tmp_path, examples, good, SETTINGS)
    assert (first["reuse"]["look"], first["reuse"]["confidence"]) == (1, 0.95)
    counted = ledger.read_bytes()
    # A rerun finds the verdict in TFX's cache: nothing is judged, counted or pushed.
    again = run(tmp_path, examples, good, SETTINGS)
    assert again["provenance"] == first["provenance"]
    assert ledger.read_bytes() == counted
    other = export(export_classifier, tmp_path / "other", 5.0)
    second = run(tmp_path, examples, other, SETTINGS)
    assert (second["reuse"]["look"], second["reuse"]["confidence"]) == (2, 0.975)
    assert second["provenance"]["digests"]["test_set"] == first["provenance"]["digests"]["test_set"]
    assert (
        "this is the 2nd model judged on this test set; intervals at 97.5 %" in second["warnings"]
    )
    assert "shifted0" not in ledger.read_text()

    newest = {
        name: max((tmp_path / "root" / place).glob("*/*.*"), key=lambda path: int(path.parent.name))
        for name, place in (
            ("verdict", "ModelGate/gate_report"),
            ("predictions", "Predictor/predictions"),
        )
    }
    table = newest["predictions"].parent / "predictions.parquet"
    given = [str(newest["verdict"]), "--predictions", str(table), "--ledger", str(ledger)]
    model = ["--model", str(tmp_path / "other" / "Format-Serving")]
    capsys.readouterr()
    assert main(["verify", *given, *model]) == 0, capsys.readouterr().out
    lines = capsys.readouterr().out
    for what in ("predictions", "scores", "model", "figures", "rules", "number of the look"):
        assert f"same        {what}\n" in lines
    assert "not checked other rules: non-inferiority" in lines
    model[1] = str(tmp_path / "good" / "Format-Serving")
    assert main(["verify", *given, *model]) == 4
    assert "DIFFERS     model: " in capsys.readouterr().out
