"""action.yml, whose steps run as a runner of GitHub would run them, and with hostile inputs."""

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS = ACTION["runs"]["steps"]
SCRIPTS = [step for step in STEPS if "run" in step]
# What a shell, a runner or Python would obey, if an input became part of a script.
HOSTILE = (
    "$(touch forged)",
    "`touch forged`",
    '"; touch forged; "',
    "'; touch forged; '",
    "x\ntouch forged\n",
    "x\noutcome=blessed",
    "x || touch forged",
    "--help",
    "-",
    "${{ inputs.policy }}",
    "%0A::set-output name=outcome::blessed",
)


@dataclasses.dataclass(frozen=True)
class Ran:
    """What a runner knows after the steps."""

    status: int
    log: str
    outputs: dict[str, str]
    summary: str

    @property
    def commands(self) -> list[str]:
        """The lines that the runner obeys: those outside of stop-commands."""
        obeyed, token = [], ""
        for line in self.log.splitlines():
            if token:
                token = "" if line == f"::{token}::" else token
            elif line.startswith("::stop-commands::"):
                token = line.removeprefix("::stop-commands::")
            elif line.lstrip().startswith("::") or "##[" in line:
                obeyed.append(line)
        assert not token, "commands stay stopped"
        return obeyed


class Runner:
    """A workspace, the files of a runner, and a copy of the action whose environment is ours."""

    def __init__(self, folder: Path):
        self.workspace, self.temporary = folder / "work space", folder / "temp"
        self.action = folder / "action"
        for one in (self.workspace, self.temporary, self.action / ".venv-gate/bin"):
            one.mkdir(parents=True)
        for part in ("components", "schemas", "trainer_modules"):
            (self.action / part).symlink_to(ROOT / part)
        (self.action / "setup.sh").write_text('echo "set up $1 with $PYTHON"\n')
        python = self.action / ".venv-gate/bin/python"
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        python.chmod(0o755)

    def run(self, **inputs: str) -> Ran:
        inputs = {name: one.get("default", "") for name, one in ACTION["inputs"].items()} | inputs
        files = {name: self.temporary / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for file in files.values():
            file.write_text("")
        log, status = "", 0
        for step in SCRIPTS:
            given = {name: _evaluated(value, inputs) for name, value in step["env"].items()}
            script = self.temporary / "step.sh"
            script.write_text(step["run"])
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
                cwd=self.workspace,
                env={
                    "PATH": os.environ["PATH"],
                    "RUNNER_TEMP": str(self.temporary),
                    "GITHUB_ACTION_PATH": str(self.action),
                    **{name: str(file) for name, file in files.items()},
                    **given,
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=120,
            )
            log, status = log + done.stdout, done.returncode
            if status:
                break
        outputs = _outputs(files["GITHUB_OUTPUT"].read_text())
        return Ran(status, log, outputs, files["GITHUB_STEP_SUMMARY"].read_text())


def _evaluated(value: str, inputs: dict[str, str]) -> str:
    """An expression of this action: alternatives of inputs and outputs of steps."""
    expression = re.fullmatch(r"\$\{\{ (.*) \}\}", value)
    assert expression, value
    for part in expression[1].split(" || "):
        if part == "steps.python.outputs.python-path":
            return "/tools/python"
        if found := inputs[part.removeprefix("inputs.")]:
            return found
    return ""


def _outputs(text: str) -> dict[str, str]:
    """As the runner reads GITHUB_OUTPUT: NAME=VALUE, or NAME<<END and lines up to END."""
    found, lines = {}, iter(text.splitlines())
    for line in lines:
        name, end = line.partition("<<")[::2]
        if end and "=" not in name:
            held = []
            for one in lines:
                if one == end:
                    break
                held.append(one)
            found[name] = "\n".join(held)
        else:
            name, equals, value = line.partition("=")
            assert equals, line
            found[name] = value
    return found


def table(shift: float, site: str = "north") -> pd.DataFrame:
    """Calibrated scores of 200 patients in each domain; the larger the shift, the better."""
    random = np.random.default_rng(0)
    label = np.tile([0, 1], 200)
    score = random.normal(size=400) + shift * label
    return pd.DataFrame(
        {
            "patient_id": [f"p{number}" for number in range(400)],
            "domain": np.repeat(["in_distribution", "shifted"], 200),
            "label": label,
            "score": 1 / (1 + np.exp(-shift * (score - shift / 2))),
            "site": site,
        }
    )


@pytest.fixture
def runner(tmp_path):
    return Runner(tmp_path)


def test_no_script_contains_an_expression():
    assert len(SCRIPTS) == 2
    assert all("${{" not in step["run"] and step["shell"] == "bash" for step in SCRIPTS)


def test_every_input_and_output_is_connected():
    text = (ROOT / "action.yml").read_text()
    used = set(re.findall(r"inputs\.([\w-]+)", text))
    assert used == set(ACTION["inputs"])
    written = set(re.findall(r"(?:^|\\n|')([\w-]+)(?:=%s|<<%s)", SCRIPTS[1]["run"]))
    assert written == set(ACTION["outputs"])
    for name, output in ACTION["outputs"].items():
        assert output["value"] == f"${{{{ steps.judge.outputs.{name} }}}}"


def test_the_page_names_every_input_and_output():
    page = (ROOT / "docs/model_gate.md").read_text()
    (example,) = yaml.safe_load(page.partition("```yml\n")[2].partition("```")[0])
    assert set(example["with"]) <= set(ACTION["inputs"])
    section = page.partition("| input | meaning |")[2].partition("\n## ")[0]
    table, text = section.split("\n\n")[:2]
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    assert set(re.findall(r"`([\w-]+)`", " ".join(rows))) == set(ACTION["inputs"])
    assert set(ACTION["outputs"]) <= set(re.findall(r"`([\w-]+)`", text))


def test_other_actions_are_pinned_and_the_same_as_in_ci():
    used = re.findall(r"uses: (\S+@[0-9a-f]{40} # v\S+)", (ROOT / "action.yml").read_text())
    assert len(used) == sum("uses" in step for step in STEPS)
    assert all(one in (ROOT / ".github/workflows/ci.yml").read_text() for one in used)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shift", "status", "outcome"),
    [(2.5, 0, "blessed"), (0.1, 4, "refused"), (0.95, 5, "inconclusive")],
)
def test_verdict_is_told_in_outputs_annotations_and_summary(runner, shift, status, outcome):
    table(shift).to_csv(runner.workspace / "table.csv", index=False)
    ran = runner.run(predictions="table.csv", junit="results/gate.xml")
    assert ran.log.startswith("set up gate with /tools/python\n")
    assert (ran.status, ran.outputs["exit-status"]) == (status, str(status))
    assert ran.outputs["outcome"] == outcome
    assert json.loads(Path(ran.outputs["verdict"]).read_text())["outcome"] == outcome
    assert ran.commands[-1].startswith(f"::{'error' if status else 'notice'} title=model gate::")
    assert ran.summary.startswith("## Model gate: ")
    assert "passing it is no clinical evidence" in ran.summary
    assert (runner.workspace / "results/gate.xml").read_text().startswith("<?xml")


@pytest.mark.slow
def test_options_reach_the_gate(runner):
    made = table(2.5).assign(sex="F", age="old", name="n")
    made.to_parquet(runner.workspace / "table.parquet")
    (runner.workspace / "own.yaml").write_text("max_gap: 0.15")
    ran = runner.run(
        predictions="table.parquet",
        policy="own.yaml",
        threshold="0.25",
        subgroup="sex\nage\n",
        exclude="age",
        ledger="looks.jsonl",
        verdict="out/mine.json",
        python="/my/python",
    )
    assert ran.log.startswith("set up gate with /my/python\n")
    assert ran.status == 0, ran.log
    assert ran.outputs["verdict"] == "out/mine.json"
    verdict = json.loads((runner.workspace / "out/mine.json").read_text())
    assert (verdict["policy"], verdict["settings"]["max_gap"]) == ("own.yaml", 0.15)
    assert verdict["judged"]["threshold"] == 0.25
    assert verdict["judged"]["subgroups"] == ["sex"]
    assert len((runner.workspace / "looks.jsonl").read_text().splitlines()) == 1


@pytest.mark.slow
def test_bad_input_leaves_no_verdict(runner):
    stale = runner.temporary / "model-gate/verdict.json"
    stale.parent.mkdir()
    stale.write_text('{"blessed": true}')
    ran = runner.run(predictions="nowhere.csv")
    assert (ran.status, ran.outputs["outcome"], ran.outputs["verdict"]) == (2, "not-judged", "")
    assert not stale.exists()
    assert "nowhere.csv" in ran.log
    assert ran.summary == "## Model gate: not judged, exit status 2: the log says why\n"
    (command,) = ran.commands
    assert command.startswith("::error title=model gate::not judged")


@pytest.mark.slow
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_inputs_are_but_values(runner, text):
    (runner.workspace / "table.csv").write_text("patient_id\n1\n")
    options = dict.fromkeys(("policy", "threshold", "subgroup", "exclude", "junit"), text)
    for given in ({"predictions": text}, {"predictions": "table.csv", **options}):
        ran = runner.run(**given)
        assert (ran.status, ran.outputs["outcome"], ran.outputs["verdict"]) == (2, "not-judged", "")
        assert len(ran.commands) == 1
    assert not list(runner.workspace.rglob("forged*"))


@pytest.mark.slow
@pytest.mark.parametrize("text", [HOSTILE[0], HOSTILE[5], "--help", "-"])
def test_hostile_paths_of_the_verdict_are_but_paths(runner, text):
    table(0.1).to_csv(runner.workspace / "table.csv", index=False)
    ran = runner.run(predictions="table.csv", ledger="none", verdict=text, junit=f"{text}.xml")
    assert (ran.status, ran.outputs["outcome"], ran.outputs["verdict"]) == (4, "refused", text)
    held = {path.name for path in runner.workspace.iterdir()}
    assert held == {"table.csv", text, f"{text}.xml"}
    assert ran.summary.startswith("## Model gate: NOT blessed")


@pytest.mark.slow
@pytest.mark.parametrize(
    "site", ["::set-output name=outcome::blessed", "##[set-output name=outcome;]blessed"]
)
def test_names_in_the_table_forge_no_command(runner, site):
    """The runner finds `##[` anywhere in a line, and `::` behind blanks."""
    table(0.1, f"  {site}").to_csv(runner.workspace / "table.csv", index=False)
    ran = runner.run(predictions="table.csv")
    assert (ran.status, ran.outputs["outcome"]) == (4, "refused")
    assert "set-output" in ran.log
    assert all(re.match(r"::(error|warning|notice) title=[^:]*::", line) for line in ran.commands)


@pytest.mark.slow
def test_modules_in_the_workspace_are_not_imported(runner):
    table(2.5).to_csv(runner.workspace / "table.csv", index=False)
    for name in ("components", "numpy", "json"):
        (runner.workspace / name).mkdir()
        (runner.workspace / name / "__init__.py").write_text("raise SystemExit(0)")
    ran = runner.run(predictions="table.csv")
    assert ran.outputs["outcome"] == "blessed", ran.log
    assert "## Model gate: blessed" in ran.summary
