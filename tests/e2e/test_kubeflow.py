"""The compiled pipeline under KFP's local orchestrator, every step in a process of its own.

Then single steps again, each a new interpreter, called as the Go driver and launcher of a cluster
would call them. There is no cluster in these tests.
"""

import copy
import csv
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import kubeflow_runner
from tests.e2e.conftest import TINY
from tests.kubeflow import kfp_local
from tests.kubeflow.launcher import Launcher

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

ROOT = Path(__file__).resolve().parents[2]
# kfp.local takes the first five letters of a component's name for the prefix `comp-`.
SHOWN = 5
# A search of one candidate, the preset's own: the result is that of a run without a search.
SEARCH = (
    "finetune.search.enabled=true",
    "finetune.search.learning_rates=[0.001]",
    "finetune.search.weight_decays=[0.0001]",
    "finetune.search.epochs=1",
)
JUDGED_FROM_HERE = ("ModelGate", "Pusher", "EncoderPusher", "Reporter")


class Outcome:
    """A finished run: its volume, and what every step left."""

    def __init__(self, volume):
        self.volume = volume
        self.file = volume / "pipeline.yaml"
        self.pushed = volume / "pushed"
        self.spec = next(yaml.safe_load_all(self.file.read_text()))

    def steps(self):
        left = kfp_local.outputs(self.volume / "artifacts")
        names = self.spec["root"]["dag"]["tasks"]
        return {name: left[name[SHOWN:]] for name in names if name[SHOWN:] in left}

    def artifact(self, node, key):
        (artifact,) = self.steps()[node]["artifacts"][key]["artifacts"]
        return artifact


def _run(*command, timeout):
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"},
    )


def _compiled_and_run(volume, preset, *settings):
    """Compiles by the user's command and runs under kfp.local; pods would mount `volume`."""
    claim = f"[{{claim: volume, path: {volume}}}]"
    settings = (*settings, f"kubernetes.workspace={volume}", f"kubernetes.step.volumes={claim}")
    command = [
        *("compile", "--preset", preset, "--image", "example.com/remedis:1"),
        *("--output", str(volume / "pipeline.yaml"), "--image-root", str(ROOT)),
        *("--pipeline-root", str(volume / "artifacts")),
        *(part for item in settings for part in ("--set", item)),
    ]
    assert kubeflow_runner.main(command) == 0
    done = _run(
        *("tests/kubeflow/kfp_local.py", str(volume / "pipeline.yaml")),
        str(volume / "artifacts"),
        timeout=1800,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    return Outcome(volume)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    return _compiled_and_run(tmp_path_factory.mktemp("volume"), "demo", *TINY, *SEARCH)


def _report(folder):
    return json.loads((Path(folder) / "report.json").read_text())


def test_every_step_ran_and_both_models_were_pushed(outcome):
    assert set(outcome.steps()) == set(outcome.spec["root"]["dag"]["tasks"])
    for name, node in (("classifier", "Pusher"), ("encoder", "EncoderPusher")):
        (version,) = (outcome.pushed / name).iterdir()
        assert (version / "saved_model.pb").is_file()
        metadata = outcome.artifact(node, "pushed_model")["metadata"]
        assert metadata["pushed"] == 1
        assert metadata["pushed_destination"] == str(version)


def test_the_searched_hyperparameters_reach_the_finetuner(outcome):
    model = Path(outcome.artifact("Finetuner", "model")["uri"])
    card = json.loads((model / "Format-Serving/assets.extra/card.json").read_text())
    assert card["trained_on"]["chosen_by_search"] == ["learning_rate", "weight_decay"]
    assert card["trained_on"]["optimizer"]["learning_rate"] == 0.001


def test_report_says_pushed_with_the_same_metrics_as_a_local_run(outcome, first_summary):
    report = _report(outcome.artifact("Reporter", "report")["uri"])
    assert report["verdict"] == "pushed"
    for domain in ("in_distribution", "shifted"):
        expected = first_summary["metrics"][domain]["auc"]
        assert report["metrics"][domain]["auc"]["patients"] == expected["patients"]
        difference = report["metrics"][domain]["auc"]["value"] - expected["value"]
        assert math.isclose(difference, 0, abs_tol=0.05)


def _some_films(source, folder):
    """Copies the films of every fourth patient, with their rows of the manifest."""
    with open(source / "manifest.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    kept = set(sorted({row["patient_id"] for row in rows})[::4])
    rows = [row for row in rows if row["patient_id"] in kept]
    for row in rows:
        (folder / row["image"]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / row["image"], folder / row["image"])
    with open(folder / "manifest.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def test_barely_trained_model_of_real_films_is_refused_and_not_pushed(tmp_path, monkeypatch):
    films = Path(os.environ.get("REMEDIS_TEST_DATA", "")) / "cxr"
    if not (films / "manifest.csv").is_file():
        pytest.skip("REMEDIS_TEST_DATA names no folder with the chest films (cxr)")
    monkeypatch.setenv("REMEDIS_ID_KEY", "a key for tests only")
    _some_films(films, tmp_path / "films")
    settings = (
        f"data.root={tmp_path}/films",
        *(
            "data.stored_size=32",
            "model.image_size=32",
            "model.units=[1]",
            "model.root_filters=8",
        ),
        *("pretrain.epochs=1", "finetune.epochs=1"),
    )
    outcome = _compiled_and_run(tmp_path, "cxr-small", *settings)
    report = _report(outcome.artifact("Reporter", "report")["uri"])
    assert report["verdict"] == "not_blessed"
    assert any("in_distribution auc" in reason for reason in report["reasons"])
    # DataGate leaves statistics of the data there; no model is beside them.
    assert not any((outcome.pushed / name).exists() for name in ("classifier", "encoder"))
    assert outcome.artifact("Pusher", "pushed_model")["metadata"]["pushed"] == 0


def test_refused_model_is_not_pushed_by_steps_called_as_on_a_cluster(outcome, tmp_path):
    launcher = Launcher(outcome.spec, tmp_path)
    for node, left in outcome.steps().items():
        if node not in JUDGED_FROM_HERE:
            launcher.adopt(node, left)
    destination = tmp_path / "pushed"
    for node in JUDGED_FROM_HERE:
        done = launcher.run(node, gate_min_auc=1.0, push_destination=str(destination))
        assert done.returncode == 0, done.stderr
    assert not destination.exists()
    assert launcher.metadata("ModelGate", "blessing")["blessed"] == 0
    # The model's address in the blessing is the store's, not that of the launcher's copy.
    assert launcher.metadata("ModelGate", "blessing")["current_model"].startswith("minio://")
    assert launcher.metadata("Pusher", "pushed_model")["pushed"] == 0
    report = _report(launcher.files("Reporter", "report"))
    assert report["verdict"] == "not_blessed"
    assert report["reasons"]


def _launcher_with_setting(outcome, folder, node, **settings):
    """A launcher whose step `node` was compiled with other settings."""
    launcher = Launcher(copy.deepcopy(outcome.spec), folder)
    parameters = launcher.spec["root"]["dag"]["tasks"][node]["inputs"]["parameters"]
    name = next(name for name in ("data", "settings") if name in parameters)
    compiled = parameters[name]["runtimeValue"]
    compiled["constant"] = json.dumps({**json.loads(compiled["constant"]), **settings})
    return launcher


def test_refused_data_stop_the_container_with_status_3_and_the_reasons(outcome, tmp_path):
    launcher = _launcher_with_setting(outcome, tmp_path, "DataGate", min_per_class=10_000)
    for node, left in outcome.steps().items():
        launcher.adopt(node, left)
    done = launcher.run("DataGate")
    assert done.returncode == 3, done.stderr
    said = done.stderr.partition("stopped by DataGate:\n- ")[2]
    assert "opacity" in said
    assert "Traceback" not in said


def test_step_with_bad_input_says_so_in_one_line(outcome, tmp_path, monkeypatch):
    monkeypatch.setenv("REMEDIS_ID_KEY", "a key for tests only")
    launcher = _launcher_with_setting(
        outcome, tmp_path, "ImageExampleGen", source="manifest", root="/nonexistent"
    )
    done = launcher.run("ImageExampleGen")
    assert done.returncode == 2, done.stderr
    said = done.stderr.splitlines()[-1]
    assert said.startswith("error: ")
    assert "/nonexistent" in said
