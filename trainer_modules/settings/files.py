"""Settings from a YAML file, and messages about wrong ones.

The run configuration and the policy of the stand-alone gate share this module, so the same mistake
gets the same message.
"""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pydantic
import yaml

from schemas.errors import InputError
from trainer_modules.settings import strict_yaml
from trainer_modules.settings.base import INCOMPLETE, Settings

Section = TypeVar("Section", bound=Settings)


def read_mapping(path: Path, what: str) -> dict[str, Any]:
    """Reads a YAML file of settings; `what` names its purpose in messages.

    Raises:
        InputError: The file can't be read, is not YAML or does not hold a mapping.
    """
    try:
        tree = strict_yaml.load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{what} '{path}' can't be read: {error}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{what} '{path}' is not YAML: {error}") from None
    if not isinstance(tree, dict):
        raise InputError(f"{what} '{path}': expected a mapping of settings")
    return tree


def validated(
    model: type[Section], tree: Mapping[str, Any], source: str, *, incomplete: bool = False
) -> Section:
    """Builds settings from a tree; `source` names its origin in messages.

    Args:
        model: The settings.
        tree: What is given.
        source: Where it comes from.
        incomplete: Whether what a run needs may be missing, because the settings are only shown.

    Raises:
        InputError: Lists every wrong setting, the value received and what is accepted.
    """
    try:
        return model.model_validate(tree, context={INCOMPLETE: incomplete})
    except pydantic.ValidationError as error:
        lines = _explained(model, error)
        raise InputError(f"{source}: " + "\n  ".join(lines)) from None


def missing(model: type[Section], tree: Mapping[str, Any]) -> list[str]:
    """Says what a run would still need."""
    try:
        model.model_validate(tree)
    except pydantic.ValidationError as error:
        return _explained(model, error, INCOMPLETE)
    return []


def _explained(model: type[Section], error: pydantic.ValidationError, kind: str = "") -> list[str]:
    names = setting_names(model)
    items = [item for item in error.errors() if kind in ("", item["type"])]
    return [_explain(model, item, names) for item in items]


def setting_names(model: type[pydantic.BaseModel]) -> list[str]:
    """Every dotted name of a setting."""
    return sorted(set(_leaves(model)))


def nearest(name: str, names: Sequence[str]) -> str:
    """A clause with the most similar accepted name; empty if there is none."""
    leaf = name.rpartition(".")[2]
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.75) or [
        candidate
        for near in difflib.get_close_matches(
            leaf, [candidate.rpartition(".")[2] for candidate in names], n=1
        )
        for candidate in names
        if candidate.rpartition(".")[2] == near
    ]
    return f"; nearest valid name: '{close[0]}'" if close else ""


def _explain(model: type[pydantic.BaseModel], item: Mapping[str, Any], names: Sequence[str]) -> str:
    name = ".".join(_without_tags([model], item["loc"])) or "settings"
    if item["type"] == "union_tag_invalid":
        tag, accepted = item["ctx"]["tag"], item["ctx"]["expected_tags"]
        field = item["ctx"]["discriminator"].strip("'")
        return f"setting '{name}.{field}': received '{tag}'; accepted: {accepted}"
    if item["type"] == "extra_forbidden" and name in names:
        section = name.rpartition(".")[0]
        return f"setting '{name}' does not apply to the chosen kind of '{section}'"
    if item["type"] == "extra_forbidden":
        return f"setting '{name}' does not exist{nearest(name, names)}"
    if item["type"] == "missing":
        return f"setting '{name}' is missing"
    received = "" if isinstance(item["input"], dict) else f" received {item['input']!r};"
    message = item["msg"].removeprefix("Value error, ")
    return f"setting '{name}':{received} {message[0].lower()}{message[1:]}"


def _leaves(model: type[pydantic.BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        nested = _sections(field)
        for section in nested:
            yield from _leaves(section, f"{prefix}{name}.")
        if not nested:
            yield f"{prefix}{name}"


def _sections(field: pydantic.fields.FieldInfo) -> list[type[pydantic.BaseModel]]:
    """The settings classes that a field can hold; several if a discriminator chooses among them."""
    kinds = [field.annotation, *typing.get_args(field.annotation)]
    return [
        kind for kind in kinds if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)
    ]


def _without_tags(
    models: Sequence[type[pydantic.BaseModel]], place: Sequence[str | int]
) -> list[str]:
    """A setting's name without the tags that pydantic adds after a field with a discriminator."""
    if not place:
        return []
    head, *rest = place
    field = next((m.model_fields[head] for m in models if head in m.model_fields), None)
    if field is None:
        return [str(part) for part in place]
    sections = _sections(field)
    if len(sections) > 1 and rest:
        rest = rest[1:]
    return [str(head), *_without_tags(sections, rest)]
