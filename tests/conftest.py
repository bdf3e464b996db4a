"""Settings of the whole test session."""

import os

import pytest

from trainer_modules.training.tensorflow_start import prefer_onednn

# Before any test imports TensorFlow: its start-up notes would bury the results.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
prefer_onednn()  # as the runners do


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs the quick tests first: a mistake should show in seconds, not after the slow ones."""
    items.sort(key=lambda item: (bool(item.get_closest_marker("slow")), _is_e2e(item)))


def _is_e2e(item: pytest.Item) -> bool:
    return bool(item.get_closest_marker("e2e"))
