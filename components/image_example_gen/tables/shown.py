"""What messages may show of a table: its cells and, without a header, its first line can be names.

Shown are short numbers, short words without capitals, words of a list, and what is nearly one of
the accepted words; anything else is described by its length.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Sequence

_KNOWN = """yes no true false on off positive negative pos neg present absent maybe possible unclear
    uncertain unsure unknown nan none null na n/a nil normal abnormal benign malignant healthy
    diseased train training val valid validate validation test testing development holdout shifted
    internal external ood in_distribution unlabeled male female other frontal lateral ap pa"""
_WORDS = frozenset(_KNOWN.split())
_NUMBER = re.compile(r"[+-]?\d{1,3}(\.\d{1,2})?")
# Names are written with capitals, ids with many digits.
_PLAIN = re.compile(r"(?!.*\d{4})[a-z0-9_./ ?-]{1,12}")
_LISTED = 30


def cell(text: str, accepted: str) -> str:
    """A cell for a message, to follow 'is'.

    Args:
        text: the cell.
        accepted: what the message says is accepted.
    """
    plain = text.casefold()
    near = difflib.get_close_matches(plain, re.findall(r"[\w-]{3,}", accepted.casefold()), n=1)
    harmless = plain in _WORDS or _NUMBER.fullmatch(text) or _PLAIN.fullmatch(text)
    if harmless or (near and len(text) < 40):
        return f"'{text}'"
    kind = "a number" if text.replace(".", "", 1).isdecimal() else "a text"
    return f"{kind} of {len(text)} characters (not shown, it may be a name)"


def columns(header: Sequence[str], known: Collection[str]) -> str:
    """The columns for a message, where the first line is evidently a header."""
    if not header:
        return "none"
    names = {name.casefold() for name in known}
    if not any(name.casefold() in names for name in header):
        return f"{len(header)} other columns (not shown: they may be data; is there a header?)"
    more = ", ..." if len(header) > _LISTED else ""
    return ", ".join(header[:_LISTED]) + more


def nearest(name: str, header: Iterable[str], aliases: Collection[str] = ()) -> str:
    """The column that was probably meant, empty if none looks like it.

    Args:
        name: what is looked for.
        header: all columns.
        aliases: letters and digits of other names that the column has in practice.
    """
    plain = {column: re.sub(r"[^a-z0-9]", "", column.casefold()) for column in header}
    wanted = re.sub(r"[^a-z0-9]", "", name.casefold())
    for column, letters in plain.items():
        if letters in (wanted, *aliases):
            return column
    near = difflib.get_close_matches(wanted, plain.values(), n=1, cutoff=0.8)
    return next((column for column, letters in plain.items() if letters in near), "")
