"""Settings of random views."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from trainer_modules.settings.base import Settings


class AugmentSettings(Settings):
    """Random views of one image (method: SimCLR appendix A; REMEDIS adds equalize and elastic).

    A probability or a range of 0 disables an operation. The order is
    equalize, elastic, rotation, crop, flip, stain, color jitter, grayscale, blur.
    """

    equalize_probability: float = Field(
        0.0, ge=0, le=1, description="probability of histogram equalization"
    )
    elastic_probability: float = Field(
        0.0, ge=0, le=1, description="probability of an elastic deformation"
    )
    elastic_alpha: float = Field(0.0, ge=0, description="root mean square displacement, pixels")
    elastic_sigma: float = Field(4.0, gt=0, description="smoothing of the displacement, pixels")
    rotation_degrees: float = Field(
        0.0, ge=0, le=180, description="largest rotation, in either direction"
    )
    crop_area: tuple[float, float] | None = Field(
        (0.08, 1.0), description="smallest and largest fraction of the area kept; null: no crop"
    )
    crop_aspect: tuple[float, float] = Field(
        (3 / 4, 4 / 3), description="smallest and largest ratio of a crop's width to its height"
    )
    flip_probability: float = Field(0.5, ge=0, le=1, description="probability of a horizontal flip")
    stain: float = Field(
        0.0, ge=0, lt=1, description="strength of H&E stain jitter; colors gray images"
    )
    jitter_probability: float = Field(0.8, ge=0, le=1, description="probability of color jitter")
    brightness: float = Field(
        0.8, ge=0, lt=1, description="jitter: largest relative change of brightness"
    )
    contrast: float = Field(
        0.8, ge=0, lt=1, description="jitter: largest relative change of contrast"
    )
    saturation: float = Field(
        0.8, ge=0, lt=1, description="jitter: largest relative change of saturation"
    )
    hue: float = Field(
        0.2,
        ge=0,
        le=0.5,
        description="jitter: largest turn of the hue, as a fraction of the circle",
    )
    grayscale_probability: float = Field(
        0.2, ge=0, le=1, description="probability of removing all color"
    )
    blur_probability: float = Field(0.5, ge=0, le=1, description="probability of Gaussian blur")
    blur_sigma: tuple[float, float] = Field(
        (0.1, 2.0), description="smallest and largest sigma of the blur, pixels"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name in ("crop_area", "crop_aspect", "blur_sigma"):
            bounds = getattr(self, name)
            if bounds is not None and not 0 < bounds[0] <= bounds[1]:
                raise ValueError(f"{name} {bounds}: give (low, high) with 0 < low <= high")
        if self.crop_area is not None and self.crop_area[1] > 1:
            raise ValueError(f"crop_area {self.crop_area}: a fraction of the image, at most 1")
        return self
