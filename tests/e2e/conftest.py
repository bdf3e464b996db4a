"""Whole runs of a copy of the repository, shared between the tests that look at them."""

from __future__ import annotations

import dataclasses
import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from tests import warm_process

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("pipeline", "components", "trainer_modules", "schemas", "local_runner.py")
ENVIRONMENT = {"REMEDIS_ID_KEY": "a key for tests of whole runs"}
# A pipeline of seconds on SYNTHETIC images. Its gate asks only for what so little can give.
TINY = (
    "data.synthetic.patients=220",
    "data.synthetic.shifted_patients=90",
    "data.synthetic.image_size=48",
    "data.stored_size=32",
    "model.image_size=32",
    "model.units=[1]",
    "model.root_filters=8",
    "pretrain.epochs=3",
    "pretrain.batch_size=64",
    "finetune.epochs=3",
    "finetune.batch_size=32",
    "predictor.embeddings=[test,shifted]",
    "evaluation.min_auc=0",
    "evaluation.min_auc_in_distribution=0",
    "evaluation.min_auc_shifted=0",
    "evaluation.max_domain_gap=1",
    "gate.in_distribution.min_auc=0",
    "gate.shifted.min_auc=0",
    "gate.max_gap=1",
    "gate.max_regression=1",
    "gate.min_patients_per_class=2",
    "gate.subgroups={min_auc: 0, max_regression: 1}",
    *(
        f"gate.{domain}={{calibration_slope: null, calibration_intercept: null, "
        "max_calibration_error: 1, min_patients: 2}"
        for domain in ("in_distribution", "shifted")
    ),
)


def leaked(folder, pattern):
    """Files, unpacked, that hold what the pattern finds."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [path for path in files if re.search(pattern, unpacked(path))]


def unpacked(path):
    """Bytes of a file as it is and as its readers see it."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data += gzip.decompress(data)
    if path.suffix == ".parquet":
        data += repr(pq.read_table(path).to_pydict()).encode()
    return data


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a user has after a run: exit status, screen, and the output folder."""

    status: int
    screen: str
    output: Path

    @property
    def summary(self) -> dict[str, Any]:
        return json.loads((self.output / "summary.json").read_text())

    @property
    def states(self) -> dict[str, str]:
        return {node["name"]: node["state"] for node in self.summary["nodes"]}

    def ran(self) -> list[str]:
        return [name for name, state in self.states.items() if state == "ran"]


class Checkout:
    """A copy of the sources that a test may edit, made once, and runs of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if folder.exists():
            return
        for name in SOURCES:
            source = ROOT / name
            if source.is_dir():
                ignore = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, folder / name, ignore=ignore)
            else:
                shutil.copy(source, folder / name)

    def command(
        self, output: Path, overrides: tuple[str, ...], arguments: tuple[str, ...]
    ) -> list[str]:
        settings = [part for item in overrides for part in ("--set", item)]
        run = ["local_runner.py", "--preset", "demo", "--output", str(output)]
        return [*run, *settings, *arguments]

    def run(
        self, output: Path, *arguments: str, overrides: tuple[str, ...] = TINY, timeout: int = 400
    ) -> Outcome:
        """A run in a process that has the large libraries already."""
        process, screen = self._start(output, overrides, arguments)
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            pytest.fail(f"not done after {timeout} s:\n{screen.read_text()}")
        return Outcome(process.exitcode, screen.read_text(), output)

    def run_as_a_user(self, output: Path, timeout: int = 400) -> Outcome:
        """The same from a command line, with nothing prepared."""
        done = subprocess.run(
            [sys.executable, *self.command(output, TINY, ())],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**os.environ, **ENVIRONMENT},
        )
        return Outcome(done.returncode, done.stdout + done.stderr, output)

    def kill_when(
        self, text: str, output: Path, overrides: tuple[str, ...], *arguments: str
    ) -> None:
        """Starts a run and kills it, with SIGKILL, as soon as `text` appears on its screen."""
        process, screen = self._start(output, overrides, arguments)
        deadline = time.monotonic() + 300
        while process.exitcode is None and time.monotonic() < deadline:
            if screen.exists() and text in screen.read_text():
                break
            process.join(0.1)
        process.kill()
        process.join()
        assert text in screen.read_text()
        assert process.exitcode == -signal.SIGKILL

    def _start(self, output: Path, overrides: tuple[str, ...], arguments: tuple[str, ...]):
        screen = output.with_name(f"{output.name}-screen.txt")
        screen.unlink(missing_ok=True)
        command = self.command(output, overrides, arguments)
        return warm_process.start(command, self.folder, screen, ENVIRONMENT), screen


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory):
    """One folder for all of pytest-xdist's workers, which each have a session of their own."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def checkout(shared_folder):
    with FileLock(shared_folder / "checkout.lock"):
        return Checkout(shared_folder / "checkout")


@pytest.fixture(scope="session")
def first_run(checkout, shared_folder):
    """The one full run that most tests look at or continue from."""
    record = shared_folder / "first_run.json"
    with FileLock(shared_folder / "first_run.lock"):
        if not record.exists():
            outcome = checkout.run_as_a_user(shared_folder / "first")
            assert outcome.status == 0, outcome.screen
            record.write_text(json.dumps({"screen": outcome.screen, "summary": outcome.summary}))
    return Outcome(0, json.loads(record.read_text())["screen"], shared_folder / "first")


@pytest.fixture(scope="session")
def first_summary(first_run, shared_folder):
    """What the full run said at its end, whatever was run in its folder since."""
    return json.loads((shared_folder / "first_run.json").read_text())["summary"]
