"""What the command line answers before anything runs; both runners where they share it."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import kubeflow_runner
import local_runner
from pipeline.config.config import load_config, preset_names
from pipeline.config.reference import as_text

ROOT = Path(__file__).resolve().parents[1]


def test_without_arguments_it_helps(capsys):
    assert local_runner.main([]) == 2
    assert capsys.readouterr().out.startswith("usage: ")


@pytest.mark.parametrize(
    ("main", "command"), [(local_runner.main, "--list"), (kubeflow_runner.main, "list")]
)
class TestList:
    def test_of_a_section(self, main, command, capsys):
        assert main([command, "gate"]) == 0
        lines = capsys.readouterr().out.splitlines()
        heads = [line for line in lines if not line.startswith(" ")]
        assert heads
        assert all(line.startswith("gate.") for line in heads)
        at = lines.index("gate.max_gap: number, 0 to 1; default 0.2")
        assert lines[at + 1].strip().startswith("ceiling of the upper bound")

    def test_of_a_section_that_does_not_exist(self, main, command, capsys):
        assert main([command, "gatee"]) == 2
        said = capsys.readouterr()
        assert "section 'gatee' does not exist; nearest valid name: 'gate'" in said.err
        assert said.out == ""

    def test_of_everything(self, main, command, capsys):
        assert main([command]) == 0
        everything = capsys.readouterr().out
        assert all(f"\n  {name}\n" in everything for name in preset_names())
        assert everything.endswith(f"{as_text()}\n")


def test_the_list_is_quick_and_light():
    code = (
        "import sys, time, local_runner; local_runner.main(['--list']); print(time.process_time());"
        "print(sorted({'tensorflow', 'tfx', 'numpy', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    *_, seconds, loaded = done.stdout.splitlines()
    assert float(seconds) < 1
    assert loaded == "[]"


def test_a_configuration_is_shown_without_the_data_it_needs(capsys):
    assert local_runner.main(["--preset", "cxr", "--show-config"]) == 0
    shown = capsys.readouterr().out
    comments = [line for line in shown.splitlines() if line.startswith("#")]
    assert "'data': root is empty" in comments[0]
    assert "'model.init': source 'bit_npz' with path ''" in comments[1]
    needed = ["data.root=/d", "model.init.path=/w.npz"]
    whole = load_config(preset="cxr", overrides=needed).model_dump(mode="json")
    whole["data"]["root"] = whole["model"]["init"]["path"] = ""
    assert yaml.safe_load(shown) == whole


def test_a_complete_configuration_is_shown_without_a_comment(capsys, tmp_path):
    assert local_runner.main(["--preset", "demo", "--show-config"]) == 0
    shown = capsys.readouterr().out
    assert "#" not in shown
    (tmp_path / "config.yaml").write_text(shown)
    assert load_config(path=str(tmp_path / "config.yaml")) == load_config(preset="demo")


def test_a_wrong_setting_is_not_shown(capsys):
    arguments = ["--preset", "cxr", "--show-config", "--set", "model.dept=18"]
    assert local_runner.main(arguments) == 2
    said = capsys.readouterr()
    assert "nearest valid name: 'model.depth'" in said.err
    assert "root is empty" not in said.err
    assert said.out == ""


@pytest.mark.parametrize("given", [["--show-config"], ["--to-node", "DataGate"]])
def test_nothing_runs_without_what_it_needs(given, capsys, tmp_path):
    path = ["--set", "model.init.source=random", "--set", "model.init.path=/x"]
    arguments = ["--preset", "cxr", "--output", str(tmp_path / "run"), *given]
    assert local_runner.main([*arguments, *path]) == 2
    assert "'random' takes no path" in capsys.readouterr().err
    if given != ["--show-config"]:
        assert local_runner.main(arguments) == 2
        assert "root is empty" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
