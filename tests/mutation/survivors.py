"""The file that says which mutants are alive, and why: written by the command, reasons by hand."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_name("survivors.md")
_HEAD = """\
# Mutants that the fast tests leave alive

`make mutate` writes this file (see CONTRIBUTING.md). A reason is written by hand into the last
column and stays while the function and the change stay the same. Where fewer are tried than there
are, they are a sample drawn by chance, the same one every time.

"""
_COUNTS = "| {} | Mutants | Tried | Killed | Alive | Killed % |\n|---|--:|--:|--:|--:|--:|\n"
_ALIVE = "| Function | Change | Reason |\n|---|---|---|\n"
_ROW = re.compile(r"(?<!\\)\|")


class Survivor(NamedTuple):
    """A change that no test noticed."""

    function: str
    change: str
    reason: str = ""


class Module(NamedTuple):
    """A module's outcome."""

    mutants: int
    tried: int
    survivors: tuple[Survivor, ...]

    @property
    def killed(self) -> int:
        return self.tried - len(self.survivors)


def together(modules: Iterable[Module]) -> Module:
    """The outcome of several modules."""
    modules = list(modules)
    return Module(
        sum(module.mutants for module in modules),
        sum(module.tried for module in modules),
        tuple(one for module in modules for one in module.survivors),
    )


def read() -> dict[str, Module]:
    """The modules that the file lists, by path."""
    modules: dict[str, Module] = {}
    source = ""
    for line in FILE.read_text().splitlines() if FILE.exists() else ():
        cells = [cell.strip().replace(r"\|", "|") for cell in _ROW.split(line)[1:-1]]
        if line.startswith("## "):
            source = line[3:].strip("`")
        elif len(cells) == 6 and cells[0].startswith("`"):
            modules[cells[0].strip("`")] = Module(int(cells[1]), int(cells[2]), ())
        elif len(cells) == 3 and cells[0].startswith("`"):
            one = Survivor(cells[0].strip("`"), cells[1][2:-2].strip(), cells[2])
            found = modules[source]
            modules[source] = found._replace(survivors=(*found.survivors, one))
    return modules


def write(found: Mapping[str, Module], areas: Mapping[str, Collection[str]]) -> None:
    """Replaces what the file says of these modules, and keeps the reasons that still apply.

    Args:
        found: Outcomes.
        areas: The modules of every area; the file forgets others.
    """
    known = read()
    reasons = {
        (source, one.function, one.change): one.reason
        for source, module in known.items()
        for one in module.survivors
    }
    for source, module in found.items():
        explained = (
            one._replace(reason=reasons.get((source, one.function, one.change), one.reason))
            for one in module.survivors
        )
        known[source] = module._replace(survivors=tuple(explained))
    by_area = {
        area: together(known[source] for source in sources if source in known)
        for area, sources in areas.items()
    }
    sources = {source for area in areas.values() for source in area}
    known = {source: module for source, module in sorted(known.items()) if source in sources}
    text = [_HEAD, _COUNTS.format("Area")]
    text += [_counts(area, module) for area, module in by_area.items() if module.mutants]
    text += [_counts("Together", together(known.values())), "\n", _COUNTS.format("Module")]
    text += [_counts(f"`{source}`", module) for source, module in known.items()]
    text += [
        f"\n## `{source}`\n\n{_ALIVE}" + "".join(map(_alive, module.survivors))
        for source, module in known.items()
        if module.survivors
    ]
    FILE.write_text("".join(text))


def _counts(name: str, module: Module) -> str:
    rate = 100 * module.killed / max(1, module.tried)
    return (
        f"| {name} | {module.mutants} | {module.tried} | {module.killed} | "
        f"{len(module.survivors)} | {rate:.0f} |\n"
    )


def _alive(one: Survivor) -> str:
    change, reason = (text.replace("|", r"\|") for text in (one.change, one.reason))
    return f"| `{one.function}` | `` {change} `` | {reason} |\n"
