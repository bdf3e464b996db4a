"""Why a DICOM file yields no image. Messages contain no identity."""

from __future__ import annotations


class Unusable(Exception):
    """A DICOM file without a usable image; the message contains no identity."""


class Damaged(Unusable):
    """A file that its decoder can't decode."""


class TooLarge(Unusable):
    """More pixels than allowed."""
