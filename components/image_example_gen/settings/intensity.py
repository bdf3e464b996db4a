"""Settings of the intensity policy, which docs/intensity.md explains."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from trainer_modules.settings import Settings


class ByRule(Settings):
    """The file determines the displayed range."""

    rule: Literal["auto", "declared", "window", "minmax"] = Field(
        "auto",
        description="auto: window or declared bits of the file where they make sense, else a "
        "flagged guess; declared: all that the declared bits can hold; window: the file's, even "
        "where it shows nothing; minmax: the image's own values",
    )


class ByPercentiles(Settings):
    """Percentiles of an image's pixels determine the displayed range."""

    rule: Literal["percentile"] = "percentile"
    low: float = Field(0.5, ge=0, lt=100, description="percent of the pixels that are black")
    high: float = Field(99.5, gt=0, le=100, description="percent of the pixels below white")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        return _ordered(self)


class ByLimits(Settings):
    """The displayed range is the same for all images."""

    rule: Literal["fixed"] = "fixed"
    low: float = Field(description="value shown black, after DICOM's rescale")
    high: float = Field(description="value shown white")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        return _ordered(self)


def _ordered(settings: Any) -> Any:
    if settings.low >= settings.high:
        raise ValueError(f"low {settings.low:g} is shown black: less than high {settings.high:g}")
    return settings


def _rule_alone(value: object) -> object:
    """A rule without numbers may be given by name: `data.intensity=minmax`."""
    return {"rule": value} if isinstance(value, str) else value


Intensity = Annotated[
    ByRule | ByPercentiles | ByLimits,
    Field(discriminator="rule", description="how values become 256 gray levels"),
    BeforeValidator(_rule_alone),
]
