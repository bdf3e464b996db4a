"""Serves steps to another process, so that two environments can be timed in turns.

Imported by both sides, so it requires only Python.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator


def serve(steps: dict[str, Callable[[], object]]) -> None:
    """Runs the step named in each line of stdin, and answers its cost as JSON."""
    for line in sys.stdin:
        elapsed, processor = time.perf_counter(), time.process_time()
        steps[line.strip()]()
        answer = {
            "elapsed": time.perf_counter() - elapsed,
            "processor": time.process_time() - processor,
            "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }
        print(json.dumps(answer), flush=True)


@contextlib.contextmanager
def served(command: list[str], threads: int) -> Iterator[Callable[[str], dict[str, float]]]:
    """Starts a process that serves steps; yields a function that runs one there by its name."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "TF_CPP_MIN_LOG_LEVEL": "3"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        questions, answers = process.stdin, process.stdout
        assert questions is not None  # both are pipes
        assert answers is not None

        def step(name: str) -> dict[str, float]:
            questions.write(f"{name}\n")
            questions.flush()
            answer = answers.readline()
            if not answer:
                raise RuntimeError(f"{command} ended while it ran {name}")
            return json.loads(answer)

        try:
            yield step
        finally:
            questions.close()
