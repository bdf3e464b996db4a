"""Why a DICOM file gives no picture. Messages name no identity."""

from __future__ import annotations


class Unusable(Exception):
    """A DICOM file that holds no image one can use; the message names no identity."""


class Damaged(Unusable):
    """A file that breaks its decoder."""


class TooLarge(Unusable):
    """More pixels than allowed."""
