"""Local runs in processes that start with the large libraries already imported.

A run imports some twenty seconds of third-party code before it does anything. The tests run the
pipeline a dozen times, so a fork server (of the standard library) imports that code once, and each
run is a fork of it: a process of its own, with its own environment, working directory and output,
that imports the project from the checkout under test.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import runpy
import sys
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_LARGE = ["tfx.v1", "tensorflow_model_analysis", "tensorflow_data_validation", "keras"]


@functools.cache
def _context() -> multiprocessing.context.ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LARGE)
    return context


def start(
    script: str,
    arguments: Sequence[str],
    *,
    folder: Path,
    screen: Path,
    environment: dict[str, str],
) -> BaseProcess:
    """Starts `python SCRIPT ARGUMENTS` in `folder`, its output going to the file `screen`."""
    given = (script, list(arguments), str(folder), str(screen), environment)
    process = _context().Process(target=_run, args=given)
    process.start()
    return process


def _run(
    script: str, arguments: list[str], folder: str, screen: str, environment: dict[str, str]
) -> None:
    loaded = [name for name in sys.modules if name.split(".")[0] in ("components", "pipeline")]
    assert not loaded, f"the project was imported before its checkout was known: {loaded}"
    os.environ.update(environment)
    os.chdir(folder)
    output = os.open(screen, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout.reconfigure(line_buffering=True)
    sys.path[:] = [folder, *(entry for entry in sys.path if Path(entry).resolve() != ROOT)]
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")
