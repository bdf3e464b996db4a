"""Typed settings of the task, the backbone and the trainers. Imports only schemas."""

from trainer_modules.settings.sections import (
    MICRO_BATCH,
    MOST_CLASSES,
    AugmentSettings,
    DistributionSettings,
    FinetuneSettings,
    InitSettings,
    ModelSettings,
    OperatingPointSettings,
    OptimizerSettings,
    PretrainSettings,
    SearchSettings,
    Settings,
    TaskSettings,
    UpstreamTraining,
)

__all__ = [
    "MICRO_BATCH",
    "MOST_CLASSES",
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
]
