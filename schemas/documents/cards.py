"""Files beside an exported model: its card, and the names of its targets.

Cards without a version are read as version 1 if they are otherwise the same.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from schemas import model_files
from schemas.documents.document import Document, Number, Part, Sparse


class FirstWeights(Sparse):
    """Where training started: of a file its name, digest and arrays, of an encoder its training."""

    source: str
    file: str | None = None
    sha256: str | None = None
    arrays: int | None = None
    trained_on: NaturalImages | None = None


class NaturalImages(Part):
    """The upstream training."""

    method: Literal["supervised, natural images"] = "supervised, natural images"
    targets: tuple[str, ...]
    images: int
    epochs: int
    best_epoch: int
    validation_auc: Number
    validation_accuracy: Number
    seed: int
    initialised: FirstWeights


class Contrastive(Sparse):
    """SimCLR. Numbers of patients where pairs are of patients."""

    method: Literal["SimCLR"] = "SimCLR"
    splits: tuple[str, ...]
    images: int
    pairs: str
    epochs: int
    kept_epoch: int
    seed: int
    initialised: FirstWeights
    probe_auc: Number
    neighbour_auc: Number
    patients: int | None = None
    patients_with_several_images: int | None = None


class NotTrained(Part):
    """A SavedModel passed on as it is."""

    method: Literal["none, a SavedModel as it is"] = "none, a SavedModel as it is"
    initialised: FirstWeights


EncoderTraining = NaturalImages | Contrastive | NotTrained


class GrayLevels(Sparse):
    """`data.intensity`: how values of more than 8 bits became 256 gray levels."""

    rule: Literal["auto", "declared", "window", "minmax", "percentile", "fixed"] = "auto"
    low: float | None = None
    high: float | None = None


class Ingestion(Part):
    """How files became the images that a model was trained on, and has to be given.

    Attributes:
        intensity: The policy; None if the data sets of the run have several.
        stored_size: Longest side of the stored images; 0: as in the file.
        encoding: Format of the stored images.
        jpeg_quality: Their quality, if that is JPEG.
        max_pixels: Larger images are refused.
        data: All settings of the data, without folders.
    """

    intensity: GrayLevels | None
    stored_size: int
    encoding: Literal["png", "jpeg"]
    jpeg_quality: int
    max_pixels: int
    data: dict[str, Any]


class EncoderCard(Document):
    """An encoder: its network (`model` holds its settings) and its training data.

    Cards written by earlier versions lack `ingestion`.
    """

    FILE: ClassVar[str] = model_files.CARD
    READS_UNVERSIONED: ClassVar[bool] = True

    version: Literal[1] = 1
    kind: Literal["encoder"] = "encoder"
    targets: tuple[str, ...] = Field((), max_length=0)
    thresholds: dict[str, float] = Field(default_factory=dict, max_length=0)
    temperature: dict[str, float] = Field(default_factory=dict, max_length=0)
    model: dict[str, Any]
    feature_dim: int
    image_size: int
    trained_on: Annotated[EncoderTraining, Field(discriminator="method")]
    ingestion: Ingestion | None = None


class CalibrationMetrics(Part):
    """How far a target's probabilities are from the observed frequencies."""

    ece: Number
    brier: Number
    examples: int


class CardCalibration(Part):
    """The calibration: scale and offset of each target, and metrics before and after."""

    method: str
    scale: dict[str, float]
    offset: dict[str, float]
    split: str
    before: dict[str, CalibrationMetrics]
    after: dict[str, CalibrationMetrics]


class Finetuning(Part):
    """The supervised training; `optimizer` and `operating_point` hold their settings."""

    method: str
    splits: tuple[str, ...]
    images: int
    patients: int
    label_fraction: float
    recipe: str
    optimizer: dict[str, Any]
    chosen_by_search: tuple[str, ...]
    batch_size: int
    mixup: float
    class_weights: str
    epochs: int
    best_epoch: int
    selected_by: str
    validation_auc: Number
    operating_point: dict[str, Any]
    seed: int


class ClassifierCard(Document):
    """A classifier: its decisions, its network (`model`) and its training data.

    `task` holds the settings of the task. Cards written by earlier versions lack it, `decision` and
    `ingestion`; those of multiclass models have a threshold for each class.

    Attributes:
        decision: `threshold`: each target is called from its threshold on. `highest`: the class of
            the highest probability is called, of equal ones the first of `targets`.
    """

    FILE: ClassVar[str] = model_files.CARD
    READS_UNVERSIONED: ClassVar[bool] = True

    version: Literal[1] = 1
    kind: Literal["classifier"] = "classifier"
    targets: tuple[str, ...]
    decision: Literal["threshold", "highest"] = "threshold"
    thresholds: dict[str, float]
    temperature: dict[str, float]
    calibration: CardCalibration
    model: dict[str, Any]
    feature_dim: int
    image_size: int
    trained_on: Finetuning
    task: dict[str, Any] | None = None
    ingestion: Ingestion | None = None


class TargetNames(Document):
    """The names of a classifier's outputs, as an asset inside the SavedModel."""

    FILE: ClassVar[str] = "targets.json"

    version: Literal[1] = 1
    kind: str
    targets: tuple[str, ...]
