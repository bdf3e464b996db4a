"""Names from data as they may be printed: no character that a terminal or a log obeys."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with control characters, line breaks and invisible marks as escapes."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text
    )
