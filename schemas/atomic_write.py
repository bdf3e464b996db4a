"""Atomic writes: readers never see an incomplete file."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a path to write to, which replaces `path` at the end of the block.

    If the block raises, the new file is removed, and an older file at `path` stays unchanged.

    Args:
      path: The file; its folder exists.
    """
    target = Path(path)
    # Hidden and with another suffix, so that patterns for finished files don't match it.
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        yield partial
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
