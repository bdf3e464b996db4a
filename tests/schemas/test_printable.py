"""Names as they may be printed."""

import pytest

from schemas.printable import printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Zürich (北) a-1", "Zürich (北) a-1"),
        ("a\nb\r\t", "a\\nb\\r\\t"),
        ("\x1b[31m\x9b\x7f", "\\x1b[31m\\x9b\\x7f"),
        ("\u2028\u202e\u200b", "\\u2028\\u202e\\u200b"),
        ("\U000e0041", "\\U000e0041"),
        ("", ""),
    ],
)
def test_printable(text, expected):
    assert printable(text) == expected
    assert printable(text).isprintable()
