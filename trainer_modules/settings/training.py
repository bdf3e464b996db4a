"""Settings that trainings share: the optimizer, the devices, what each field means."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from trainer_modules.settings.base import Settings

Precision = Literal["float32", "mixed_bfloat16", "auto"]
PRECISION = (
    "precision of the computation; auto: mixed_bfloat16 where the processor multiplies it and the "
    "network is large enough to gain"
)
EPOCHS = "passes over the training images"
BATCH_SIZE = "images per update, over all devices"


class OptimizerSettings(Settings):
    """Optimizer and learning-rate schedule: linear warm-up, then cosine to zero or constant."""

    name: Literal["lars", "sgd", "adamw"] = Field("lars", description="the update rule")
    learning_rate: float = Field(
        0.3, gt=0, description="learning rate after warm-up, before `scaling`"
    )
    scaling: Literal["none", "linear", "sqrt"] = Field(
        "linear", description="linear: rate * batch / 256; sqrt: rate * sqrt(batch)"
    )
    momentum: float = Field(
        0.9, ge=0, lt=1, description="momentum of lars and sgd; adamw ignores it"
    )
    weight_decay: float = Field(
        1e-6, ge=0, description="lars and sgd: added to the gradient; adamw: decoupled"
    )
    warmup_epochs: float = Field(
        10.0, ge=0, description="epochs in which the learning rate rises linearly from zero"
    )
    schedule: Literal["cosine", "constant"] = Field(
        "cosine", description="learning rate after warm-up; cosine: falls to zero"
    )


class DistributionSettings(Settings):
    """Which devices train together. `auto`: those of TF_CONFIG's processes, else all GPUs, or one.

    The batch is divided among the replicas, so their number affects results only by rounding.
    """

    strategy: Literal["auto", "one_device", "mirrored", "multi_worker", "tpu"] = Field(
        "auto",
        description="mirrored: the GPUs of this machine; multi_worker: the processes of TF_CONFIG; "
        "auto: multi_worker where TF_CONFIG names several, else all GPUs, else the CPU",
    )
    gpus: int = Field(0, ge=0, description="mirrored: number of GPUs; 0: all of the machine")
    tpu: str = Field("", description="tpu: its name, its grpc:// address, or 'local'")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.gpus and self.strategy != "mirrored":
            raise ValueError(
                f"distribution.gpus={self.gpus} belongs to strategy 'mirrored', not to "
                f"'{self.strategy}'"
            )
        if (self.strategy == "tpu") != bool(self.tpu):
            raise ValueError(
                f"distribution.tpu='{self.tpu}' with strategy '{self.strategy}': 'tpu' needs a "
                "name, the others take none"
            )
        return self
