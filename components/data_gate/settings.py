"""Settings of the data gate."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trainer_modules.settings import Settings


class DataGateSettings(Settings):
    """What stops a run before training."""

    anomalies: Literal["stop", "report"] = "stop"
    patient_overlap: Literal["stop", "report"] = "stop"
    duplicates: Literal["stop", "report"] = "stop"
    min_per_class: int = Field(
        5,
        ge=0,
        description="examples of each class in train, validation, test and shifted",
    )
