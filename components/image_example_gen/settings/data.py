"""Settings of image ingestion."""

from __future__ import annotations

import re
from typing import Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from components.image_example_gen.settings import tables
from components.image_example_gen.settings.intensity import ByRule, Intensity
from schemas.documents.ingest import Pictures
from trainer_modules.settings import Settings, refuse_incomplete

SourceName = Literal[
    "synthetic",
    "manifest",
    "combined",
    "image_folder",
    "chexpert",
    "dicom",
    "mimic_cxr",
    "nih_cxr14",
    "patch_camelyon",
    "tfds",
    "tfrecord",
    "camelyon16",
    "camelyon17",
    "camelyon17_wilds",
]


# Data sets that their authors published without conditions of use or access.
_PUBLISHED = {
    "synthetic",
    "nih_cxr14",
    "patch_camelyon",
    "camelyon16",
    "camelyon17",
    "camelyon17_wilds",
}


class SplitSettings(Settings):
    """Fractions of in-distribution patients by split; their sum is 1. Shifted images aren't split.

    Used for rows without a `split` of their own. If the source has splits but no `validation`,
    that fraction is taken from `train`, by patient.
    """

    unlabeled: float = Field(0.4, ge=0, lt=1, description="fraction for pretraining, labels unread")
    train: float = Field(0.3, gt=0, le=1, description="fraction for finetuning")
    validation: float = Field(
        0.1, gt=0, lt=1, description="fraction that chooses epoch, calibration and thresholds"
    )
    test: float = Field(0.2, gt=0, lt=1, description="fraction for evaluation")
    stratify_below: int = Field(
        100,
        ge=0,
        description="classes of fewer patients are divided by count, so that each split gets its "
        "fraction; the patients of others by a hash, so that new data move none. 0: all by hash",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        total = self.unlabeled + self.train + self.validation + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the four fractions sum to {total:g}; they must sum to 1")
        return self


class SyntheticSettings(Settings):
    """Size and difficulty of the synthetic chest films (no real patients)."""

    patients: int = Field(400, ge=20, description="patients of the in-distribution hospital")
    shifted_patients: int = Field(120, ge=0, description="patients of the shifted hospital")
    images_per_patient: tuple[int, int] = Field((1, 4), description="smallest and largest number")
    image_size: int = Field(96, ge=32, le=1024, description="side of an image, pixels")
    shift: float = Field(1.0, ge=0, le=3, description="how much the scanners differ; 0: not at all")

    @model_validator(mode="after")
    def _range(self) -> Self:
        low, high = self.images_per_patient
        if not 1 <= low <= high <= 50:
            raise ValueError(f"images_per_patient {low, high}: 1 <= lowest <= highest <= 50")
        return self


class ImageFolderSettings(Settings):
    """How to read class folders."""

    patient_pattern: str = Field(
        "", description="regular expression; its first group in a path below root is the patient"
    )

    @field_validator("patient_pattern")
    @classmethod
    def _one_group(cls, value: str) -> str:
        try:
            groups = re.compile(value).groups
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        if value and groups < 1:
            raise ValueError("give the part that names the patient in brackets: (person\\d+)_")
        return value


class DicomSettings(Settings):
    """How to read a folder of DICOM files."""

    table: str = Field("", description="CSV or Parquet below root with labels, see docs/sources.md")
    frames: Literal["all", "first", "middle"] = Field(
        "all", description="frames used of multi-frame files"
    )


class SlideSettings(Settings):
    """How to cut whole slides into tiles."""

    tile_size: int = Field(256, ge=32, le=4096, description="pixels of a tile's side")
    mpp: float = Field(0.5, ge=0.1, le=20, description="microns per pixel of a tile")
    overlap: int = Field(0, ge=0, description="pixels that neighboring tiles share")
    least_tissue: float = Field(0.5, ge=0, le=1, description="fraction of tissue that a tile needs")
    least_tumor: float = Field(
        0.5, gt=0, le=1, description="fraction of tumor from which a tile counts as tumor"
    )
    most_tiles: int = Field(0, ge=0, description="tiles per slide, drawn by hash; 0: all")
    assumed_mpp: float = Field(
        0,
        ge=0,
        le=20,
        description="microns per pixel of slides that say nothing credible; 0: refuse them",
    )
    partly_annotated: tuple[str, ...] = Field(
        ("test_114",), description="slides, without .tif, whose outlines leave tumor out"
    )

    @model_validator(mode="after")
    def _steps(self) -> Self:
        if self.overlap >= self.tile_size:
            raise ValueError(f"overlap {self.overlap}: less than tile_size {self.tile_size}")
        return self


class TfrecordSettings(Settings):
    """How to read existing tf.Examples."""

    files: str = Field("**/*.tfrecord*", description="pattern below root")
    keys: dict[str, str] = Field(
        {},
        description="image, patient_id, study_id, slide_id, site, domain, split, labels, "
        "subgroups: feature's name",
    )
    splits: dict[Literal["unlabeled", "train", "validation", "test"], str] = Field(
        {}, description="official split: pattern of its files"
    )


class TfdsSettings(Settings):
    """Which TensorFlow Datasets builder and which of its features to read."""

    name: str = Field("", description="name[/config][:version]; empty: root is the prepared folder")
    keys: dict[str, str] = Field(
        {},
        description="image, patient_id, study_id, slide_id, site, labels, subgroups: "
        "feature's name",
    )
    splits: dict[str, Literal["unlabeled", "train", "validation", "test"]] = Field(
        {}, description="split of the builder: split here, where the names don't say it"
    )
    prepare: bool = Field(False, description="download and prepare what is not in root yet")


class SourceSettings(Settings):
    """A data set: where it is, and which part of it is used."""

    source: SourceName = Field(
        "synthetic", description="layout of the data set; see docs/sources.md"
    )
    root: str = Field(
        "", description="folder of the data set, as downloaded; {SPAN}, {VERSION}: the newest"
    )
    manifest: str = Field("manifest.csv", description="file in root: .csv, .csv.gz or .parquet")
    patients: Literal["identified", "per_image"] = Field(
        "identified",
        description="identified: every image needs its patient's id; per_image: ids are not used, "
        "every image counts as its own patient and overlap of splits is not checked",
    )
    similar_ids: Literal["refuse", "merge", "distinct"] = Field(
        "refuse",
        description="patient ids that differ only in leading zeros, case, spaces, invisible "
        "characters or .0, and words like nan: end the run, are one patient, or are right",
    )
    columns: dict[str, str] = Field(
        {},
        description="image, patient_id, study_id, slide_id, site, domain, split or a subgroup: the "
        "table's name for it; sources manifest and dicom",
    )
    values: dict[str, dict[str, str]] = Field(
        {},
        description="a label, domain, split, site or subgroup: what the table's values mean, e.g. "
        "{finding: {Positive: 1, Negative: 0}}; sources manifest and dicom",
    )
    official_split: bool = Field(
        True, description="false: the source's own splits are ignored, data.split divides patients"
    )
    label_columns: dict[str, str] = Field(
        {}, description="task label: the source's name for it, where the names don't match"
    )
    view: Literal["frontal", "lateral", "all"] = Field(
        "frontal", description="chest films used, where the source tells them apart"
    )
    unmentioned: Literal["unknown", "zeros"] = Field(
        "unknown", description="what a finding means that a report did not mention (blank cell)"
    )
    sites: tuple[str, ...] = Field((), description="sites used; empty: all")
    shifted_sites: tuple[str, ...] = Field(
        (), description="sites that are the shifted domain; empty: as the source has it"
    )
    image_folder: ImageFolderSettings = ImageFolderSettings()
    intensity: Intensity = ByRule()
    dicom: DicomSettings = DicomSettings()
    slides: SlideSettings = SlideSettings()
    tfds: TfdsSettings = TfdsSettings()
    tfrecord: TfrecordSettings = TfrecordSettings()
    synthetic: SyntheticSettings = SyntheticSettings()

    @field_validator("values", mode="before")
    @classmethod
    def _as_written(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {name: tables.meanings(name, values) for name, values in given.items()}

    @model_validator(mode="after")
    def _table_has_columns(self) -> Self:
        for name in ("columns", "values"):
            if (given := getattr(self, name)) and self.source not in tables.SOURCES:
                raise ValueError(
                    f"{name} {given}: source '{self.source}' has columns of its own; accepted with "
                    f"{' and '.join(tables.SOURCES)}"
                )
        return self

    @model_validator(mode="after")
    def _root_given(self, info: ValidationInfo) -> Self:
        if self.source not in ("synthetic", "combined") and not self.root:
            message = f"root is empty: source '{self.source}' needs the data set's folder"
            refuse_incomplete(message, info)
        return self


class PartSettings(SourceSettings):
    """One data set of a combination, and its part in the run."""

    role: Literal["in_distribution", "shifted", "unlabeled"] = Field(
        description="unlabeled: joins pretraining, its labels are not read"
    )
    name: str = Field(
        "", description="empty: the source's name; parts with the same name share patients"
    )

    @model_validator(mode="after")
    def _flat(self) -> Self:
        if self.source == "combined":
            raise ValueError("source 'combined' inside data.parts: list all parts in one list")
        return self


class DataSettings(SourceSettings):
    """Where images come from and how they become records."""

    parts: tuple[PartSettings, ...] = Field((), description="data sets of source 'combined'")
    subgroups: tuple[str, ...] = Field(
        (), description="columns by which evaluation slices, for example [sex, age]"
    )
    subgroup_bins: dict[str, tuple[float, ...]] = Field(
        {}, description="inner edges for numeric subgroup columns, e.g. age: [18, 40, 65]"
    )
    split: SplitSettings = SplitSettings()
    stored_size: int = Field(
        0, ge=0, description="longest side of the stored images, pixels; 0: unchanged"
    )
    encoding: Literal["png", "jpeg"] = Field("png", description="format of the stored images")
    jpeg_quality: int = Field(95, ge=50, le=100, description="quality of stored JPEG images")
    max_pixels: int = Field(100_000_000, ge=1024, description="larger images are quarantined")
    max_broken_fraction: float = Field(
        0.05, ge=0, le=1, description="largest fraction of unusable images; more fail the run"
    )
    max_unmatched_fraction: float = Field(
        0.05,
        ge=0,
        le=1,
        description="of a label table's rows without a file, and of files "
        "without a row, at most; source dicom",
    )
    images_per_shard: int = Field(
        1000, ge=1, description="largest number of images in a file of records"
    )
    shard_megabytes: int = Field(
        100, ge=1, description="largest size of a file of records, estimated from some images"
    )
    private: bool | None = Field(
        None,
        description="whether no image may appear in a report; empty: duplicates do, and the images "
        "of the lowest quality only if every source is synthetic or published without conditions",
    )
    id_mapping: bool = Field(
        False, description="write which pseudonym is whose, beside the key file only"
    )
    id_key_file: str = Field(
        "", description="key of the patient hash; else REMEDIS_ID_KEY, else made for the run folder"
    )

    @model_validator(mode="after")
    def _no_ids_as_subgroups(self) -> Self:
        tables.refuse_ids(self.subgroups, self.columns)
        return self

    @model_validator(mode="after")
    def _subgroup_edges(self) -> Self:
        for name, edges in self.subgroup_bins.items():
            if name not in self.subgroups:
                raise ValueError(f"subgroup_bins names '{name}', which is not in data.subgroups")
            if list(edges) != sorted(set(edges)) or not edges:
                raise ValueError(f"subgroup_bins.{name} {edges}: give increasing inner edges")
        return self

    @model_validator(mode="after")
    def _parts_given(self) -> Self:
        if (self.source == "combined") != bool(self.parts):
            raise ValueError(
                f"source '{self.source}' with {len(self.parts)} data.parts: 'combined' needs a "
                "list of them, other sources take none"
            )
        if self.parts and not any(part.role == "in_distribution" for part in self.parts):
            raise ValueError("data.parts: at least one part needs the role 'in_distribution'")
        return self

    @property
    def has_synthetic(self) -> bool:
        """Whether any image is synthetic."""
        return "synthetic" in (self.source, *(part.source for part in self.parts))

    @property
    def pictures(self) -> Pictures:
        """Which images may appear in a report."""
        if self.private is not None:
            return "none" if self.private else "all"
        sources = [part.source for part in self.parts] or [self.source]
        return "all" if set(sources) <= _PUBLISHED else "pairs"

    def of_part(self, part: PartSettings) -> DataSettings:
        """The settings with which a part of a combination is read."""
        own = {name: getattr(part, name) for name in SourceSettings.model_fields}
        if self.patients == "per_image":
            own["patients"] = self.patients
        if self.similar_ids != "refuse":
            own["similar_ids"] = self.similar_ids
        return self.model_copy(update=own | {"parts": ()})
