"""The verdict for programs and CI systems, each format with its own escapes."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from xml.etree import ElementTree

from components.model_gate.policy.files import NO_EVIDENCE, SMOKE
from schemas.documents.gate import Rule, StandaloneVerdict
from schemas.printable import printable

JSON = "json"
SAID = {
    "blessed": "blessed",
    "refused": "NOT blessed",
    "inconclusive": "NOT blessed: inconclusive, there are too few data to decide",
}
_KEEPS_BACK = ("refuse", "inconclusive")


def notes(document: StandaloneVerdict) -> tuple[str, ...]:
    """What to know of the verdict besides its rules."""
    return (NO_EVIDENCE,) if document.policy == SMOKE else ()


def as_json(document: StandaloneVerdict) -> str:
    """The whole document."""
    return document.to_json()


def as_junit(document: StandaloneVerdict) -> str:
    """A test case for each rule, in the XML that CI systems draw as tests."""
    failures = sum(rule.effect in _KEEPS_BACK for rule in document.rules)
    skipped = sum(rule.status == "not_required" for rule in document.rules)
    suite = ElementTree.Element(
        "testsuite",
        name="model_gate",
        tests=str(len(document.rules)),
        failures=str(failures),
        errors="0",
        skipped=str(skipped),
    )
    for rule in document.rules:
        where = printable(rule.slice) or "model"
        case = ElementTree.SubElement(suite, "testcase", classname=where, name=_named(rule))
        message = printable(rule.message)
        if rule.effect in _KEEPS_BACK:
            ElementTree.SubElement(case, "failure", type=rule.status, message=message)
        elif rule.status == "not_required":
            ElementTree.SubElement(case, "skipped", message=message)
        else:
            ElementTree.SubElement(case, "system-out").text = message
    warnings = "\n".join(printable(one) for one in (*notes(document), *document.warnings))
    ElementTree.SubElement(suite, "system-out").text = warnings
    ElementTree.SubElement(suite, "system-err").text = SAID[document.outcome]
    ElementTree.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + _text(suite) + "\n"


def as_github(document: StandaloneVerdict) -> str:
    """Annotations of a GitHub workflow: errors, warnings, and the outcome."""
    lines = [
        f"::error title={_property(f'{_named(rule)}, {rule.slice}')}::{_data(rule.message)}"
        for rule in document.rules
        if rule.effect in _KEEPS_BACK
    ]
    lines += [f"::warning title=model gate::{_data(one)}" for one in document.warnings]
    lines += [f"::notice title=model gate::{_data(one)}" for one in notes(document)]
    kind = "notice" if document.blessed else "error"
    lines.append(f"::{kind} title=model gate::{_data(SAID[document.outcome])}")
    return "\n".join(lines) + "\n"


def as_markdown(document: StandaloneVerdict) -> str:
    """A summary for a pull request: what speaks against the model, then every rule."""
    lines = [f"## Model gate: {SAID[document.outcome]}", ""]
    lines += [f"- {escaped(note)}" for note in notes(document)]
    lines += [f"- {escaped(reason)}" for reason in document.reasons]
    lines += [f"- Warning: {escaped(warning)}" for warning in document.warnings]
    lines += ["", "| rule | where | status | |", "|---|---|---|---|"]
    lines += [
        f"| {escaped(rule.name)} | {escaped(rule.slice)} | {escaped(rule.status)} | "
        f"{escaped(rule.message)} |"
        for rule in document.rules
    ]
    return "\n".join(lines) + "\n"


FORMATS: Mapping[str, Callable[[StandaloneVerdict], str]] = {
    JSON: as_json,
    "junit": as_junit,
    "github": as_github,
    "markdown": as_markdown,
}


def _named(rule: Rule) -> str:
    return f"{rule.name} {rule.metric}".rstrip()


def _text(element: ElementTree.Element) -> str:
    return ElementTree.tostring(element, encoding="unicode")


def _data(text: str) -> str:
    return printable(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def escaped(text: str) -> str:
    """Text without markup, mentions or links."""
    shown = html.escape(printable(text), quote=False)
    for character in "\\`*_{}[]()#+!|~":
        shown = shown.replace(character, "\\" + character)
    return shown.replace("@", "&#64;").replace("://", "&#58;//")
