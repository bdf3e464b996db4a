"""A verdict on synthetic predictions, and the command on new ones."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from components.model_gate.__main__ import main
from tests.components.model_gate.monitoring.made_tables import predictions

POLICY = "resamples: 200\nin_distribution: {min_sensitivity: 0.5}\n"


@pytest.fixture(scope="session")
def blessed(tmp_path_factory) -> Path:
    """The verdict on 300 patients of each domain."""
    folder = tmp_path_factory.mktemp("blessed")
    table = predictions(300, 0, domains=("in_distribution", "shifted"))
    table.to_csv(folder / "table.csv", index=False)
    (folder / "policy.yaml").write_text(POLICY)
    inputs = ["--predictions", str(folder / "table.csv"), "--policy", str(folder / "policy.yaml")]
    assert main([*inputs, "--output", str(folder / "verdict.json")]) == 0
    return folder / "verdict.json"


@pytest.fixture
def monitor(blessed, tmp_path, capsys) -> Callable:
    """Status, report and lines for people."""
    capsys.readouterr()

    def look(table: pd.DataFrame | str, *arguments: str, verdict: Path = blessed):
        path = table
        if isinstance(table, pd.DataFrame):
            path = str(tmp_path / "new.csv")
            table.to_csv(path, index=False)
        history = [] if "--history" in arguments else ["--history", str(tmp_path / "history.jsonl")]
        status = main(
            ["monitor", "--blessed", str(verdict), "--predictions", path, *history, *arguments]
        )
        shown = capsys.readouterr()
        return status, json.loads(shown.out) if shown.out else None, shown.err

    return look
