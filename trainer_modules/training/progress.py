"""Lines for the person who started a run, from inside its steps."""

from __future__ import annotations

import sys

from absl import logging

PREFIX = "[progress] "
"""A line of standard output that begins with this is shown; the others only go to the log."""


def progress(text: str) -> None:
    """Shows a line to the person who started the run, and logs it."""
    logging.info("%s", text)
    print(PREFIX + text, file=sys.stdout, flush=True)
