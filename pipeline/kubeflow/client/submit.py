"""Sends a compiled pipeline to Kubeflow Pipelines, for one run or on a schedule."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from pipeline.kubeflow.client.pipeline_file import declared_parameters, load_pipeline
from pipeline.kubeflow.client.server import Server, connected
from pipeline.kubeflow.compile.parameters import parse_arguments
from schemas.errors import InputError

_POLL_SECONDS = 5
_ENDED = ("SUCCEEDED", "SKIPPED", "FAILED", "CANCELED")
_CRON_FIELDS = 6


def submit(
    file: str,
    server: Server,
    *,
    experiment: str,
    arguments: Sequence[str] = (),
    run_name: str = "",
    wait_seconds: float = 0,
) -> tuple[str, list[str]]:
    """Creates a run.

    Args:
      file: The compiled pipeline.
      server: The server.
      experiment: Experiment of the run; created if missing.
      arguments: `NAME=VALUE` for parameters of the pipeline.
      run_name: Name of the run; empty: the pipeline's.
      wait_seconds: How long to wait for the end of the run; 0: does not wait.

    Returns:
      The run's id, and its failure (empty if it succeeded, or without waiting).

    Raises:
      InputError: The file, an argument or the server is invalid.
    """
    spec = load_pipeline(file)
    values = parse_arguments(arguments, declared_parameters(spec))
    with connected(server) as client:
        run = client.create_run_from_pipeline_package(
            file,
            arguments=values,
            run_name=run_name or spec["pipelineInfo"]["name"],
            experiment_name=experiment,
            namespace=server.namespace or None,
        )
        if not wait_seconds:
            return run.run_id, []
        return run.run_id, _failures(_ended(client, run.run_id, wait_seconds))


def schedule(
    file: str,
    server: Server,
    cron: str,
    *,
    experiment: str,
    arguments: Sequence[str] = (),
    run_name: str = "",
) -> str:
    """Creates a recurring run whose runs don't overlap; missed runs are not caught up.

    Args:
      file: The compiled pipeline.
      server: Where to run it.
      cron: Six fields: second, minute, hour, day of month, month, day of week.
      experiment: As for `submit`, like the following.
      arguments: See `submit`.
      run_name: See `submit`.

    Returns:
      The recurring run's id.

    Raises:
      InputError: As for `submit`, or `cron` does not have six fields.
    """
    if len(cron.split()) != _CRON_FIELDS:
        raise InputError(
            f"--schedule '{cron}': give six fields (second minute hour day month weekday), for "
            "example '0 0 3 * * *' for every night at three"
        )
    spec = load_pipeline(file)
    values = parse_arguments(arguments, declared_parameters(spec))
    with connected(server) as client:
        found = client.create_experiment(experiment, namespace=server.namespace or None)
        recurring = client.create_recurring_run(
            found.experiment_id,
            run_name or spec["pipelineInfo"]["name"],
            cron_expression=cron,
            max_concurrency=1,
            no_catchup=True,
            params=values,
            pipeline_package_path=file,
        )
        return recurring.recurring_run_id


def _ended(client: Any, run_id: str, seconds: float) -> Any:
    """Waits for the end of a run; kfp's own waiting does not handle canceled runs."""
    deadline = time.monotonic() + seconds
    while (run := client.get_run(run_id)).state not in _ENDED:
        if time.monotonic() > deadline:
            raise InputError(
                f"run {run_id} did not end within {seconds:g} s (--wait); it continues"
            )
        time.sleep(_POLL_SECONDS)
    return run


def _failures(run: Any) -> list[str]:
    if run.state == "SUCCEEDED":
        return []
    details = run.run_details.task_details if run.run_details else None
    steps = [task.display_name for task in details or () if task.state in ("FAILED", "ERROR")]
    message = run.error.message if run.error else ""
    return [f"run {run.state.lower()}: {message}".rstrip(": "), *(f"step {s}" for s in steps)]
