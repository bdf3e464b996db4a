"""Values of command-line options, refused with what was received and what is accepted."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value", int, float)


def number(
    kind: Callable[[str], Value], fits: Callable[[Value], bool], accepted: str
) -> Callable[[str], Value]:
    """A converter for `argparse`'s `type`.

    Args:
        kind: `int` or `float`.
        fits: Whether a number is accepted; NaN must not be.
        accepted: Which are, to precede 'is accepted'.
    """

    def convert(text: str) -> Value:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not fits(value):
            raise argparse.ArgumentTypeError(f"received '{text}'; {accepted} is accepted")
        return value

    return convert


count = number(int, lambda value: value >= 1, "a whole number, 1 or more,")
"""A converter for numbers of things."""
