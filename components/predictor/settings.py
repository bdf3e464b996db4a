"""Settings of the Predictor."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trainer_modules.settings import Settings

Split = Literal["unlabeled", "train", "validation", "test", "shifted"]


class PredictorSettings(Settings):
    """What is computed in addition to the predictions."""

    embeddings: tuple[Split, ...] = Field(
        (),
        description="splits whose embeddings are written, at the cost of a second forward pass; "
        "with test and shifted the report probes them for domain and label",
    )
