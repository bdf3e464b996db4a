"""Compiles the REMEDIS pipeline for Kubeflow Pipelines 2 and submits it.

Intentionally short: arguments here, the rest in pipeline/kubeflow*.py.
"""

from __future__ import annotations

import argparse
import sys
import tempfile

from trainer_modules.errors import InputError


def main(argv: list[str] | None = None) -> int:
    """Parses arguments and acts; returns 0, 2 for bad input, or 1 when the run failed."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.act(arguments)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; a run that was submitted goes on", file=sys.stderr)
        return 130


def _compile(arguments: argparse.Namespace, output: str = "") -> int:
    from pipeline.kubeflow import cluster_config, compile_pipeline

    if not arguments.image:
        raise InputError("--image is missing: give the container image, REGISTRY/NAME:TAG")
    config = cluster_config(preset=arguments.preset, path=arguments.config, overrides=arguments.set)
    compiled = compile_pipeline(
        config,
        image=arguments.image,
        output=output or arguments.output,
        pipeline_root=arguments.pipeline_root,
        data_version=arguments.data_version,
        image_root=arguments.image_root,
    )
    print(compiled.table())
    return 0


def _submit(arguments: argparse.Namespace) -> int:
    from pipeline.kubeflow_submit import Server, read_token, submit

    server = Server(arguments.host, arguments.namespace, read_token(arguments.token_file))
    with tempfile.TemporaryDirectory() as folder:
        file = arguments.pipeline or f"{folder}/pipeline.yaml"
        if not arguments.pipeline:
            _compile(arguments, file)
        run_id, failures = submit(
            file,
            server,
            experiment=arguments.experiment,
            arguments=arguments.parameter,
            run_name=arguments.run_name,
            wait_seconds=arguments.wait,
        )
    for failure in failures:
        print(f"error: {failure}", file=sys.stderr)
    print(f"run {run_id}")
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    compiling = commands.add_parser("compile", help="write the pipeline's YAML", allow_abbrev=False)
    compiling.add_argument("--output", default="pipeline.yaml", help="file ending in .yaml")
    compiling.set_defaults(act=_compile)
    submitting = commands.add_parser("submit", help="run it on a cluster", allow_abbrev=False)
    submitting.set_defaults(act=_submit)
    for command in (compiling, submitting):
        source = command.add_mutually_exclusive_group(required=True)
        source.add_argument("--preset", default="", help="a recipe in pipeline/presets")
        source.add_argument("--config", default="", help="a config.yaml of an earlier run")
        if command is submitting:
            source.add_argument("--pipeline", default="", help="an already compiled YAML file")
        command.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
        command.add_argument("--image", default="", help="container image, REGISTRY/NAME:TAG")
        command.add_argument("--image-root", default="/app", help="the repository in the image")
        command.add_argument("--pipeline-root", default="minio://mlpipeline/v2/artifacts")
        command.add_argument("--data-version", default="1", help="a new one ingests again")
    add = submitting.add_argument
    add("--host", required=True, help="http(s) address of Kubeflow Pipelines")
    add("--namespace", default="", help="the user's namespace; empty: a single-user server")
    add("--experiment", default="remedis")
    add("--run-name", default="")
    add("--token-file", default="", help="file with a bearer token (else REMEDIS_KFP_TOKEN)")
    add("--parameter", action="append", default=[], metavar="NAME=VALUE", help="may be repeated")
    add("--wait", type=float, default=0, metavar="SECONDS", help="wait, and fail with the run")
    return parser


if __name__ == "__main__":
    sys.exit(main())
