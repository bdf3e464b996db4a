"""The reference of all settings: name, type, default and meaning, derived from the types.

`--list` prints it; `python -m pipeline.config.reference > docs/settings.md` writes the page.
"""

from __future__ import annotations

import dataclasses
import inspect
import textwrap
import typing
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipeline.config.config import RunConfig, preset_names
from pipeline.config.type_names import type_name, value_text
from schemas.errors import InputError
from trainer_modules.settings.files import nearest
from trainer_modules.settings.merge import sections_of

_PAGE = """# Settings

Every setting of a run, with its default. Values are YAML. `--set NAME=VALUE` changes one setting; a
preset or a configuration file changes any number. `.venv/bin/python local_runner.py --list SECTION`
prints a part of this page. `--preset NAME --show-config` prints the values of a preset.

In names, N stands for a place in a list, which is set as a whole.

`make settings` writes this page from the types of the settings. Do not edit it.
"""
_HEAD = "| Setting | Type | Default | Meaning |\n|---|---|---|---|\n"


@dataclasses.dataclass(frozen=True)
class Setting:
    """One setting; `kind` names the kind of section that has it, if there are several."""

    name: str
    type: str
    default: str
    meaning: str
    kind: str = ""


@dataclasses.dataclass(frozen=True)
class Section:
    """A section and its direct settings."""

    name: str
    meaning: str
    settings: tuple[Setting, ...]


def sections() -> Iterator[Section]:
    """Every section, before its subsections; the first one is the run itself."""
    yield from _sections("", RunConfig, None)


def as_text(section: str = "") -> str:
    """The settings below a section, or all of them, for the terminal.

    Raises:
      InputError: No setting and no section has this name.
    """
    found = [
        setting
        for part in sections()
        for setting in part.settings
        if not section or f"{setting.name}.".startswith(f"{section}.")
    ]
    if not found:
        names = [part.name for part in sections()]
        names += [setting.name for part in sections() for setting in part.settings]
        tops = ", ".join(sorted({name.partition(".")[0] for name in names if name}))
        near = nearest(section, names)
        raise InputError(f"section '{section}' does not exist{near}; accepted: {tops}")
    return "\n".join(_lines(setting) for setting in found)


def listing(section: str = "") -> str:
    """Text of `--list`: the settings of a section, or the presets and all settings."""
    if section:
        return as_text(section)
    presets = "\n".join(f"  {name}" for name in preset_names())
    return f"presets:\n{presets}\n\nsettings:\n{as_text()}"


def as_page() -> str:
    """The reference as Markdown."""
    parts = [_PAGE]
    first: dict[str, str] = {}
    alike: set[tuple[str, str]] = set()
    for section in sections():
        if not section.settings:
            continue
        rows = "\n".join(_row(setting) for setting in section.settings)
        same = first.setdefault(rows.replace(f"`{section.name}.", "`"), section.name)
        if same == section.name:
            parts.append(
                f"\n## {section.name or 'The run'}\n\n{section.meaning}\n\n{_HEAD}{rows}\n"
            )
            continue
        alike.add((section.name, same))
        if (section.name.rpartition(".")[0], same.rpartition(".")[0]) not in alike:
            link = f"[{same}](#{_anchor(same)})"
            parts.append(f"\n## {section.name}\n\nAs {link}, with the same defaults.\n")
    return "".join(parts)


def _sections(prefix: str, model: type[BaseModel], default: BaseModel | None) -> Iterator[Section]:
    own, inner = [], []
    for name, field in model.model_fields.items():
        path = f"{prefix}.{name}" if prefix else name
        value = getattr(default, name) if default else field.get_default(call_default_factory=True)
        kinds = sections_of(field.annotation)
        if len(kinds) == 1:
            known = value if isinstance(value, BaseModel) else None
            inner.append(_sections(path, kinds[0], known))
        elif kinds:
            inner.append(iter([_of_kinds(path, field, kinds, value)]))
        else:
            own.append(_setting(path, field, value))
            own += _of_items(path, model, field)
    yield Section(prefix, _meaning(model), tuple(own))
    for section in inner:
        yield from section


def _setting(name: str, field: FieldInfo, value: Any, kind: str = "") -> Setting:
    default = "required" if field.is_required() else value_text(value)
    extra = field.json_schema_extra
    accepted = extra.get("enum") if isinstance(extra, dict) else None
    if isinstance(accepted, list):  # text, of which a registry says what it may be
        described = type_name(typing.Literal[tuple(accepted)], ())
    else:
        described = type_name(field.annotation, field.metadata)
    return Setting(name, described, default, field.description or "", kind)


def _of_kinds(
    path: str, field: FieldInfo, kinds: Sequence[type[BaseModel]], default: BaseModel
) -> Section:
    """The settings of a section of several kinds, among which one setting selects."""
    tag = str(field.discriminator)
    names = [str(kind.model_fields[tag].default) for kind in kinds]
    choices = [c for kind in kinds for c in typing.get_args(kind.model_fields[tag].annotation)]
    choice = Setting(
        f"{path}.{tag}",
        type_name(typing.Literal[tuple(choices)], ()),
        value_text(getattr(default, tag)),
        kinds[0].model_fields[tag].description or "",
    )
    rest = [
        _setting(f"{path}.{name}", inner, inner.get_default(), named)
        for kind, named in zip(kinds, names, strict=True)
        for name, inner in kind.model_fields.items()
        if name != tag
    ]
    return Section(path, f"One of {', '.join(choices)}.", (choice, *rest))


def _of_items(path: str, owner: type[BaseModel], field: FieldInfo) -> Iterator[Setting]:
    """The settings of each section in a list, but for those that its owner or a neighbor has."""
    neighbors = [
        kind for one in owner.model_fields.values() for kind in sections_of(one.annotation)
    ]
    for item in typing.get_args(field.annotation):
        if not isinstance(item, type) or not issubclass(item, BaseModel):
            continue
        known = {name for one in neighbors if issubclass(item, one) for name in one.model_fields}
        for name, inner in item.model_fields.items():
            same = owner.model_fields.get(name)
            if name in known or (same and same.annotation == inner.annotation):
                continue
            place = f"{path}.N.{name}"
            nested = sections_of(inner.annotation)
            for kind in nested:
                for leaf, one in kind.model_fields.items():
                    yield _setting(f"{place}.{leaf}", one, one.get_default())
            if not nested:
                yield _setting(place, inner, inner.get_default())


def _meaning(model: type[BaseModel]) -> str:
    return inspect.getdoc(model) or ""


def _lines(setting: Setting) -> str:
    """A setting for the terminal: one line for name, type and default, then its meaning."""
    kind = f" ({setting.kind})" if setting.kind else ""
    head = f"{setting.name}{kind}: {setting.type}; {_default(setting)}"
    return "\n".join(
        [head, *textwrap.wrap(setting.meaning, 92, initial_indent="    ", subsequent_indent="    ")]
    )


def _default(setting: Setting) -> str:
    return setting.default if setting.default == "required" else f"default {setting.default}"


def _row(setting: Setting) -> str:
    default = setting.default if setting.default == "required" else f"`{setting.default}`"
    meaning = f"{setting.kind}: {setting.meaning}" if setting.kind else setting.meaning
    cells = (f"`{setting.name}`", setting.type, default, meaning)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _anchor(name: str) -> str:
    """The anchor that GitHub gives a heading."""
    return name.lower().replace(".", "")


if __name__ == "__main__":
    print(as_page(), end="")
