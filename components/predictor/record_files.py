"""Record files of tf.Examples: those of a split's folder, and those that a user names."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence

from schemas.errors import InputError


def in_folder(folder: str) -> list[str]:
    """Record files of a split's folder, in order; none if the folder is missing or empty."""
    import tensorflow as tf

    if not tf.io.gfile.isdir(folder):
        return []
    return sorted(
        os.path.join(folder, name)
        for name in tf.io.gfile.listdir(folder)
        if not name.startswith((".", "_")) and not name.endswith("/")
    )


def matching(patterns: Sequence[str], option: str = "--examples") -> list[str]:
    """Files that match the patterns of an option, in order; imports no TensorFlow.

    Raises:
        InputError: A pattern matches no file.
    """
    files: set[str] = set()
    for pattern in patterns:
        found = [path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path)]
        if not found:
            raise InputError(f"{option} '{pattern}' matches no file")
        files.update(found)
    return sorted(files)
