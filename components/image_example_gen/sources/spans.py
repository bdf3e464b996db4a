"""Data in numbered folders: selects the folder that a run reads.

`data.root` may hold `{SPAN}` and, in or behind it, `{VERSION}`: whole numbers in folder names.
A run reads the highest version of the highest span that exist when it ingests. TFX resolves such
patterns in a driver, which Kubeflow Pipelines does not run.
"""

from __future__ import annotations

import os
import re

from components.image_example_gen.settings import DataSettings
from schemas.errors import InputError

SPAN, VERSION = "{SPAN}", "{VERSION}"


def has_pattern(root: str) -> bool:
    """Whether data.root is a pattern."""
    return SPAN in root or VERSION in root


def expression(root: str) -> str:
    """A regular expression that matches the folders of a pattern."""
    return re.escape(root).replace(re.escape(SPAN), r"[0-9]+").replace(re.escape(VERSION), "[0-9]+")


def resolved(data: DataSettings) -> DataSettings:
    """Settings in which the newest folders replace patterns.

    Raises:
        InputError: no folder matches a pattern, or the pattern is invalid.
    """
    parts = tuple(part.model_copy(update={"root": newest(part.root)}) for part in data.parts)
    return data.model_copy(update={"root": newest(data.root), "parts": parts})


def newest(root: str) -> str:
    """The newest folder of a pattern; a root without a pattern is returned unchanged.

    Raises:
        InputError: no folder matches it, or the pattern is invalid.
    """
    if not has_pattern(root):
        return root
    if root.count(SPAN) != 1 or root.count(VERSION) > 1:
        raise InputError(
            f"data.root '{root}': give {SPAN} once, and {VERSION} at most once, for example "
            f"/data/span-{SPAN}/v{VERSION}"
        )
    order = sorted((SPAN, VERSION), key=root.find) if VERSION in root else [SPAN]
    found = [
        (tuple(int(numbers[order.index(name)]) for name in (SPAN, VERSION) if name in order), path)
        for numbers, path in _matches(root)
    ]
    if not found:
        raise InputError(
            f"data.root '{root}': no folder matches it; {SPAN} and {VERSION} stand for whole "
            "numbers in folder names"
        )
    return max(found)[1]


def _matches(root: str) -> list[tuple[list[str], str]]:
    """Folders that match a pattern, each with its numbers in order of appearance."""
    found: list[tuple[list[str], str]] = [([], "/" if root.startswith("/") else ".")]
    for part in root.strip("/").split("/"):
        below: list[tuple[list[str], str]] = []
        groups = expression(part).replace("[0-9]+", "([0-9]+)")
        for numbers, folder in found:
            if not has_pattern(part):
                names = [part]
            else:
                names = os.listdir(folder) if os.path.isdir(folder) else []
            for name in names:
                match = re.fullmatch(groups, name) if has_pattern(part) else None
                path = os.path.join(folder, name)
                if (match or name == part) and os.path.isdir(path):
                    below.append((numbers + list(match.groups() if match else ()), path))
        found = below
    return found
