"""Feature names of the records that ingestion writes for a task."""

from __future__ import annotations

from collections.abc import Sequence

from schemas import features
from trainer_modules.settings import TaskSettings

CORE = (
    features.IMAGE_ID,
    features.IMAGE_HEIGHT,
    features.IMAGE_WIDTH,
    features.IMAGE_MEAN,
    features.IMAGE_STD,
    features.IMAGE_BORDER_MEAN,
    features.IMAGE_BORDER_STD,
    features.PATIENT_ID,
    features.SITE,
    features.DOMAIN,
)
# Present only in records whose source knows them.
OPTIONAL = (features.STUDY_ID, features.SLIDE_ID)


def statistics_features(task: TaskSettings, subgroups: Sequence[str]) -> list[str]:
    """All features except the image's bytes, whose statistics are costly and meaningless."""
    return [*CORE, *OPTIONAL, *task_features(task, subgroups)]


def record_features(task: TaskSettings, subgroups: Sequence[str]) -> list[str]:
    """All features of a record."""
    return [features.IMAGE_ENCODED, *statistics_features(task, subgroups)]


def task_features(task: TaskSettings, subgroups: Sequence[str]) -> list[str]:
    """The features that depend on the task: labels, their weights and the subgroups."""
    labels = [f(name) for name in task.labels for f in (features.label, features.label_weight)]
    return labels + [features.subgroup(name) for name in subgroups]
