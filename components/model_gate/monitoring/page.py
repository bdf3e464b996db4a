"""The page of a look: a self-contained file of HTML, with drawings in SVG.

Everything from tables is untrusted: autoescape is on, and the templates draw numbers only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

from schemas.atomic_write import replacing
from schemas.documents.gate import Bounds
from schemas.documents.monitoring import Look, MonitoringReport, Shares
from schemas.printable import printable

TEMPLATES = Path(__file__).parent / "templates"
WIDTH, HEIGHT = 300.0, 96.0
TITLES = {
    "no_alarm": "No alarm",
    "alarm": "Alarm",
    "too_few_data": "Too few data to say anything",
}
_ACRONYMS = {"auc": "AUC", "ppv": "PPV", "npv": "NPV"}
_MISSING = "—"


class Bar(NamedTuple):
    """A bin of the two tables, in units of the drawing."""

    left: float
    width: float
    reference: float
    new: float


class Point(NamedTuple):
    """A look's value with its interval, in units of the drawing."""

    look: int
    x: float
    y: float
    high: float
    low: float
    measured: bool


def write(report: MonitoringReport, path: str) -> None:
    """Writes the page.

    Raises:
        OSError: It can't be written.
    """
    with replacing(path) as partial:
        partial.write_text(render(report), encoding="utf-8")


def render(report: MonitoringReport) -> str:
    """The page as a string."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_plain,
    )
    environment.filters.update(
        decimals=_decimals, percent=_percent, interval=_interval, words=_words
    )
    environment.globals.update(bars=bars, width=WIDTH, height=HEIGHT)
    looks = [*report.earlier, *([report.look] if report.look else [])]
    return environment.get_template("monitoring.html").render(
        report=report,
        title=TITLES[report.status],
        looks=looks,
        spent=math.fsum(one.spent for one in looks),
        points=points(looks),
    )


def bars(shares: Shares) -> list[Bar]:
    """Shares of patients as bars of equal width: bins differ too much in theirs."""
    most = max(*shares.reference, *shares.new)
    width = WIDTH / len(shares.reference)
    return [
        Bar(number * width, width, HEIGHT * reference / most, HEIGHT * new / most)
        for number, (reference, new) in enumerate(zip(shares.reference, shares.new, strict=True))
    ]


def points(looks: Sequence[Look]) -> list[Point]:
    """AUC by look, from 0.4 at the bottom to 1 at the top: estimated, and measured where it is."""
    found = []
    for place, one in enumerate(looks):
        x = WIDTH * (place + 0.5) / len(looks)
        for shift, named in ((-2.5, one.estimated), (2.5, one.measured)):
            # Of several findings, the first: a drawing of all would say nothing.
            value = next(iter(named.values()), None)
            if value is not None and value.value is not None:
                y, high, low = map(_height, (value.value, value.upper, value.lower))
                found.append(Point(one.look, x + shift, y, high, low, named is one.measured))
    return found


def _height(value: float | None) -> float:
    return HEIGHT * (1 - (max(0.4, value if value is not None else 0.4) - 0.4) / 0.6)


def _plain(value: Any) -> Any:
    return printable(value) if type(value) is str else value


def _words(name: str) -> str:
    """A metric or an outcome as words."""
    return " ".join(_ACRONYMS.get(one, one) for one in name.replace("_", " ").split())


def _decimals(value: float | None, digits: int = 3) -> str:
    return _MISSING if value is None else f"{value:.{digits}f}".replace("-", "\u2212")


def _percent(value: float | None) -> str:
    return _MISSING if value is None else f"{100 * value:.0f} %"


def _interval(one: Bounds) -> str:
    if one.lower is None or one.upper is None:
        return _MISSING
    return f"{_decimals(one.lower)} to {_decimals(one.upper)}"
