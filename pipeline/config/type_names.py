"""Types and values of settings, in words for people who write YAML."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Iterator
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

_NAMES = {bool: "true or false", int: "whole number", float: "number", str: "text"}


def type_name(annotation: Any, metadata: Iterable[Any]) -> str:
    """A type, with the bounds in `metadata`, in words."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        base, *more = inner
        described = [one.description for one in more if isinstance(one, FieldInfo)]
        return next(filter(None, described), None) or type_name(base, _plain(more))
    if origin in (types.UnionType, typing.Union):
        return _union(inner, list(metadata))
    if origin is typing.Literal:
        return _choice([value_text(value) for value in inner])
    if origin is dict:
        return f"mapping of {type_name(inner[0], ())} to {type_name(inner[1], ())}"
    if origin is tuple and inner[-1] is Ellipsis:
        item = type_name(inner[0], ())
        return f"list of {f'({item})' if ' or ' in item or ', ' in item else item}" + _length(
            metadata
        )
    if origin is tuple:
        return f"[{', '.join(type_name(one, ()) for one in inner)}]"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "sections"
    return _NAMES[annotation] + _bounds(metadata)


def value_text(value: Any) -> str:
    """A value as YAML on one line; floats to four digits."""
    plain = _dumpable(value)
    if isinstance(plain, str) and plain == "":
        return '""'
    return (
        yaml.safe_dump(plain, default_flow_style=True, width=10_000).removesuffix("...\n").strip()
    )


def _dumpable(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return _dumpable(value.model_dump(mode="json", exclude_defaults=True))
    if isinstance(value, dict):
        return {key: _dumpable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_dumpable(one) for one in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _union(members: tuple[Any, ...], metadata: list[Any]) -> str:
    named = ["null" if one is type(None) else type_name(one, metadata) for one in members]
    return _choice(["empty" if name == '""' else name for name in named])


def _choice(names: list[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def _plain(metadata: Iterable[Any]) -> Iterator[Any]:
    for one in metadata:
        yield from one.metadata if isinstance(one, FieldInfo) else (one,)


def _limits(metadata: Iterable[Any]) -> dict[str, Any]:
    names = ("ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length")
    return {
        name: getattr(one, name)
        for one in metadata
        for name in names
        if getattr(one, name, None) is not None
    }


def _bounds(metadata: Iterable[Any]) -> str:
    limits = _limits(metadata)
    low = limits.get("ge", limits.get("gt"))
    high = limits.get("le", limits.get("lt"))
    words = []
    if low is not None and high is not None and "ge" in limits and "le" in limits:
        words = [f"{low} to {high}"]
    else:
        words += [f"above {low}"] if "gt" in limits else [f"{low} or more"] * (low is not None)
        words += [f"below {high}"] if "lt" in limits else [f"at most {high}"] * (high is not None)
    words += [f"a multiple of {limits['multiple_of']}"] if "multiple_of" in limits else []
    return f", {', '.join(words)}" if words else ""


def _length(metadata: Iterable[Any]) -> str:
    limits = _limits(metadata)
    least, most = limits.get("min_length"), limits.get("max_length")
    if least is not None:
        return f", {least} or more"
    return f", at most {most}" if most is not None else ""
