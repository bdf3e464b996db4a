"""Small data sets that the tests write."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from components.image_example_gen.settings import DataSettings
from trainer_modules.settings import TaskSettings


@pytest.fixture
def binary_task() -> TaskSettings:
    """One 0/1 label."""
    return TaskSettings(labels=("finding",))


@pytest.fixture
def manifest_data(tmp_path) -> Callable[..., DataSettings]:
    """Returns a maker of manifest settings for a data set in tmp_path/data."""
    (tmp_path / "data").mkdir()

    def make(**changes) -> DataSettings:
        return DataSettings(source="manifest", root=str(tmp_path / "data"), **changes)

    return make
