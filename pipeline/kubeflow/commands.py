"""The commands of kubeflow_runner.py. Imports nothing heavy before it is needed."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

from schemas.errors import InputError

if TYPE_CHECKING:
    from pipeline.config.config import RunConfig
    from pipeline.kubeflow.compile.targets import Target


def compile_(arguments: argparse.Namespace, output: str = "") -> int:
    """Writes the pipeline and prints a summary."""
    from pipeline.kubeflow.compile.pipeline import compile_pipeline
    from pipeline.kubeflow.compile.targets import target_of

    target = target_of(arguments.target, arguments.pipeline_root)
    compiled = compile_pipeline(
        _config(arguments, target),
        target,
        image=arguments.image,
        output=output or arguments.output,
        data_version=arguments.data_version,
        image_root=arguments.image_root,
    )
    print(compiled.table())
    return 0


def _config(arguments: argparse.Namespace, target: Target) -> RunConfig:
    from pipeline.kubeflow.compile.pipeline import check_image, cluster_config

    if not arguments.image:
        raise InputError("--image is missing: give the container image, REGISTRY/NAME:TAG")
    check_image(arguments.image)
    chosen = {"preset": arguments.preset, "path": arguments.config, "overrides": arguments.set}
    return cluster_config(target, **chosen)


@contextlib.contextmanager
def _compiled(arguments: argparse.Namespace) -> Iterator[str]:
    """The named compiled file, or one compiled from the named configuration."""
    with tempfile.TemporaryDirectory() as folder:
        if not arguments.pipeline:
            compile_(arguments, f"{folder}/pipeline.yaml")
        yield arguments.pipeline or f"{folder}/pipeline.yaml"


def submit(arguments: argparse.Namespace) -> int:
    """Creates a run or a recurring run; returns 1 if it waited for the run and the run failed."""
    from pipeline.kubeflow.client import submit as submission
    from pipeline.kubeflow.client.server import Server, read_token

    server = Server(arguments.host, arguments.namespace, read_token(arguments.token_file))
    chosen = {
        "experiment": arguments.experiment,
        "arguments": arguments.parameter,
        "run_name": arguments.run_name,
    }
    with _compiled(arguments) as file:
        if arguments.schedule:
            recurring = submission.schedule(file, server, arguments.schedule, **chosen)
            print(f"recurring run {recurring}")
            return 0
        run, failures = submission.submit(file, server, wait_seconds=arguments.wait, **chosen)
    for failure in failures:
        print(f"error: {failure}", file=sys.stderr)
    print(f"run {run}")
    return 1 if failures else 0


def diff(arguments: argparse.Namespace) -> int:
    """Prints what would change; returns 1 if anything would."""
    from pipeline.kubeflow.client import diff as difference
    from pipeline.kubeflow.client.server import Server, read_token

    server = Server(arguments.host, arguments.namespace, read_token(arguments.token_file))
    with _compiled(arguments) as file:
        changes = difference.compare(
            file, server, name=arguments.name, version=arguments.version, run=arguments.run
        )
    print(*(changes or ["no difference"]), sep="\n")
    return 1 if changes else 0


def tfjob(arguments: argparse.Namespace) -> int:
    """Writes the manifest of a job of several pods."""
    from pipeline.kubeflow.compile.targets import KUBEFLOW
    from pipeline.kubeflow.compile.train_job import write_manifest

    written = write_manifest(
        _config(arguments, KUBEFLOW),
        image=arguments.image,
        examples=arguments.examples,
        model=arguments.model,
        output=arguments.output,
    )
    print(f"TFJob '{written['metadata']['name']}' in {arguments.output}")
    return 0


def list_(arguments: argparse.Namespace) -> int:
    """Prints presets and settings."""
    from pipeline.config.reference import listing

    print(listing(arguments.section))
    return 0


ACTIONS = {"list": list_, "compile": compile_, "submit": submit, "diff": diff, "tfjob": tfjob}
