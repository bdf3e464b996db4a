"""Where the last run that passed keeps what the next one is compared with."""

from __future__ import annotations

import os

from schemas.documents.data_gate import PassedLabels
from schemas.errors import InputError

LAST = "last"


def check_passed_data(folder: str) -> None:
    """Refuses a folder in which the next run would replace something that no run wrote.

    Raises:
        InputError: its subfolder for the last run holds other files.
    """
    last = os.path.join(folder, LAST)
    if not os.path.lexists(last):
        return
    # Versions before label counts wrote statistics alone.
    known = os.path.isdir(last) and not os.path.islink(last)
    names = os.listdir(last) if known else []
    if known and all(name == PassedLabels.FILE or name.startswith("Split-") for name in names):
        return
    raise InputError(
        f"data_gate.passed_data '{folder}': the statistics of a run would replace '{last}', which "
        "no run wrote; give another folder, or move that one"
    )
