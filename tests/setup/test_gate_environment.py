"""`make gate` for real: what is installed from its lock judges tables of each kind."""

import gzip
import io
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.model_gate.__main__ import COMMANDS

pytestmark = [pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
MOST_MB = 400
HEAVY = ("tensorflow", "tfx", "keras", "sklearn", "matplotlib", "apache_beam")
# Modules are compiled when they are first imported, as for most users.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """The interpreter that `make gate` makes in a checkout that has nothing yet."""
    checkout = tmp_path_factory.mktemp("checkout")
    for name in ("Makefile", "setup.sh", "requirements-gate.lock", "requirements-dev.lock"):
        shutil.copy(ROOT / name, checkout)
    done = subprocess.run(
        ["make", "--no-print-directory", "gate"],
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=600,
    )
    if "cannot be reached" in done.stderr:
        pytest.skip("the package index can't be reached")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Next: .venv-gate/bin/python -m components.model_gate")
    return checkout / ".venv-gate/bin/python"


def run(python: Path, *arguments: object, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [python, *map(str, arguments)],
        cwd=ROOT,
        env=ENVIRONMENT,
        input=given,
        capture_output=True,
        timeout=120,
    )


def judged(python: Path, *arguments: object, given: bytes = b"") -> dict:
    """The verdict, without what it was made from."""
    options = ("--ledger", "none", *arguments)
    done = run(python, "-m", "components.model_gate", *options, given=given)
    assert done.returncode in (0, 4, 5), done.stderr.decode()
    verdict = json.loads(done.stdout)
    verdict.pop("provenance")
    return verdict


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    random = np.random.default_rng(3)
    label = np.tile([0, 1], 200)
    return pd.DataFrame(
        {
            "patient_id": [f"p{number}" for number in range(400)],
            "domain": np.repeat(["in_distribution", "shifted"], 200),
            "label": label,
            "score": 1 / (1 + np.exp(-2.5 * (random.normal(size=400) + 2.5 * (label - 0.5)))),
            "site": np.where(np.arange(400) % 4 < 2, "north", "south"),
        }
    )


def test_it_is_small_and_has_nothing_of_the_pipelines(python):
    code = f"import importlib.util as u; print([m for m in {HEAVY!r} if u.find_spec(m)])"
    assert run(python, "-c", code).stdout.decode().strip() == "[]"
    used = sum(path.lstat().st_blocks * 512 for path in python.parents[1].rglob("*"))
    assert 100 < used / 2**20 < MOST_MB


def test_every_kind_of_table_gets_the_same_verdict(python, table, tmp_path):
    text = table.to_csv(index=False).encode()
    csv, packed, parquet = (tmp_path / f"t{end}" for end in (".csv", ".csv.gz", ".parquet"))
    csv.write_bytes(text)
    packed.write_bytes(gzip.compress(text))
    table.to_parquet(parquet)
    expected = judged(python, "--predictions", csv)
    assert expected["blessed"]
    assert judged(python, "--predictions", packed) == expected
    assert judged(python, "--predictions", parquet) == expected
    buffer = io.BytesIO()
    table.to_parquet(buffer)
    assert judged(python, "--predictions", "-", given=gzip.compress(buffer.getvalue())) == expected


def test_several_findings_and_each_format(python, table, tmp_path):
    several = table.rename(columns={"label": "label/edema", "score": "score/edema"})
    several = several.assign(**{"label/mass": table["label"], "score/mass": 1 - table["score"]})
    path, written = tmp_path / "several.csv", tmp_path / "verdict.json"
    several.to_csv(path, index=False)
    verdict = judged(python, "--predictions", path, "--policy", "clinical", "--output", written)
    assert verdict["outcome"] == "refused"
    assert {"auc/edema", "auc/mass"} <= set(verdict["metrics"]["shifted"])
    begins = {"junit": "<?xml", "github": "::error ", "markdown": "## Model gate: NOT blessed"}
    for form, beginning in begins.items():
        shown = run(python, "-m", "components.model_gate", "show", written, "--format", form)
        assert shown.stdout.decode().startswith(beginning)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_starts(python, command):
    done = run(python, "-m", "components.model_gate", command, "--help")
    assert done.returncode == 0, done.stderr.decode()
    loaded = run(python, "-c", f"import {COMMANDS[command]}")
    assert loaded.returncode == 0, loaded.stderr.decode()


def test_a_model_needs_the_whole_set_up(python, tmp_path):
    (tmp_path / "model").mkdir()
    model = ("--model", tmp_path / "model", "--examples", "none")
    done = run(python, "-m", "components.model_gate", *model)
    assert done.returncode == 2
    assert b"make setup" in done.stderr
    assert b"Traceback" not in done.stderr
