"""`python -m components.model_gate sign VERDICT --key FILE`: signs a verdict."""

from __future__ import annotations

import argparse
import getpass
import os
from collections.abc import Sequence

from components.model_gate.verification import minisign
from components.model_gate.verification.verdict_file import read
from schemas.errors import InputError
from schemas.printable import printable

PASSWORD_VARIABLE = "MINISIGN_PASSWORD"


def run(argv: Sequence[str]) -> int:
    """Runs the command.

    Raises:
        InputError: The verdict or the key can't be used.
    """
    arguments = _parser().parse_args(argv)
    print(printable(str(signed(arguments.verdict, arguments.key))))
    return 0


def signed(verdict: str, key_file: str) -> str:
    """Signs a verdict; returns the signature's path.

    Raises:
        InputError: The file is not a verdict with its provenance, or the key can't be used.
    """
    known = read(verdict)
    password = _password(key_file) if minisign.has_password(key_file) else None
    key = minisign.secret_key(key_file, password)
    made = known.provenance
    # Signed as well, and shown by every tool that verifies it.
    comment = (
        f"{known.verdict.outcome}, model {(made.digests.model or made.digests.scores)[:12]}, "
        f"test set {made.digests.test_set[:12]}, judged {made.judged_at}"
    )
    return str(minisign.sign(verdict, key, comment))


def _password(key_file: str) -> bytes:
    given = os.environ.get(PASSWORD_VARIABLE)
    if given is None:
        try:
            given = getpass.getpass(f"password of {printable(key_file)}: ")
        except EOFError:
            raise InputError(
                f"secret key '{key_file}' has a password; set {PASSWORD_VARIABLE}, or use a key "
                "without one"
            ) from None
    return given.encode()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m components.model_gate sign",
        description="Writes VERDICT.minisig, a signature that `verify --public-key` and every "
        "tool for minisign's format check.",
        epilog=f"exit status: 0 signed; 2 bad input. The password of a key that has one is asked "
        f"for, or taken from {PASSWORD_VARIABLE}. docs/provenance.md says what a signature shows.",
        allow_abbrev=False,
    )
    parser.add_argument("verdict", metavar="VERDICT", help="a verdict.json")
    parser.add_argument(
        "--key", required=True, metavar="FILE", help="a secret key made by `minisign -G`"
    )
    return parser
