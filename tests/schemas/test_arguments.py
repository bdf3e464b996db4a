"""Numbers on the command line."""

import argparse

import pytest

from schemas import arguments


@pytest.mark.parametrize("text", ["two", "0", "-3", "1.5", ""])
def test_what_is_no_count_is_refused_with_what_is(text):
    with pytest.raises(argparse.ArgumentTypeError) as refusal:
        arguments.count(text)
    assert str(refusal.value) == f"received '{text}'; a whole number, 1 or more, is accepted"


def test_counts():
    assert [arguments.count(text) for text in ("1", "32")] == [1, 32]


@pytest.mark.parametrize("text", ["nan", "inf", "1.01", "half"])
def test_numbers_outside_a_range(text):
    convert = arguments.number(float, lambda value: 0 <= value <= 1, "0 to 1")
    assert convert("1e-1") == 0.1
    with pytest.raises(argparse.ArgumentTypeError, match=f"received '{text}'; 0 to 1 is accepted"):
        convert(text)
