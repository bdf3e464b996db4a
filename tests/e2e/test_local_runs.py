"""Local runs from the command line to pushed models, as a user sees them.

The tests of one class continue the same run, in order: each one changes something and looks at
what ran again.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.e2e.conftest import TINY, leaked

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

# Patients of the synthetic source, as they enter ingestion.
SYNTHETIC = rb"synthetic-[ab]-\d"
TRAINED = ["Pretrainer", "Finetuner"]
UPSTREAM = (
    "upstream.enabled=true",
    "upstream.task.labels=[opacity]",
    "upstream.data.synthetic.patients=60",
    "upstream.data.synthetic.shifted_patients=0",
    "upstream.data.synthetic.image_size=48",
    "upstream.data.stored_size=32",
    "upstream.epochs=1",
    "upstream.batch_size=32",
    "pretrain.epochs=1",
)
JUDGED = ["Predictor", "Evaluator"]
STUDY = (
    *TINY,
    "study.arms=[remedis,random]",
    "study.fractions=[0.01,1]",
    "study.shifted_fractions=[1]",
    "study.seeds=[0,1]",
    "study.steps=3",
    "study.batch_size=16",
    "study.learning_rates=[0.003]",
    "study.resamples=200",
)
CELLS = {
    f"Cell-{arm}-{share}pct-seed{seed}"
    for arm in ("remedis", "random")
    for share in ("labels1", "labels100", "shifted100")
    for seed in (0, 1)
}
GATED = ["ModelGate", "EncoderPusher", "Pusher", "Reporter"]


class TestARunAndItsReruns:
    def test_everything_runs_and_the_model_is_pushed(self, first_run):
        summary = first_run.summary
        assert summary["verdict"] == "pushed"
        assert set(first_run.states.values()) == {"ran"}
        for domain in ("in_distribution", "shifted"):
            auc = summary["metrics"][domain]["auc"]
            assert 0 <= auc["lower"] <= auc["value"] <= auc["upper"] <= 1
            assert auc["patients"] < auc["examples"]
        assert "synthetic" in (first_run.output / "report" / "index.html").read_text().lower()
        shift = json.loads((first_run.output / "report" / "shift.json").read_text())
        assert 0.5 < shift["probes"]["opacity"]["domain"] <= 1
        assert {entry["figure"] for entry in shift["image_figures"]} >= {"mean", "std"}

    def test_one_line_a_node_and_quiet_libraries(self, first_run):
        lines = first_run.screen.splitlines()
        for node in first_run.states:
            assert sum(line.startswith(f"{node} ") for line in lines) == 1
        assert "oneDNN" not in first_run.screen
        assert len(lines) < 60
        assert "oneDNN" in (first_run.output / "run.log").read_text()

    def test_no_artifact_log_or_report_holds_an_identity(self, first_run):
        assert not leaked(first_run.output, SYNTHETIC)

    def test_pushed_models_work_alone(self, first_run, tmp_path):
        pushed = first_run.summary["pushed"]
        Image.fromarray(np.full((40, 50), 90, np.uint8)).save(tmp_path / "film.png")
        code = (
            "import tensorflow as tf\n"
            f"classifier = tf.saved_model.load({pushed['classifier']!r})\n"
            f"image = open({str(tmp_path / 'film.png')!r}, 'rb').read()\n"
            "answer = classifier.signatures['serving_default'](images=tf.constant([image]))\n"
            "assert 0 <= float(answer['opacity'][0, 0]) <= 1\n"
            f"encoder = tf.saved_model.load({pushed['encoder']!r})\n"
            "assert encoder(tf.zeros([2, 32, 32, 3])).shape[0] == 2\n"
            "print('served')"
        )
        done = subprocess.run(
            [sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.stdout.strip() == "served", done.stderr

    def test_unchanged_rerun_is_all_cached(self, checkout, first_run):
        again = checkout.run(first_run.output)
        assert again.status == 0, again.screen
        assert set(again.states.values()) == {"cached"}
        assert again.summary["verdict"] == "pushed"

    def test_results_of_earlier_runs_are_kept(self, first_run, first_summary):
        kept = first_run.output / "earlier" / "1"
        assert json.loads((kept / "summary.json").read_text()) == first_summary
        assert (kept / "report" / "index.html").exists()
        assert (kept / "config.yaml").exists()

    def test_a_pushed_model_that_is_gone_is_pushed_again(self, checkout, first_run):
        shutil.rmtree(first_run.summary["pushed"]["classifier"])
        again = checkout.run(first_run.output)
        assert again.status == 0, again.screen
        assert again.ran() == ["Pusher", "Reporter"]
        assert (Path(again.summary["pushed"]["classifier"]) / "saved_model.pb").exists()

    def test_killed_study_goes_on_with_the_missing_cells(self, checkout, first_run):
        arguments = ("--study", "label_efficiency")
        done, last = "Cell-remedis-labels100pct-seed0", "Cell-remedis-shifted100pct-seed1"
        checkout.kill_when(f"{done} ", first_run.output, STUDY, *arguments)
        outcome = checkout.run(first_run.output, *arguments, overrides=STUDY)
        assert outcome.status == 0, outcome.screen
        folder = first_run.output / "label_efficiency"
        summary = json.loads((folder / "summary.json").read_text())
        states = {node["name"]: node["state"] for node in summary["nodes"]}
        assert {name for name in states if name.startswith("Cell-")} == CELLS
        # In the order in which TFX runs them.
        before = list(states)[: list(states).index(done) + 1]
        assert {states[name] for name in before} == {"cached"}
        assert {states["ImageExampleGen"], states["Pretrainer"]} == {"cached"}
        assert {states[last], states["StudyReporter"]} == {"ran"}

        figures = json.loads((folder / "report" / "study.json").read_text())
        assert summary["reasons"] == [one["sentence"] for one in figures["headlines"]]
        assert figures["synthetic"]
        assert "SYNTHETIC DATA" in (folder / "report" / "index.html").read_text()
        few = [p for p in figures["curves"][0]["points"] if p["fraction"] == 0.01]
        assert {point["status"] for point in few} == {"not_enough_labels"}

    def test_saved_configuration_can_be_fed_back(self, checkout, first_run):
        done = subprocess.run(
            [
                *(sys.executable, "local_runner.py", "--show-config"),
                *("--config", str(first_run.output / "config.yaml")),
            ],
            cwd=checkout.folder,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == (first_run.output / "config.yaml").read_text()

    def test_gate_threshold_reruns_the_gate_and_after_and_refuses(self, checkout, first_run):
        before = sorted((first_run.output / "pushed" / "classifier").iterdir())
        refused = checkout.run(first_run.output, "--set", "gate.in_distribution.min_auc=1")
        assert refused.status == 4, refused.screen
        assert refused.ran() == GATED
        assert refused.summary["verdict"] == "not_blessed"
        assert refused.summary["pushed"] == {"classifier": None, "encoder": None}
        assert any("in_distribution" in reason for reason in refused.summary["reasons"])
        assert sorted((first_run.output / "pushed" / "classifier").iterdir()) == before

    def test_evaluate_only_shows_the_report_and_pushes_nothing(self, checkout, first_run):
        shown = checkout.run(
            first_run.output, "--set", "gate.in_distribution.min_auc=1", "--evaluate-only"
        )
        assert shown.status == 0, shown.screen
        assert shown.summary["verdict"] == "evaluated"
        assert "Pusher" not in shown.states
        assert (first_run.output / "report" / "index.html").exists()

    def test_edited_component_runs_again(self, checkout, first_run):
        edited = checkout.folder / "components" / "reporter" / "page" / "page.py"
        edited.write_text(edited.read_text() + "\n# an edit\n")
        assert checkout.run(first_run.output).ran() == ["Reporter"]

    def test_edited_trainer_runs_again_with_what_follows(self, checkout, first_run):
        edited = checkout.folder / "trainer_modules" / "contrastive" / "ntxent.py"
        edited.write_text(edited.read_text() + "\n# an edit\n")
        outcome = checkout.run(first_run.output)
        assert outcome.status == 0, outcome.screen
        assert outcome.ran() == [*TRAINED, *JUDGED, *GATED]
        verdict = next((first_run.output / "artifacts" / "ModelGate").rglob("verdict.json"))
        assert "baseline" in json.loads(verdict.read_text())

    def test_edit_of_what_only_finetuning_imports_leaves_the_encoder_cached(
        self, checkout, first_run
    ):
        edited = checkout.folder / "trainer_modules" / "decisions" / "operating_point.py"
        edited.write_text(edited.read_text() + "\n# an edit\n")
        outcome = checkout.run(first_run.output)
        assert outcome.status == 0, outcome.screen
        assert outcome.ran() == ["Finetuner", *JUDGED, *GATED]

    def test_partial_run_stops_where_told(self, checkout, first_run):
        outcome = checkout.run(first_run.output, "--to-node", "DataGate")
        assert outcome.status == 0, outcome.screen
        assert outcome.states["DataGate"] == "cached"
        assert outcome.states["Pretrainer"] == "skipped"

    def test_partial_run_starts_where_told(self, checkout, first_run):
        outcome = checkout.run(first_run.output, "--from-node", "ModelGate")
        assert outcome.status == 0, outcome.screen
        assert outcome.states["Finetuner"] == "skipped"
        assert outcome.states["Reporter"] in ("ran", "cached")

    def test_upstream_training_comes_first_and_is_cached(self, checkout, first_run):
        arguments = (first_run.output, "--to-node", "Pretrainer")
        outcome = checkout.run(*arguments, overrides=(*TINY, *UPSTREAM))
        assert outcome.status == 0, outcome.screen
        assert outcome.ran() == ["UpstreamExampleGen", "Upstream", "Pretrainer"]
        (line,) = [one for one in outcome.screen.splitlines() if one.startswith("Upstream ")]
        assert "1 epochs, validation AUC" in line
        page = (first_run.output / "report" / "index.html").read_text()
        assert "Upstream training, on natural images" in page
        assert "Images of the upstream training" in page
        models = (first_run.output / "artifacts" / "Pretrainer" / "model").iterdir()
        newest = max(models, key=lambda folder: int(folder.name))
        card = json.loads((newest / "Format-Serving" / "assets.extra" / "card.json").read_text())
        assert card["trained_on"]["initialised"]["source"] == "upstream"
        longer = checkout.run(*arguments, overrides=(*TINY, *UPSTREAM, "pretrain.epochs=2"))
        assert longer.ran() == ["Pretrainer"]
