"""Typed, immutable settings of the task, the backbone and the trainers. Imports only schemas."""

from trainer_modules.settings.base import Settings, refuse_incomplete
from trainer_modules.settings.finetuning import (
    FinetuneSettings,
    OperatingPointSettings,
    SearchSettings,
)
from trainer_modules.settings.model import (
    InitSettings,
    ModelSettings,
    TaskSettings,
)
from trainer_modules.settings.pretraining import PretrainSettings, UpstreamTraining
from trainer_modules.settings.training import DistributionSettings, OptimizerSettings
from trainer_modules.settings.views import AugmentSettings

__all__ = [
    "AugmentSettings",
    "DistributionSettings",
    "FinetuneSettings",
    "InitSettings",
    "ModelSettings",
    "OperatingPointSettings",
    "OptimizerSettings",
    "PretrainSettings",
    "SearchSettings",
    "Settings",
    "TaskSettings",
    "UpstreamTraining",
    "refuse_incomplete",
]
