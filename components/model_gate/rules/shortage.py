"""How many more patients a rule that lacks data would need.

Of a count, exactly. Of an interval, an estimate: as if the value and the spread of patients stayed
as they are, so that the distance from the value to a bound shrinks with the root of their number.
"""

from __future__ import annotations

import dataclasses
import math

from components.statistics.intervals import Interval
from schemas.documents.gate import Needed

# Classes of patients whose number an interval may rest on alone.
_CLASSES = ("positive", "negative")
# An estimate has two digits, and more patients than this are as good as none.
_DIGITS = 2
_MOST = 1_000_000


@dataclasses.dataclass(frozen=True)
class Shortage:
    """What to add to a rule's message.

    Attributes:
        words: A clause.
        needed: The same as numbers; None if more data would not help.
    """

    words: str
    needed: Needed | None = None


def of_count(number: int, least: int, kind: str, *, hidden: bool = False) -> Shortage:
    """Of patients that a rule requires, in all (an empty `kind`) or of one class.

    Args:
        number: How many there are.
        least: How many are required.
        kind: `positive`, `negative` or nothing.
        hidden: Whether `number` must not be told.
    """
    needed = Needed(patients=least, of=kind, estimated=False)
    more = least - number
    return Shortage("" if hidden else f"{more} more {'is' if more == 1 else 'are'} needed", needed)


def of_interval(interval: Interval, low: float | None, high: float | None) -> Shortage | None:
    """Of an interval that contains a bound; None if it contains neither or can't be judged."""
    if not interval.judged:
        return None
    # How far each bound in the interval is from the value, and how far the interval reaches there.
    held = []
    if low is not None and interval.lower < low <= interval.upper:
        held.append((interval.value - low, interval.value - interval.lower))
    if high is not None and interval.lower <= high < interval.upper:
        held.append((high - interval.value, interval.upper - interval.value))
    if not held:
        return None
    if any(room <= 0 for room, _ in held):
        return Shortage("the value is on the wrong side: more patients would more likely refuse it")
    kind, now = _kind(interval)
    words = f"patients with {kind} images" if kind else "patients"
    ratio = max((width / room) ** 2 for room, width in held)
    if now * ratio > _MOST:
        text = f"if the value stays, it takes more than {_MOST:,} {words} in place of {now}"
        return Shortage(text)
    patients = _rounded(now * ratio)
    text = f"if the value stays, it takes about {patients:,} {words} in place of {now}"
    return Shortage(text, Needed(patients=patients, of=kind, estimated=True))


def _kind(interval: Interval) -> tuple[str, int]:
    """The class that alone counts, if there is one, and how many patients there are of it."""
    if len(interval.by_class) == 1:
        kind, number = next(iter(interval.by_class.items()))
        if kind in _CLASSES:
            return kind, number
    return "", interval.patients


def _rounded(number: float) -> int:
    """Rounded up to as many digits as an estimate has."""
    unit = 10 ** max(0, math.floor(math.log10(number)) + 1 - _DIGITS)
    return math.ceil(number / unit) * unit
