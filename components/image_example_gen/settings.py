"""Settings of image ingestion."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from trainer_modules.settings import Settings


class SplitSettings(Settings):
    """Shares of in-distribution patients per split; they sum to 1. Shifted images are never split.

    Used for rows without a `split` of their own. Where the source gives splits but no
    `validation`, the share of `validation` is taken out of `train`, by patient.
    """

    unlabeled: float = Field(0.4, ge=0, lt=1)
    train: float = Field(0.3, gt=0, le=1)
    validation: float = Field(0.1, gt=0, lt=1)
    test: float = Field(0.2, gt=0, lt=1)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        total = self.unlabeled + self.train + self.validation + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the four shares sum to {total:g}, they must sum to 1")
        return self


class SyntheticSettings(Settings):
    """Size and difficulty of the synthetic chest-film-like data set (no real patients)."""

    patients: int = Field(400, ge=20, description="in-distribution hospital")
    shifted_patients: int = Field(120, ge=0, description="shifted hospital")
    images_per_patient: tuple[int, int] = Field((1, 4), description="lowest and highest")
    image_size: int = Field(96, ge=32, le=1024)
    shift: float = Field(1.0, ge=0, le=3, description="0: both scanners alike")

    @model_validator(mode="after")
    def _range(self) -> Self:
        low, high = self.images_per_patient
        if not 1 <= low <= high <= 50:
            raise ValueError(f"images_per_patient {low, high}: 1 <= lowest <= highest <= 50")
        return self


class DataSettings(Settings):
    """Where images come from and how they become records."""

    source: Literal["synthetic", "manifest"] = "synthetic"
    root: str = Field("", description="folder of the data set (manifest and images)")
    manifest: str = Field("manifest.csv", description="file in root: .csv, .csv.gz or .parquet")
    subgroups: tuple[str, ...] = ()
    subgroup_bins: dict[str, tuple[float, ...]] = Field(
        {}, description="inner edges for numeric subgroup columns, e.g. age: [18, 40, 65]"
    )
    split: SplitSettings = SplitSettings()
    synthetic: SyntheticSettings = SyntheticSettings()
    stored_size: int = Field(0, ge=0, description="longest side stored, pixels; 0: as it is")
    encoding: Literal["png", "jpeg"] = "png"
    jpeg_quality: int = Field(95, ge=50, le=100)
    max_pixels: int = Field(100_000_000, ge=1024, description="larger images are quarantined")
    max_broken_fraction: float = Field(0.05, ge=0, le=1)
    images_per_shard: int = Field(1000, ge=1)
    id_key_file: str = Field(
        "", description="key of the patient hash; else REMEDIS_ID_KEY, else made for the run folder"
    )

    @model_validator(mode="after")
    def _root_given(self) -> Self:
        if self.source == "manifest" and not self.root:
            raise ValueError("data.root is empty: source 'manifest' needs the data set's folder")
        for name, edges in self.subgroup_bins.items():
            if name not in self.subgroups:
                raise ValueError(f"subgroup_bins names '{name}', which is not in data.subgroups")
            if list(edges) != sorted(set(edges)) or not edges:
                raise ValueError(f"subgroup_bins.{name} {edges}: give increasing inner edges")
        return self
