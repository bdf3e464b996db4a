"""Maps sex, age and view of any data set to one vocabulary."""

from __future__ import annotations

import re

_SEX = {"m": "M", "male": "M", "f": "F", "female": "F"}
_AGE = re.compile(r"^0*(\d{1,4}(?:\.\d+)?)\s*([YMWD]?)$", re.IGNORECASE)
_YEARS = {"": 1.0, "Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
_OLDEST = 120
_FRONTAL = ("AP", "PA", "AP AXIAL", "PA LLD", "AP LLD", "AP RLD", "PA RLD", "ANTEROPOSTERIOR")
_LATERAL = ("LATERAL", "LL", "RL", "LLO", "RLO", "XTABLE LATERAL", "SWIMMERS")


def sex(text: str) -> str:
    """Returns 'M' or 'F'; empty for anything else ('Unknown', 'O')."""
    return _SEX.get(text.strip().lower(), "")


def age(text: str) -> str:
    """Returns whole years; empty if the text is not a plausible age.

    Accepts plain numbers and DICOM's age strings ('058Y', '006M', '003W', '002D'). ChestX-ray14
    contains ages like 414, which are typing errors.
    """
    match = _AGE.match(text.strip())
    if not match:
        return ""
    years = float(match[1]) * _YEARS[match[2].upper()]
    return str(int(years)) if years <= _OLDEST else ""


def view_class(position: str) -> str:
    """Returns 'frontal' or 'lateral'; empty for positions that are neither."""
    position = position.strip().upper()
    if position in _FRONTAL:
        return "frontal"
    return "lateral" if position in _LATERAL else ""
