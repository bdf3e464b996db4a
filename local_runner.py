"""Runs the REMEDIS pipeline on this machine.

Intentionally short: arguments here, configuration in pipeline/config/config.py, the run in
pipeline/local/run.py. Imports nothing heavy before the arguments are validated.
"""

from __future__ import annotations

import argparse
import sys

from schemas.errors import InputError


def main(argv: list[str] | None = None) -> int:
    """Parses arguments and runs; returns the exit status (see pipeline.local.run.ExitStatus)."""
    parser = _parser()
    if not (sys.argv[1:] if argv is None else argv):
        parser.print_help()
        return 2
    arguments = parser.parse_args(argv)
    from pipeline.config.config import load_config, show_config
    from pipeline.config.reference import listing

    try:
        if arguments.list is not None:
            print(listing(arguments.list))
            return 0
        overrides = list(arguments.set)
        if arguments.evaluate_only:
            overrides.append("push.enabled=false")
        preset = arguments.preset or ("" if arguments.config else "demo")
        source = {"preset": preset, "path": arguments.config}
        if arguments.show_config:
            print(show_config(**source, overrides=overrides), end="")
            return 0
        config = load_config(**source, overrides=overrides)
        from pipeline.local.run import run_locally

        return run_locally(
            config,
            arguments.output or f"runs/{config.name}",
            study=arguments.study,
            from_nodes=arguments.from_node,
            to_nodes=arguments.to_node,
        )
    except InputError as error:
        print(f"error: {error.on_terminal()}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Runs the REMEDIS pipeline on this machine.",
        epilog="exit status: 0 pushed, or evaluated when asked for; 1 a bug; 2 bad input; 3 "
        "stopped by DataGate; 4 refused by ModelGate, 5 for lack of data; 130 interrupted",
        allow_abbrev=False,
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--preset", default="", help="a recipe, see --list (default: demo)")
    source.add_argument("--config", default="", help="a config.yaml, for example an earlier run's")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="override a setting, e.g. data.root=/data/CheXpert-v1.0; may be repeated",
    )
    parser.add_argument("--output", default="", help="folder of the run (default: runs/NAME)")
    parser.add_argument(
        "--study",
        default="",
        help="instead of releasing a model: label_efficiency (settings: study.*)",
    )
    parser.add_argument(
        "--evaluate-only", action="store_true", help="evaluate and report, push nothing"
    )
    parser.add_argument(
        "--from-node", action="append", default=[], help="reuse the results that precede this node"
    )
    parser.add_argument("--to-node", action="append", default=[], help="stop after this node")
    parser.add_argument(
        "--show-config", action="store_true", help="print the settings, run nothing"
    )
    parser.add_argument(
        "--list",
        nargs="?",
        const="",
        metavar="SECTION",
        help="list presets and settings, or the settings of a section, e.g. gate",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
