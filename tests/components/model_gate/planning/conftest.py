"""Planning in this process, which has TensorFlow's threads when all tests run."""

import pytest

from components.model_gate.planning import power


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.setattr(power.os, "cpu_count", lambda: 1)
