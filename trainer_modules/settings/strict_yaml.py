"""YAML as settings accept it: no key twice, and nothing that grows or nests without end.

PyYAML alone keeps the last of two equal keys, which makes another policy than the one that was
read, and expands aliases: a file of a kilobyte can hold a billion settings.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

# The largest preset has a tenth of each.
MAX_CHARACTERS = 60_000
MAX_NODES = 10_000
MAX_DEPTH = 20

# Octal numbers by a leading zero, and numbers to the base of 60.
_AMBIGUOUS = re.compile(r"[-+]?0[0-7_]+$|.*:")


def load(text: str) -> Any:
    """The content of a YAML document.

    Raises:
        yaml.YAMLError: It is not YAML, gives a key twice, is too large or nested too deep.
    """
    if len(text) > MAX_CHARACTERS:
        raise yaml.YAMLError(f"more than {MAX_CHARACTERS} characters")
    _check_nesting(text)
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        _size(root, {})
        return loader.construct_document(root)
    finally:
        loader.dispose()


def _check_nesting(text: str) -> None:
    """Before anything recursive sees the text."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise yaml.YAMLError(f"nested deeper than {MAX_DEPTH} levels{_at(event)}")
        if number > MAX_NODES:
            raise yaml.YAMLError(f"more than {MAX_NODES} values")


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Values in a node once its aliases are expanded; one that holds itself never ends."""
    if id(node) not in known:
        known[id(node)] = MAX_NODES  # until it is known: a node inside itself is too large
        children: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            children = [one for pair in node.value for one in pair]
        elif isinstance(node, yaml.SequenceNode):
            children = node.value
        known[id(node)] = 1 + sum(_size(child, known) for child in children)
    if known[id(node)] > MAX_NODES:
        raise yaml.YAMLError(f"more than {MAX_NODES} values once aliases are expanded{_at(node)}")
    return known[id(node)]


def _at(place: Any) -> str:
    return f", line {place.start_mark.line + 1}"


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice, and values that versions of YAML read differently.

    `yes` is true to YAML 1.1 and text to 1.2; 030 is 24 or 30, and 1:30 is 90 or text.
    """

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        if isinstance(node, yaml.ScalarNode) and not node.style:
            kind = node.tag.rpartition(":")[2]
            flag = kind == "bool" and node.value.lower() not in ("true", "false")
            if flag or (kind in ("int", "float") and _AMBIGUOUS.match(node.value)):
                accepted = "true or false" if flag else "a decimal number"
                raise yaml.YAMLError(
                    f"'{node.value}' is not the same to all versions of YAML{_at(node)}; write "
                    f"{accepted}, or quotes around a text"
                )
        return super().construct_object(node, deep)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:merge" and isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.YAMLError(f"key '{key.value}' is given twice{_at(key)}")
                seen.add(key.value)
        return super().construct_mapping(node, deep)
