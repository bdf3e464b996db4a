"""A copy of the sources in which the documented commands run, as they would in a checkout."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests import warm_process
from tests.docs.commands import ROOT

SOURCES = (
    *("pipeline", "components", "trainer_modules", "schemas", "benchmarks"),
    *("local_runner.py", "kubeflow_runner.py"),
)
ENVIRONMENT = {"REMEDIS_ID_KEY": "a key for tests of the documentation"}


class Workplace:
    """Runs commands in a folder that looks like a checkout."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._runs = 0
        for name in SOURCES:
            if (ROOT / name).is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / name, folder / name, ignore=ignored)
            else:
                shutil.copy(ROOT / name, folder / name)

    def run(self, words: list[str], timeout: int = 400) -> tuple[int, str]:
        """Runs `python WORDS`; returns the exit status and what was on the screen."""
        self._runs += 1
        screen = self.folder / f"screen-{self._runs}.txt"
        process = warm_process.start(words, self.folder, screen, ENVIRONMENT)
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            pytest.fail(f"not done after {timeout} s:\n{screen.read_text()}")
        return process.exitcode, screen.read_text()

    def newest(self, pattern: str) -> Path:
        """The newest of the paths that match a pattern in the folder."""
        found = sorted(self.folder.glob(pattern), key=lambda path: path.stat().st_mtime)
        assert found, f"nothing matches {pattern}"
        return found[-1]
