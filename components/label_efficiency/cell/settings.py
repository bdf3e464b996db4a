"""Settings of the label-efficiency study; the training's own come from `finetune`."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from schemas.documents.study import Arm, Candidate
from trainer_modules.settings import Settings

REMEDIS: Final = "remedis"
BIT: Final = "bit"
RANDOM: Final = "random"
Share = Annotated[float, Field(gt=0, le=1)]


class CellSettings(Settings):
    """How every cell is trained and evaluated: the settings on which a cell's result depends."""

    steps: int = Field(
        150, ge=1, description="updates of each training, independent of the fraction"
    )
    batch_size: int = Field(64, ge=1, description="images per update; fewer where there are fewer")
    learning_rates: tuple[PositiveFloat, ...] = Field(
        (3e-4, 3e-3), min_length=1, description="candidates; each arm and fraction chooses its own"
    )
    weight_decays: tuple[NonNegativeFloat, ...] = Field(
        (1e-4,), min_length=1, description="candidates, with every learning rate"
    )
    evaluation_share: float = Field(
        0.5,
        gt=0,
        lt=1,
        description="fraction of the shifted patients for evaluation; models adapt to the others",
    )

    @property
    def candidates(self) -> list[Candidate]:
        """Every learning rate with every weight decay."""
        return [
            Candidate(learning_rate=rate, weight_decay=decay)
            for rate in self.learning_rates
            for decay in self.weight_decays
        ]


class StudySettings(CellSettings):
    """How many labels each way of starting needs (`--study label_efficiency`)."""

    arms: tuple[Arm, ...] = Field(
        (REMEDIS, BIT, RANDOM),
        description="first weights. remedis: after SimCLR; bit: what SimCLR started from; random",
    )
    fractions: tuple[Share, ...] = Field(
        (0.01, 0.03, 0.1, 0.33, 1.0),
        description="fractions of the training patients; 1 must be among them",
    )
    shifted_fractions: tuple[Share, ...] = Field(
        (0.1, 0.33, 1.0),
        description="fractions of the shifted patients to adapt to, with 1; []: zero-shot only",
    )
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**31)], ...] = Field(
        (0, 1, 2),
        min_length=1,
        description="each draws labels, first weights and order of images anew",
    )
    margin: float = Field(0.01, ge=0, lt=1, description="AUC by which equivalent arms may differ")
    resamples: int = Field(
        1000, ge=100, le=100_000, description="draws of patients and seeds for the intervals"
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="level of the intervals")

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        for name in ("arms", "fractions", "shifted_fractions", "seeds"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"study.{name} {list(values)}: give every value once")
        for name in ("fractions", "shifted_fractions"):
            values = getattr(self, name)
            if values and 1.0 not in values:
                raise ValueError(
                    f"study.{name} {list(values)}: 1 must be among them, all are compared with it"
                )
        if not self.fractions:
            raise ValueError("study.fractions []: give fractions of the training patients, with 1")
        if REMEDIS not in self.arms or len(self.arms) < 2:
            raise ValueError(
                f"study.arms {list(self.arms)}: 'remedis' and at least one of 'bit', 'random'"
            )
        return self

    @property
    def cell(self) -> CellSettings:
        """The settings of the cells."""
        return CellSettings(**{name: getattr(self, name) for name in CellSettings.model_fields})
