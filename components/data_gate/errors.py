"""What DataGate raises. Plain Python, so that a runner can catch it without importing TFX."""

from __future__ import annotations

from collections.abc import Sequence


class DataGateStopped(Exception):
    """The data are not fit for training (exit status 3).

    TFX deletes the artifacts of a failed execution, so the report travels on the exception.
    """

    def __init__(self, reasons: Sequence[str], report: dict):
        super().__init__(list(reasons), report)
        self.reasons = list(reasons)
        self.report = report

    def __str__(self) -> str:
        return "DataGate stopped the run: " + "; ".join(self.reasons)
