"""The output folder of a local run: its paths, its lock and the patient-hash key."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from components.image_example_gen.privacy import KEY_VARIABLE, ensure_key_file
from schemas.errors import InputError


def require_writable(folder: str, name: str) -> None:
    """Creates a folder that the user named, if it is missing.

    Raises:
      InputError: It can't be created or written to.
    """
    path = Path(folder).expanduser().resolve()
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK):
            raise PermissionError("no permission to write")
    except OSError as error:
        raise InputError(
            f"{name} '{folder}' can't be used: {error}; give a folder you can write to"
        ) from None


class RunFolder:
    """Paths in an output folder, which is created on construction.

    A study continues a run in its folder, and writes to a subfolder, so that it replaces neither
    the run's report nor its configuration.

    Args:
      output: The folder.
      study: Name of a study; empty: the release pipeline.

    Raises:
      InputError: The folder can't be created or written to.
    """

    def __init__(self, output: str, study: str = "") -> None:
        self.root = Path(output).expanduser().resolve()
        self._said = self.root / study
        require_writable(output, "--output")
        self._said.mkdir(exist_ok=True)

    @property
    def log(self) -> Path:
        return self.root / "run.log"

    @property
    def config(self) -> Path:
        return self._said / "config.yaml"

    @property
    def summary(self) -> Path:
        return self._said / "summary.json"

    @property
    def report(self) -> Path:
        return self._said / "report"

    @property
    def metadata(self) -> Path:
        return self.root / "metadata.sqlite"

    @property
    def gate_ledger(self) -> Path:
        return self.root / "gate_ledger.jsonl"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Locks the folder against a second run, until the process ends."""
        with (self.root / ".lock").open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError(
                    f"--output '{self.root}' is in use by another run; wait for it or give "
                    "another folder"
                ) from None
            yield

    def id_key_file(self) -> str:
        """Path of the run's own patient-hash key, created on first use, readable only by its owner.

        Empty if the environment provides the key, which is then never written to disk.
        """
        if os.environ.get(KEY_VARIABLE):
            return ""
        path = self.root / "private" / "id.key"
        path.parent.mkdir(mode=0o700, exist_ok=True)
        return ensure_key_file(str(path))

    def import_schema(self, source: Path) -> str:
        """Copies a schema to a name derived from its content, so that TFX's cache notices edits.

        TFX's cache key of an imported schema contains only its path.
        """
        content = source.read_bytes()
        path = self.root / "schemas" / f"{hashlib.sha256(content).hexdigest()[:16]}.pbtxt"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return str(path)
