"""Why an image can't be used."""

from __future__ import annotations

MISSING = "missing"
EMPTY = "empty"
UNREADABLE = "unreadable"
UNSUPPORTED = "unsupported"
TOO_LARGE = "too_large"
TOO_SMALL = "too_small"

MIN_SIDE = 8


class Rejected(Exception):
    """An image that must be quarantined: a reason code, and a detail without identities."""

    def __init__(self, reason: str, detail: str):
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


def require_size(width: int, height: int, max_pixels: int) -> None:
    """Raises Rejected for an image that is too large or too small."""
    if width * height > max_pixels:
        raise Rejected(TOO_LARGE, f"{width}x{height}, data.max_pixels is {max_pixels}")
    if min(width, height) < MIN_SIDE:
        raise Rejected(TOO_SMALL, f"{width}x{height}, the shortest side must be {MIN_SIDE}")
