"""Every command in the documentation is known, and the light ones run.

`test_runs.py` has the runs of the pipeline and what needs one. What cannot run here is in
`elsewhere.py` with the reason, and is at least parsed.
"""

import functools
import re
import shlex
import subprocess
import sys

import pytest
import yaml

import kubeflow_runner
from pipeline.config.config import load_config, preset_names
from schemas.errors import InputError
from tests.docs.commands import COMMANDS, OPTIONS, ROOT, block
from tests.docs.elsewhere import ELSEWHERE
from tests.docs.rules import RUN_HERE, elsewhere, of

slow = pytest.mark.slow


def test_every_command_is_known():
    patterns = [*RUN_HERE.values(), *(one.pattern for one in ELSEWHERE)]
    unknown = [one for one in COMMANDS if not any(re.fullmatch(p, one.text) for p in patterns)]
    assert [str(one) for one in unknown] == []


@of("make")
def test_make_targets(one):
    subprocess.run(["make", "--dry-run", *one.words[1:]], cwd=ROOT, check=True, capture_output=True)


@slow
@pytest.mark.parametrize(
    "one", [one for one in COMMANDS if elsewhere(one.text)], ids=lambda one: one.text[:60]
)
def test_what_cannot_run_here_is_parsed(one):
    elsewhere(one.text).parse(one.words)


@slow
@of("kubeflow")
def test_kubeflow_commands(one, kubeflow, workplace, monkeypatch, capsys):
    monkeypatch.chdir(workplace.folder)
    text = one.text.replace("REGISTRY/", "registry.example.com/")
    text = text.replace("https://kubeflow.example.com/pipeline", kubeflow.address)
    words = shlex.split(text)[2:]
    compiled = workplace.folder / "cxr.yaml"
    if not compiled.exists():
        image = ["--image", "registry.example.com/remedis:1", "--output", str(compiled)]
        assert kubeflow_runner.main(["compile", "--preset", "cxr", *image]) == 0
    stored = next(yaml.safe_load_all(compiled.read_text()))
    kubeflow.answers |= {
        "/versions/v1": (200, {"pipeline_version_id": "v1", "pipeline_spec": stored}),
        "/versions": (200, {"pipeline_versions": [{"pipeline_version_id": "v1"}]}),
        "v2beta1/pipelines": (200, {"pipelines": [{"pipeline_id": "p"}]}),
    }
    status = kubeflow_runner.main(words)
    said = capsys.readouterr()
    assert status == (1 if words[0] == "diff" else 0), said.err
    if words[0] == "diff":
        assert "image: registry.example.com/remedis:1 -> registry.example.com/remedis:2" in said.out


def test_the_pods_are_a_configuration():
    pods = yaml.safe_load(block("docs/kubeflow.md", "yaml"))["kubernetes"]
    config = load_config(preset="demo", overrides=[f"kubernetes={yaml.safe_dump(pods)}"])
    assert config.kubernetes.of_node("Finetuner").gpus == 1


@functools.cache
def _help_of_everything():
    """What our commands say about their options."""
    commands = [
        ["local_runner.py"],
        *(["kubeflow_runner.py", name] for name in kubeflow_runner.ACTIONS),
        ["-m", "components.predictor"],
        ["-m", "components.model_gate"],
        *(["-m", "components.model_gate", name] for name in ("monitor", "plan", "sign", "verify")),
        ["-m", "components.data_gate.infer_schema"],
        *(["-m", "components.shift_analysis", name] for name in ("analyze", "embed")),
        ["-m", "pipeline.local.probe"],
        ["benchmarks/bench_ingest.py"],
    ]
    return "".join(
        subprocess.run(
            [sys.executable, *command, "--help"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for command in commands
    )


FOREIGN = r"--(train_mode|learning_rate|dataset|resnet_depth|use_blur)=.*"  # SimCLR's own command


@slow
@pytest.mark.parametrize(
    "one", [one for one in OPTIONS if not re.fullmatch(FOREIGN, one.text)], ids=str
)
def test_options_in_the_text_exist(one, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_text(block("docs/model_gate.md", "yaml"))
    for option, *value in zip(one.words, [*one.words[1:], ""], strict=True):
        if option.startswith("--"):
            assert re.search(rf"(?m)^ +(-h, )?{option}\b", _help_of_everything()), option
        if option == "--set" and "=" in value[0] and value[0].lower() != "name=value":
            _accepted(value[0].replace("epochs=N", "epochs=3"))


def _accepted(setting):
    """Refuses what no preset would take."""
    needed = ["data.root=/d", "model.init.path=/w.npz"]
    for preset in preset_names():
        base = [one for one in needed if preset in ("cxr", "pathology") or "init" not in one]
        try:
            load_config(preset=preset, overrides=[*base, setting])
        except InputError:
            continue
        return
    load_config(preset="cxr", overrides=[*needed, setting])
