"""Which test runs which of the documented commands; a command that none runs fails one."""

from __future__ import annotations

import re

import pytest

from tests.docs.commands import COMMANDS
from tests.docs.elsewhere import ELSEWHERE, Elsewhere

PYTHON = r"(\.venv/bin/)?python "
RUN_HERE = {
    "make": r"make .+",
    "local": PYTHON + r"local_runner\.py .+",
    "kubeflow": PYTHON + r"kubeflow_runner\.py .+",
    "gate": r"(\.venv(-gate)?/bin/)?python -m components\.model_gate (?!(plan|monitor) ).+",
    "plan": PYTHON + r"-m components\.model_gate plan .+",
    "monitor": PYTHON + r"-m components\.model_gate monitor .+",
    "predict": PYTHON + r"-m components\.predictor .+",
    "tool": PYTHON + r"-m (components\.shift_analysis|components\.data_gate\.infer_schema) .+",
    "probe": PYTHON + r"-m pipeline\.local\.probe .+",
}


def elsewhere(text: str) -> Elsewhere | None:
    """What is known of a command that can't run here."""
    return next((one for one in ELSEWHERE if re.fullmatch(one.pattern, text)), None)


def of(kind: str) -> pytest.MarkDecorator:
    """Hands a test the commands of one kind."""
    here = [
        one
        for one in COMMANDS
        if re.fullmatch(RUN_HERE[kind], one.text) and not elsewhere(one.text)
    ]
    return pytest.mark.parametrize("one", here, ids=lambda one: f"{one.page}: {one.text[:60]}")
