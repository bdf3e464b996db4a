"""The command line of kubeflow_runner.py. Imports nothing heavy, so `--help` is immediate."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

Action = Callable[[argparse.Namespace], int]


def parser(description: str, actions: Mapping[str, Action]) -> argparse.ArgumentParser:
    """The parser; `actions` holds the function of each command."""
    top = argparse.ArgumentParser(
        description=description,
        epilog="exit status: 0 done (diff: no difference); 1 the run failed (diff: differences), "
        "or a bug; 2 bad input; 130 interrupted",
        allow_abbrev=False,
    )
    commands = top.add_subparsers(dest="command", required=True)

    def command(name: str, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        made.set_defaults(act=actions[name])
        return made

    listing = command("list", "list presets and settings")
    listing.add_argument(
        "section",
        nargs="?",
        default="",
        metavar="SECTION",
        help="only its settings, e.g. kubernetes",
    )
    compiling = command("compile", "write the pipeline's YAML")
    _add_pipeline(compiling, file=False)
    compiling.add_argument("--output", default="pipeline.yaml", help="file ending in .yaml")
    submitting = command("submit", "run it on a cluster, once or on a schedule")
    _add_pipeline(submitting, file=True)
    _add_server(submitting)
    _add_run(submitting)
    comparing = command("diff", "show what would change in a pipeline that a cluster has")
    _add_pipeline(comparing, file=True)
    _add_server(comparing)
    add = comparing.add_argument
    add("--name", default="", help="the pipeline's name there (default: as compiled)")
    add("--version", default="", help="version's name (default: the newest)")
    add("--run", default="", help="id of a run to compare with instead")
    job = command("tfjob", "write a TFJob that pretrains in several pods")
    _add_configuration(job.add_mutually_exclusive_group(required=True), job)
    add = job.add_argument
    add("--examples", required=True, help="examples of an earlier run, a folder on the volume")
    add("--model", required=True, help="folder on the volume for the encoder")
    add("--output", default="tfjob.yaml", help="the manifest, a file ending in .yaml")
    return top


def _add_configuration(
    source: argparse._MutuallyExclusiveGroup, command: argparse.ArgumentParser
) -> None:
    source.add_argument("--preset", default="", help="a recipe in pipeline/config/presets")
    source.add_argument("--config", default="", help="a config.yaml of an earlier run")
    command.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    command.add_argument("--image", default="", help="container image, REGISTRY/NAME:TAG")


def _add_pipeline(command: argparse.ArgumentParser, *, file: bool) -> None:
    source = command.add_mutually_exclusive_group(required=True)
    _add_configuration(source, command)
    if file:
        source.add_argument("--pipeline", default="", help="an already compiled YAML file")
    command.add_argument(
        "--target",
        default="kubeflow",
        choices=("kubeflow", "vertex"),
        help="vertex: Vertex AI Pipelines" if not file else argparse.SUPPRESS,
    )
    command.add_argument("--image-root", default="/app", help="the repository in the image")
    command.add_argument(
        "--pipeline-root",
        default="",
        help="where artifacts lie (default: minio://mlpipeline/v2/artifacts; vertex: give gs://)",
    )
    command.add_argument(
        "--data-version", default="1", help="state of the data; a new value ingests again"
    )


def _add_server(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--host", required=True, help="http(s) address of Kubeflow Pipelines")
    add("--namespace", default="", help="the user's namespace; empty: a single-user server")
    add("--token-file", default="", help="file with a bearer token (else REMEDIS_KFP_TOKEN)")


def _add_run(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--experiment", default="remedis")
    add("--run-name", default="")
    add("--parameter", action="append", default=[], metavar="NAME=VALUE", help="may be repeated")
    when = command.add_mutually_exclusive_group()
    when.add_argument(
        "--wait",
        type=float,
        default=0,
        metavar="SECONDS",
        help="wait for the end of the run, and fail if it fails",
    )
    when.add_argument(
        "--schedule", default="", metavar="CRON", help="six fields: a recurring run, no run now"
    )
