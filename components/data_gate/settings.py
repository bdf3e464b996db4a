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
    near_duplicates: Literal["stop", "report"] = Field(
        "report",
        description="pictures of two splits that look alike. Reported, because among very many "
        "chest films two of different patients can; `stop` suits other pictures and up to some "
        "ten thousand films",
    )
    near_duplicate_bits: int = Field(
        16, ge=0, le=20, description="of 256 in the perceptual hash; more finds more, also falsely"
    )
    min_per_class: int = Field(
        5,
        ge=0,
        description="examples of each class in train, validation, test and shifted",
    )
    min_per_subgroup: int = Field(
        0,
        ge=0,
        description="examples of each value of a subgroup in test and shifted; fewer are reported",
    )
