"""Compiles the REMEDIS pipeline for Kubeflow Pipelines 2, submits it and compares it.

Intentionally short: arguments and commands are in pipeline/kubeflow/.
"""

from __future__ import annotations

import sys

from pipeline.kubeflow.arguments import parser
from pipeline.kubeflow.commands import ACTIONS
from schemas.errors import InputError


def main(argv: list[str] | None = None) -> int:
    """Runs a command; returns 0, 2 for bad input, or 1 (see --help)."""
    arguments = parser(__doc__.splitlines()[0], ACTIONS).parse_args(argv)
    try:
        return arguments.act(arguments)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; a submitted run continues", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
