"""The output folder of a local run: its paths, its marker and lock, and the results it keeps.

A run writes only to a folder that is new, empty or marked as one of a run, and deletes nothing in
it but what it made. The results of earlier runs move to `earlier/NUMBER`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import yaml

from components.image_example_gen.privacy import KEY_VARIABLE, ensure_key_file
from pipeline.local import marker
from pipeline.local.places import check_output_place, written_place
from schemas import file_lock
from schemas.atomic_write import replacing
from schemas.documents.run import RunMarker, Summary
from schemas.errors import InputError
from trainer_modules.settings import strict_yaml

_UNFINISHED_REPORT = ".report.part"
_SQLITE = b"SQLite format 3\0"
# What a run has in its folder besides its results, so no place for pushed models.
OWN_FOLDERS = (
    "artifacts",
    "checkpoints",
    "earlier",
    "label_efficiency",
    "passed_data",
    "private",
    "report",
    "schemas",
)


class RunFolder:
    """Paths in an output folder; nothing is created before `opened`.

    A study continues a run in its folder, and writes to a subfolder, so that it replaces neither
    the run's report nor its configuration.

    Args:
      output: The folder.
      study: Name of a study; empty: the release pipeline.

    Raises:
      InputError: A run can't have this folder; the folder is unchanged.
    """

    def __init__(self, output: str, study: str = "") -> None:
        self.place = written_place(output, "--output")
        check_output_place(self.place)
        self.root = self.place.path
        self._said = self.root / study
        self.adopts = marker.check_ours(self.place, of_earlier_version)
        self._check_writable()
        file_lock.check_free(self._lock, str(self.place))

    @property
    def log(self) -> Path:
        return self.root / "run.log"

    @property
    def config(self) -> Path:
        return self._said / "config.yaml"

    @property
    def summary(self) -> Path:
        return self._said / Summary.FILE

    @property
    def report(self) -> Path:
        return self._said / "report"

    @property
    def metadata(self) -> Path:
        return self.root / "metadata.sqlite"

    @property
    def gate_ledger(self) -> Path:
        return self.root / "gate_ledger.jsonl"

    @property
    def own_key(self) -> Path:
        """The run's own patient-hash key, which need not exist."""
        return self.root / "private" / "id.key"

    @property
    def _lock(self) -> Path:
        return self.root / marker.LOCK

    @contextlib.contextmanager
    def opened(self, pipeline: str) -> Iterator[None]:
        """Creates, locks and marks the folder, and moves the results of the last run aside.

        Args:
          pipeline: The pipeline's name, for the marker.

        Raises:
          InputError: Another run has the folder, or it can't be written to.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.place} can't be used: {error}") from None
        with file_lock.held(self._lock, str(self.place)):
            # Again, because another run may have come first.
            self.adopts = marker.check_ours(self.place, of_earlier_version)
            marker.mark(self.root, pipeline, adopted=self.adopts)
            self._said.mkdir(exist_ok=True)
            self._keep_earlier()
            yield

    def write_config(self, text: str) -> None:
        """Writes the run's configuration."""
        with replacing(self.config) as partial:
            partial.write_text(text, encoding="utf-8")

    @contextlib.contextmanager
    def writing_report(self) -> Iterator[Path]:
        """Yields a new path for the report, which takes its place at the end of the block.

        It is the newest report; if the block raises, there is none.
        """
        partial = self._said / _UNFINISHED_REPORT
        try:
            yield partial
            partial.rename(self.report)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise

    def id_key_file(self) -> str:
        """Path of the run's own patient-hash key, created on first use, readable only by its owner.

        Empty if the environment provides the key, which is then never written to disk.
        """
        if os.environ.get(KEY_VARIABLE):
            return ""
        self.own_key.parent.mkdir(mode=0o700, exist_ok=True)
        return ensure_key_file(str(self.own_key))

    def import_schema(self, source: Path) -> str:
        """Copies a schema to a name derived from its content, so that TFX's cache notices edits.

        TFX's cache key of an imported schema contains only its path.
        """
        content = source.read_bytes()
        path = self.root / "schemas" / f"{hashlib.sha256(content).hexdigest()[:16]}.pbtxt"
        path.parent.mkdir(exist_ok=True)
        with replacing(path) as partial:
            partial.write_bytes(content)
        return str(path)

    def _check_writable(self) -> None:
        """Refuses a folder in which another user's run left files that this one must change."""
        for name in (RunMarker.FILE, "run.log", "metadata.sqlite", *OWN_FOLDERS):
            path = self.root / name
            mode = os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0)
            if path.exists() and not os.access(path, mode):
                raise InputError(
                    f"{self.place}: no permission to read and write '{path}'; let the run's user "
                    "do so, or give another folder"
                )

    def _keep_earlier(self) -> None:
        """Moves the last run's report, summary and configuration to a folder of their own.

        They move before the run, so that a run that is killed has no results, instead of those of
        another run.
        """
        shutil.rmtree(self._said / _UNFINISHED_REPORT, ignore_errors=True)
        results = [path for path in (self.summary, self.report) if path.exists()]
        if not results:
            return
        parent = self._said / "earlier"
        parent.mkdir(exist_ok=True)
        numbers = [int(path.name) for path in parent.iterdir() if path.name.isdecimal()]
        kept = parent / str(max(numbers, default=0) + 1)
        kept.mkdir()
        for path in (*results, self.config):
            if path.exists():
                path.rename(kept / path.name)


def of_earlier_version(folder: Path) -> bool:
    """Whether a folder without a marker has the configuration and the metadata of a run."""
    try:
        with (folder / "metadata.sqlite").open("rb") as file:
            if file.read(len(_SQLITE)) != _SQLITE:
                return False
        # A study alone has its configuration in its own folder.
        places = [folder / name / "config.yaml" for name in ("", "label_efficiency")]
        config = next((place for place in places if place.exists()), places[0])
        settings = strict_yaml.load(config.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return False
    return isinstance(settings, dict) and {"name", "task", "data"} <= settings.keys()
