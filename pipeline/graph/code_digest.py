"""Digests of our own source, which TFX's cache key ignores.

A node's digest covers the import closure of its executor, or of its `run_fn` or `tuner_fn`: the
modules that it imports, at the top or in functions, what those import in turn, the packages they
are in, and the files that they read beside themselves. An edit of one of these reruns the node;
any other edit leaves its result cached.

A module that is imported by name counts when the name is a string constant in full, as in
`"components.evaluator.metrics"`; a file that is read counts when a module that uses `__file__`
names it relative to its own folder, as in `Path(__file__).with_name("default.yaml")`.

StatisticsGen and ImportSchemaGen run TFX's own executors. They contain no code of
ours, and all of their settings are in their properties, which TFX's cache key covers.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tfx.dsl.components.base.base_component import BaseComponent

ROOT = Path(__file__).resolve().parents[2]
_DOTTED = re.compile(r"[a-z_]\w*(\.\w+)+", re.IGNORECASE)
_FILE_NAME = re.compile(r"[\w./-]{1,100}")


class _References(NamedTuple):
    """What a module refers to: dotted names, and texts that may name a file beside it."""

    names: frozenset[str]
    texts: frozenset[str]


def executor_of(component: type[BaseComponent]) -> str:
    """The dotted name of a component's executor."""
    executor = component.EXECUTOR_SPEC.executor_class
    return f"{executor.__module__}.{executor.__qualname__}"


def code_digest(*entries: str) -> str:
    """SHA-256 over the names and bytes of the entries' closure.

    Args:
      *entries: Dotted names of modules, or of something in one: `trainer_modules.pretrain.run_fn`.
    """
    digest = hashlib.sha256()
    for place in closure(*entries):
        content = _read(ROOT / place)
        digest.update(f"{place}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def closure(*entries: str) -> list[str]:
    """The files, relative to the repository's root, that importing the entries can run or read.

    Raises:
      ValueError: An entry is not in a module of ours.
    """
    found: set[str] = set()
    names: set[str] = set()
    waiting: list[str] = []
    for entry in entries:
        if len(files := _files_of(entry)) < 2:
            raise ValueError(f"'{entry}' is not in a module of this repository")
        waiting += files
    while waiting:
        place = waiting.pop()
        if place in found:
            continue
        found.add(place)
        if place.endswith(".py"):
            references = _references(place, _read(ROOT / place))
            for name in references.names - names:
                waiting += _files_of(name)
            for text in references.texts:
                waiting += _files_beside(place, text)
            names |= references.names
    return sorted(found)


def _files_of(name: str) -> list[str]:
    """The module that a dotted name is, or is in, and the packages on the way; [] if not ours."""
    files, folder = [], ""
    for part in name.split("."):
        package, module = f"{folder}{part}/__init__.py", f"{folder}{part}.py"
        if os.path.isfile(f"{ROOT}/{package}"):
            files.append(package)
            folder = f"{folder}{part}/"
            continue
        return [*files, module] if files and os.path.isfile(f"{ROOT}/{module}") else files
    return files


def _files_beside(place: str, text: str) -> list[str]:
    """The file of this name beside a module, or all files of the folder of this name."""
    named = (ROOT / place).parent / text
    files = [named] if named.is_file() else named.rglob("*")
    return [
        file.relative_to(ROOT).as_posix()
        for file in files
        if file.is_file() and "__pycache__" not in file.parts
    ]


def _read(path: Path) -> bytes:
    return path.read_bytes()


@functools.cache
def _references(place: str, source: bytes) -> _References:
    """Parses a module, at this place in the repository."""
    package = place.split("/")[:-1]
    names, texts, reads_beside = set(), set(), False
    for node in _nodes(ast.parse(source, place)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            names |= {f"{origin}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.add(node.value)
        elif isinstance(node, ast.Name) and node.id == "__file__":
            reads_beside = True
    names |= {text for text in texts if _DOTTED.fullmatch(text)}
    files = {text for text in texts if _FILE_NAME.fullmatch(text)} - {".", "..", "/"}
    return _References(frozenset(names), frozenset(files if reads_beside else ()))


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only a type checker reads."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)
