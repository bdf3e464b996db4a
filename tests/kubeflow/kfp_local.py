"""Runs a compiled pipeline under KFP's own local orchestrator, every step a process of its own.

    python tests/kubeflow/kfp_local.py PIPELINE.yaml ROOT [NAME=VALUE ...]

kfp.local runs only KFP's own Python components outside Docker. What keeps container components out
is two checks, which are lifted here. A step's `python -m MODULE ...` is a fork of a process that
has imported the large libraries (`tests/warm_process.py`), a third of the time; its working
directory is the current one.

Exit status: 0 the pipeline succeeded, 1 a step failed.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

from tests import warm_process


def run(file: str, root: str, arguments: dict[str, object]) -> bool:
    """Runs the pipeline; returns whether it succeeded."""
    from kfp import components, local
    from kfp.local import subprocess_task_handler

    handler = subprocess_task_handler.SubprocessTaskHandler
    handler.validate_not_container_component = lambda self, command: None
    handler.validate_not_containerized_python_component = lambda self, command: None
    # The command stays as compiled; `_forked` runs it.
    subprocess_task_handler.replace_python_executable = lambda command, interpreter: command
    subprocess_task_handler.run_local_subprocess = _forked
    warnings.filterwarnings("ignore", category=RuntimeWarning)  # about the image
    local.init(
        runner=local.SubprocessRunner(use_venv=False), pipeline_root=root, raise_on_error=True
    )
    try:
        components.load_component_from_file(file)(**arguments)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return False
    return True


def _forked(full_command: list[str]) -> int:
    """Runs `python -m MODULE ...` as the fork of a prepared process; returns its exit status."""
    python, *arguments = full_command
    assert python == "python", full_command
    process = warm_process.start(arguments, Path.cwd())
    process.join()
    return process.exitcode


def outputs(root: str | Path) -> dict[str, dict]:
    """What every step that ended left: its executor output, by step."""
    # kfp.local takes the first five letters of a component's name for the prefix `comp-`.
    return {
        path.parent.name: json.loads(path.read_text())
        for path in Path(root).glob("*/*/executor_output.json")
    }


if __name__ == "__main__":
    file, root, *items = sys.argv[1:]
    parsed = {name: json.loads(value) for name, value in (item.split("=", 1) for item in items)}
    sys.exit(0 if run(file, root, parsed) else 1)
