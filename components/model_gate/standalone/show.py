"""`python -m components.model_gate show`: a verdict in another format, without judging again."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from components.model_gate.standalone import formats
from schemas.documents.gate import StandaloneVerdict
from schemas.errors import InputError


def run(argv: Sequence[str]) -> int:
    """Prints a verdict; returns 0, whatever it says.

    Raises:
        InputError: The file is not a verdict of the stand-alone gate.
    """
    arguments = _parser().parse_args(argv)
    try:
        document = StandaloneVerdict.read_file(arguments.verdict)
    except OSError as error:
        raise InputError(f"verdict '{arguments.verdict}' can't be read: {error.strerror}") from None
    print(formats.FORMATS[arguments.format](document), end="")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m components.model_gate show",
        description="Prints a verdict in another format. The exit status is 0 for every verdict.",
        allow_abbrev=False,
    )
    parser.add_argument("verdict", metavar="VERDICT", help="JSON that --output wrote")
    parser.add_argument("--format", choices=tuple(formats.FORMATS), default="markdown")
    return parser
