"""The commands that the documentation shows, as someone would type them."""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "schemas/README.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
)
PROGRAMS = (
    ".venv-gate/bin/python",
    ".venv/bin/python",
    ".venv/bin/pre-commit",
    ".setup/peer/bin/pip",
    ".setup/peer/bin/python",
    "benchmarks/peer/setup_peer.sh",
    "docker",
    "kubectl",
    "make",
    "pip",
    "python",
)
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:(?<=\n\n)|\A)(?: {4}.*\n)+")
_INLINE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
# Lines of blocks without a language that are not commands: the beginning of each such block.
OUTPUTS = (
    "ModelGate          ran",
    "local_runner.py, kubeflow_runner.py   entry points",
    "patient_id,domain,label",
    "TF_CONFIG=",
    "FROM apache/beam",
)


@dataclasses.dataclass(frozen=True)
class Shown:
    """Something to type: a command, or options to add to one."""

    page: str
    text: str

    @property
    def words(self) -> list[str]:
        """The words, as a shell parts them."""
        return shlex.split(self.text)

    @property
    def is_command(self) -> bool:
        """Whether it begins with a program; else it is options."""
        return not self.text.startswith("-")

    def __str__(self) -> str:
        return f"{self.page}: {self.text}"


def shown(page: str) -> list[Shown]:
    """Everything to type on a page, in its order, each thing once."""
    text = (ROOT / page).read_text()
    found = [
        *(line for block in _blocks(text) for line in _lines(page, block)),
        *_in_text(_BLOCK.sub("", text)),
    ]
    return [Shown(page, one) for one in dict.fromkeys(found)]


def _blocks(text: str) -> Iterator[str]:
    for match in _BLOCK.finditer(text):
        if match[2] in ("", "sh", "bash", "console"):
            yield re.sub(rf"^{match[1]}", "", match[3], flags=re.MULTILINE)
    for match in _INDENTED.finditer(_BLOCK.sub("", text)):
        if match[0].lstrip().startswith(PROGRAMS):
            yield re.sub(r"^ {4}", "", match[0], flags=re.MULTILINE)


def _lines(page: str, block: str) -> Iterator[str]:
    if block.startswith(OUTPUTS):
        return
    for line in block.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if not words:
            continue
        known = words[0] in PROGRAMS or words[0].startswith("--")
        assert known, f"{page}: is '{line}' a command? Name it in PROGRAMS or in OUTPUTS"
        yield shlex.join(words)


def _in_text(text: str) -> Iterator[str]:
    for match in _INLINE.finditer(text):
        code = " ".join(match[1].split()).replace(r"\|", "|")  # as a table has it
        words = _split(code)
        while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
            words = words[1:]  # the environment of a command
        if words and ((words[0] in PROGRAMS and words[1:]) or words[0].startswith("--")):
            yield shlex.join(words)


def _split(code: str) -> list[str]:
    try:
        return shlex.split(code)
    except ValueError:
        return []


SHOWN = [one for page in PAGES for one in shown(page)]
# A row of the README's table of sources goes behind this, which is nothing by itself.
INCOMPLETE = ".venv/bin/python local_runner.py --output runs/mine"
ROWS = [
    Shown(one.page, f"{INCOMPLETE}-{number} {one.text}")
    for number, one in enumerate(SHOWN)
    if one.page == "README.md" and one.text.startswith("--preset ")
]
COMMANDS = [one for one in SHOWN if one.is_command and one.text != INCOMPLETE] + ROWS
OPTIONS = [one for one in SHOWN if not one.is_command]


def block(page: str, language: str) -> str:
    """The first block of a language on a page."""
    found = re.search(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert found, f"{page} has no block of {language}"
    return found[1]
