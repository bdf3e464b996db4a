"""Reads a verdict that carries its provenance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from components.model_gate.policy.settings import GateSettings
from schemas.documents.gate import GateVerdict, StandaloneVerdict
from schemas.documents.provenance import Provenance, Reuse
from schemas.errors import InputError
from schemas.printable import printable
from trainer_modules.settings import files as settings_files


class Known(NamedTuple):
    """A verdict that carries its provenance."""

    verdict: GateVerdict
    settings: GateSettings
    provenance: Provenance
    look: Reuse


def read(path: str) -> Known:
    """The verdict of either kind; a run's has no part about the table.

    Raises:
        InputError: It can't be read, is not a verdict, or has no provenance.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        kind = StandaloneVerdict if "judged" in content else GateVerdict
        verdict = kind.read_file(path)
    except OSError as error:
        raise InputError(f"verdict '{path}' can't be read: {error.strerror}") from None
    except (ValueError, TypeError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"verdict '{path}' is not a verdict: {printable(str(error))[:200]}"
        ) from None
    if verdict.provenance is None or verdict.reuse is None:
        raise InputError(
            f"verdict '{path}' has no provenance: an older version wrote it, or the model could "
            "not be judged"
        )
    settings = settings_files.validated(GateSettings, verdict.settings, f"verdict '{path}'")
    return Known(verdict, settings, verdict.provenance, verdict.reuse)
