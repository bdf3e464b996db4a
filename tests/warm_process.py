"""Commands of the project in processes that start with the large libraries already imported.

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
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).resolve().parents[1]
_LARGE = ["tfx.v1", "tensorflow_model_analysis", "tensorflow_data_validation", "keras"]
_PROJECT = {"components", "pipeline", "trainer_modules"}


@functools.cache
def _context() -> multiprocessing.context.ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LARGE)
    return context


def start(
    arguments: Sequence[str],
    folder: Path,
    screen: Path | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> BaseProcess:
    """Starts `python ARGUMENTS` (a script, or `-m` and a module, and theirs) in `folder`.

    What it prints goes to the file `screen`, or to where this process's output goes.
    """
    given = (list(arguments), str(folder), screen and str(screen), dict(environment))
    process = _context().Process(target=_run, args=given)
    process.start()
    return process


def _run(
    arguments: list[str], folder: str, screen: str | None, environment: dict[str, str]
) -> None:
    loaded = [name for name in sys.modules if name.split(".")[0] in _PROJECT]
    assert not loaded, f"the project was imported before its checkout was known: {loaded}"
    os.environ.update(environment)
    os.chdir(folder)
    if screen:
        output = os.open(screen, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
    sys.stdout.reconfigure(line_buffering=True)
    sys.path[:] = [folder, *(entry for entry in sys.path if Path(entry).resolve() != ROOT)]
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")
