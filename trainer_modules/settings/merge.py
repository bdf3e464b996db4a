"""Merges settings that are given in part into those that they are given over, leaf by leaf.

One rule for presets, configuration files, policy files and `--set`: what is named changes, and
nothing else does.

- A section is merged, at any depth, into the default of the very field that holds it, which may
  differ from the defaults of the section's class.
- A section of several kinds (`beam`) is merged as long as its kind stays; another kind starts from
  that kind's own defaults.
- A mapping from names to sections (`kubernetes.nodes`) is merged name by name.
- Everything else is replaced: lists, and mappings of plain values (`data.subgroup_bins`), out of
  which nothing could be taken otherwise. `--set data.subgroup_bins.age=[40]` changes one entry.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from schemas.errors import InputError

Model = type[BaseModel]


def merged(model: Model, base: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """`base`, a tree of the model's settings, with those that `given` names; neither changes."""
    laid = {
        name: _merged_value(model.model_fields.get(name), base.get(name), value)
        for name, value in given.items()
    }
    return {**base, **laid}


def merged_at(
    model: Model | None, base: Mapping[str, Any], path: Sequence[str], value: Any
) -> dict[str, Any]:
    """`base` with the one setting at `path`; a value that is a mapping is merged as by `merged`.

    Raises:
        InputError: The path leads through something that is not a section.
    """
    head, *rest = path
    field = model.model_fields.get(head) if model else None
    inner = base.get(head)
    if rest and inner is not None and not isinstance(inner, Mapping):
        raise InputError(f"'{head}' holds a value, not settings")
    if not rest:
        laid = _merged_value(field, inner, value)
    elif field is not None and rest == [field.discriminator]:
        laid = _merged_value(field, inner, {rest[0]: value})
    else:
        section = _section(field, inner or {}) if field else None
        laid = merged_at(section, inner or {}, rest, value)
    return {**base, head: laid}


def chooses_kind(model: Model, path: Sequence[str]) -> bool:
    """Whether the setting at `path` says which kind of section is meant (`beam.runner`)."""
    head, *rest = path
    field = model.model_fields.get(head)
    if field is None or not rest:
        return False
    section = _section(field, {})
    return rest == [field.discriminator] or (section is not None and chooses_kind(section, rest))


def over_defaults(model: Model, given: Any) -> Any:
    """What is given for a model, each of its sections merged into that field's own default."""
    if not isinstance(given, Mapping):
        return given
    sections = {
        name: _merged_value(field, field.default.model_dump(exclude_unset=True), given[name])
        for name, field in model.model_fields.items()
        if name in given and isinstance(field.default, BaseModel)
    }
    return {**given, **sections}


def sections_of(annotation: Any) -> list[Model]:
    """The kinds of section that a field of this type may hold; none where it holds a value."""
    found = [annotation] if isinstance(annotation, type) else typing.get_args(annotation)
    if typing.get_origin(annotation) in (tuple, list, dict):
        return []
    return [kind for kind in found if isinstance(kind, type) and issubclass(kind, BaseModel)]


def _merged_value(field: FieldInfo | None, base: Any, given: Any) -> Any:
    if field is None or not isinstance(base, Mapping) or not isinstance(given, Mapping):
        return given
    if typing.get_origin(field.annotation) is dict:
        return _merged_names(field.annotation, base, given)
    tag = field.discriminator
    if isinstance(tag, str) and given.get(tag, base.get(tag)) != base.get(tag):
        return given
    section = _section(field, base)
    return merged(section, base, given) if section else given


def _merged_names(annotation: Any, base: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
    sections = sections_of(typing.get_args(annotation)[1])
    if not sections:
        return given
    laid = {
        name: merged(sections[0], base[name], value)
        if isinstance(base.get(name), Mapping) and isinstance(value, Mapping)
        else value
        for name, value in given.items()
    }
    return {**base, **laid}


def _section(field: FieldInfo, base: Mapping[str, Any]) -> Model | None:
    """The section that the field holds; of several kinds, that which `base` names, or the first."""
    kinds = sections_of(field.annotation)
    tag = field.discriminator
    if len(kinds) > 1 and isinstance(tag, str):
        named = [kind for kind in kinds if kind.model_fields[tag].default == base.get(tag)]
        kinds = named or kinds
    return kinds[0] if kinds else None
