"""Files that appear whole or not at all: whoever waits for one never reads half of it."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a path to write to; it takes the place of `path` when the block ends.

    If the block raises, what it wrote is removed and an older file at `path` stays as it is.

    Args:
      path: The file; its folder exists.
    """
    target = Path(path)
    # Hidden and of another ending: patterns that look for finished files don't match it.
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        yield partial
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
