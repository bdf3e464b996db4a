"""Settings of the optional first training: on which labeled natural images, and how."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from components.image_example_gen.settings import DataSettings
from trainer_modules.settings import TaskSettings, UpstreamTraining


class UpstreamSettings(UpstreamTraining):
    """Step 1 of REMEDIS, for use without released weights. Its data never mix with the run's."""

    enabled: bool = Field(False, description="true: train the first weights here")
    task: TaskSettings | None = Field(None, description="labels of the natural images")
    data: DataSettings = DataSettings()

    @model_validator(mode="after")
    def _task_given(self) -> Self:
        if self.enabled:
            _ = self.given_task
        return self

    @property
    def given_task(self) -> TaskSettings:
        """The task, which an upstream training requires."""
        if self.task is None:
            raise ValueError(
                "task is missing: name the labels of the natural images, for example "
                "task.kind=multiclass, task.labels=[class], task.classes=[cat, dog]"
            )
        return self.task

    @property
    def training(self) -> UpstreamTraining:
        """The settings that the Trainer needs."""
        return UpstreamTraining.model_validate(
            {name: getattr(self, name) for name in UpstreamTraining.model_fields}
        )
