"""Compiles the REMEDIS pipeline for Kubeflow Pipelines 2.

Intentionally short: arguments here, compilation in pipeline/kubeflow.py.
"""

from __future__ import annotations

import argparse
import sys

from trainer_modules.errors import InputError


def main(argv: list[str] | None = None) -> int:
    """Parses arguments and compiles; returns 0, or 2 for bad input."""
    arguments = _parser().parse_args(argv)
    try:
        from pipeline.config import load_config

        config = load_config(
            preset=arguments.preset, path=arguments.config, overrides=arguments.set
        )
        from pipeline.kubeflow import compile_pipeline

        compile_pipeline(
            config,
            image=arguments.image,
            output=arguments.output,
            pipeline_root=arguments.pipeline_root,
            data_version=arguments.data_version,
        )
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{arguments.output}: pipeline '{config.name}', image {arguments.image}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Compiles the REMEDIS pipeline for Kubeflow Pipelines 2.", allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True)
    compiling = commands.add_parser("compile", help="write the pipeline's YAML", allow_abbrev=False)
    source = compiling.add_mutually_exclusive_group(required=True)
    source.add_argument("--preset", default="", help="a recipe in pipeline/presets")
    source.add_argument("--config", default="", help="a config.yaml of an earlier run")
    compiling.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="override a setting"
    )
    compiling.add_argument("--image", required=True, help="container image, REGISTRY/NAME:TAG")
    compiling.add_argument("--output", default="pipeline.yaml", help="file ending in .yaml")
    compiling.add_argument(
        "--pipeline-root", default="minio://mlpipeline/v2/artifacts", help="URI of artifacts"
    )
    compiling.add_argument(
        "--data-version",
        default="1",
        help="name of the data's state: a new one makes Kubeflow ingest again",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
