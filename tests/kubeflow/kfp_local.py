"""Runs a compiled pipeline under KFP's own local orchestrator, every step a process of its own.

    python tests/kubeflow/kfp_local.py PIPELINE.yaml ROOT [NAME=VALUE ...]

kfp.local runs only KFP's own Python components outside Docker. What keeps container components out
is two checks, which are lifted here; the container's `python` is this interpreter, and its working
directory is the current one. Exit status: 0 the pipeline succeeded, 1 a step failed.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path


def run(file: str, root: str, arguments: dict[str, object]) -> bool:
    """Runs the pipeline; returns whether it succeeded."""
    from kfp import components, local
    from kfp.local import subprocess_task_handler

    handler = subprocess_task_handler.SubprocessTaskHandler
    handler.validate_not_container_component = lambda self, command: None
    handler.validate_not_containerized_python_component = lambda self, command: None
    subprocess_task_handler.replace_python_executable = _on_this_interpreter
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


def _on_this_interpreter(command: list[str], interpreter: str) -> list[str]:
    assert command[0] == "python", command[0]
    return [interpreter, *command[1:]]


def outputs(root: str | Path) -> dict[str, dict]:
    """What every step that ended left: its executor output, by step."""
    # kfp.local takes the first five letters of a component's name for the prefix `comp-`.
    return {
        path.parent.name: json.loads(path.read_text())
        for path in Path(root).glob("*/*/executor_output.json")
    }


if __name__ == "__main__":
    given = dict(item.split("=", 1) for item in sys.argv[3:])
    parsed = {name: json.loads(value) for name, value in given.items()}
    sys.exit(0 if run(sys.argv[1], sys.argv[2], parsed) else 1)
