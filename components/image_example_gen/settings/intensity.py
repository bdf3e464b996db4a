"""Settings of the intensity policy, which decoding applies and docs/intensity.md explains."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from trainer_modules.settings import Settings


class IntensitySettings(Settings):
    """How stored values become the 256 gray levels of a record; see docs/intensity.md.

    A rule that takes no numbers may be given alone: `data.intensity=minmax`.
    """

    rule: Literal["auto", "declared", "window", "minmax", "percentile", "fixed"] = Field(
        "auto",
        description="auto: the file's window or declared bits where they make sense, else a "
        "flagged guess; declared: all that the declared bits can hold; window: the file's, even "
        "where it shows nothing; minmax, percentile: each image's own; fixed: limits",
    )
    percentiles: tuple[float, float] = Field(
        (0.5, 99.5), description="rule percentile: shares of the pixels, in percent"
    )
    limits: tuple[float, float] | None = Field(
        None, description="rule fixed: values shown black and white, after DICOM's rescale"
    )

    @model_validator(mode="before")
    @classmethod
    def _rule_alone(cls, value: object) -> object:
        return {"rule": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _numbers_of_the_rule(self) -> Self:
        low, high = self.percentiles
        if not 0 <= low < high <= 100:
            raise ValueError(f"percentiles {low:g}, {high:g}: 0 <= lowest < highest <= 100")
        if (self.rule == "fixed") != (self.limits is not None):
            raise ValueError(
                f"rule '{self.rule}' with limits {self.limits}: 'fixed' takes the values shown "
                "black and white, e.g. limits=[0, 4095]; other rules take none"
            )
        if self.limits and self.limits[0] >= self.limits[1]:
            raise ValueError(f"limits {self.limits}: the first is shown black and is the smaller")
        return self
