"""One area's folder: what mutmut reads there, and what it has found out.

mutmut works in the folder where it is started. Each area has one under build/mutation, with links
to the sources, so that areas differ in their tests and keep their results apart.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mutmut.configuration import reset_config
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.utils.format_utils import get_mutant_name, orig_function_and_class_names_from_key

from tests.mutation.areas import AREAS

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "mutation"
MUTATED = ("components", "pipeline", "schemas", "trainer_modules")
# Read or imported by tests.
COPIED = (
    "benchmarks",
    "docs",
    "README.md",
    "CONTRIBUTING.md",
    "local_runner.py",
    "kubeflow_runner.py",
)
# Most of a small test's time goes to plugins: two of them collect garbage, of all of TensorFlow.
_WITHOUT = ("cacheprovider", "hypothesispytest", "threadexception", "unraisableexception", "xdist")
_PLUGINS = [f"-pno:{name}" for name in _WITHOUT] + ["-ptests.mutation.shared_fixtures"]
SETTINGS = {
    "source_paths": list(MUTATED),
    "also_copy": list(COPIED),
    "pytest_add_cli_args": ["-m", "not slow or tfx", *_PLUGINS],
    # Seconds, times five: a test that hangs is stopped, one on a busy machine is not.
    "timeout_constant": 20.0,
    "timeout_multiplier": 5.0,
    # What an error says is for people; tests look for its gist.
    "do_not_mutate_patterns": [r"raise \w+", r"logging\.\w+"],
    # Workers are forked from a process that has the libraries but has computed nothing: TensorFlow
    # does not survive a fork once its threads run.
    "process_isolation": "forkserver",
    "use_git_change_detection": False,
    "on_dependency_change": "ignore",
}
SURVIVED, NO_TESTS, INTERRUPTED, TIMED_OUT = 0, (5, 33), 2, (-24, 24, 36, 152, 255)
"""Exit codes of mutmut's workers; any other one is a kill, by a failed test or a crash."""


class Mutant(NamedTuple):
    """A mutant, and the exit code of its worker; None: not tried."""

    name: str
    exit_code: int | None

    @property
    def tried(self) -> bool:
        return self.exit_code not in (None, INTERRUPTED)

    @property
    def timed_out(self) -> bool:
        return self.exit_code in TIMED_OUT

    @property
    def alive(self) -> bool:
        return self.exit_code == SURVIVED or self.exit_code in NO_TESTS


class Mutants:
    """The mutants of an area."""

    def __init__(self, area: str) -> None:
        self.sources = sorted(
            str(path.relative_to(ROOT))
            for pattern in AREAS[area].sources
            for path in ROOT.glob(pattern)
            if path.name != "__init__.py"
        )
        self._tests = AREAS[area].tests
        self._folder = FOLDER / area

    def prepare(self) -> None:
        """Lays out the folder; what is known of functions that did not change stays known."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for name in ("tests", *MUTATED, *COPIED):
            link = self._folder / name
            if not link.is_symlink():
                link.symlink_to(ROOT / name)
        settings = SETTINGS | {
            "only_mutate": self.sources,
            "pytest_add_cli_args_test_selection": list(self._tests),
        }
        lines = [f"{name} = {json.dumps(value)}\n" for name, value in settings.items()]
        ours = "\n[tool.mutmut]\n" + "".join(lines)
        file = self._folder / "pyproject.toml"
        if file.exists() and not file.read_text().endswith(ours):
            shutil.rmtree(self._folder / "mutants", ignore_errors=True)
        file.write_text((ROOT / "pyproject.toml").read_text() + ours)
        self._remove_outdated()

    def _remove_outdated(self) -> None:
        """Makes mutmut copy anew what it would leave as it was, except its own notes."""
        mutants = self._folder / "mutants"
        shutil.rmtree(mutants / "tests", ignore_errors=True)
        for package in MUTATED:
            for path in (mutants / package).rglob("*"):
                kept = path.suffix == ".py" and (ROOT / path.relative_to(mutants)).exists()
                if path.is_file() and not kept and path.suffix not in (".meta", ".spans"):
                    path.unlink()

    @functools.cache  # noqa: B019  an area is there for the whole command
    def names(self) -> dict[str, list[str]]:
        """All mutants of each module."""
        with self._entered():
            return {
                source: [
                    get_mutant_name(Path(source), name)
                    for name in mutate_file_contents(source, Path(source).read_text()).mutant_names
                ]
                for source in self.sources
            }

    def sample(self, source: str, size: int) -> list[Mutant]:
        """Some mutants of a module, the same ones every time; all of them for size 0."""
        names = self.names()[source]
        if 0 < size < len(names):
            names = sorted(random.Random(source).sample(names, size))
        meta = self._folder / "mutants" / f"{source}.meta"
        known = json.loads(meta.read_text())["exit_code_by_key"] if meta.exists() else {}
        return [Mutant(name, known.get(name)) for name in names]

    def tests_changed(self) -> bool:
        """Whether tests are not those of the last complete run."""
        file = self._folder / "tests.sha256"
        return not file.exists() or file.read_text() != self._digest_of_tests()

    def _digest_of_tests(self) -> str:
        digest = hashlib.sha256()
        for test in self._tests:
            for path in sorted((ROOT / test).rglob("*.py")) or [ROOT / test]:
                digest.update(path.read_bytes())
        return digest.hexdigest()

    def run(self, names: list[str], jobs: int, seconds: float | None) -> None:
        """Tries mutants, for so long at most."""
        digest = self._digest_of_tests()
        command = [
            str(Path(sys.executable).with_name("mutmut")),
            "run",
            "--max-children",
            str(jobs),
        ]
        process = subprocess.Popen([*command, *names], cwd=self._folder, start_new_session=True)
        try:
            if process.wait(seconds) == 0:
                (self._folder / "tests.sha256").write_text(digest)
            else:
                print(f"mutmut has stopped; do the tests pass? Its folder is {self._folder}")
        except subprocess.TimeoutExpired:
            pass  # mutmut has noted every mutant that it is through with
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait()

    def change(self, source: str, name: str) -> tuple[str, str]:
        """The function, and its lines before and after."""
        function, class_name = orig_function_and_class_names_from_key(name)
        with self._entered():
            diff = get_diff_for_mutant(name, path=source).splitlines()[3:]
        before, after = (
            " ".join(line[1:].strip() for line in diff if line.startswith(sign)) for sign in "-+"
        )
        return f"{class_name}.{function}" if class_name else function, f"{before} → {after}"

    @contextlib.contextmanager
    def _entered(self) -> Iterator[None]:
        reset_config()
        with contextlib.chdir(self._folder):
            yield
