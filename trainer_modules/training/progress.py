"""Progress lines from inside a step to the person who started the run."""

from __future__ import annotations

import sys

from absl import logging

PREFIX = "[progress] "
"""Lines of standard output with this prefix are shown; others go only to the log."""


def progress(text: str) -> None:
    """Shows a line to the person who started the run, and logs it."""
    logging.info("%s", text)
    print(PREFIX + text, file=sys.stdout, flush=True)
