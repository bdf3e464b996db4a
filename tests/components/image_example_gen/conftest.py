"""Small data sets that the tests write."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


@pytest.fixture
def to_data_gate(tmp_path) -> Callable[[dict[str, Any]], tuple[dict, dict, Path]]:
    """Runs the demo's graph as far as DataGate; returns ingest report, gate report and folder."""
    from components.image_example_gen.privacy import ensure_key_file
    from components.image_example_gen.sources.registry import check_source, data_fingerprint
    from pipeline.config.config import load_config
    from pipeline.config.curated_schema import schema_path
    from pipeline.graph.create_pipeline import Places, create_pipeline
    from pipeline.local.execution import run_nodes

    def run(settings: dict[str, Any]) -> tuple[dict, dict, Path]:
        settings = {
            "data.subgroups": [],
            "data.subgroup_bins": {},
            # Far fewer patients than a model can be judged on, divided by the hash alone.
            "data_gate.min_per_class": 0,
            "data_gate.gate_requirements": "report",
            "data.split.stratify_below": 0,
            "task.kind": "binary",
            **settings,
        }
        overrides = [f"{name}={json.dumps(value)}" for name, value in settings.items()]
        config = load_config(preset="demo", overrides=overrides)
        check_source(config.data, config.task)
        folder = tmp_path / "run"
        (folder / "artifacts").mkdir(parents=True)
        places = Places(
            pipeline_root=str(folder / "artifacts"),
            checkpoint_root=str(folder / "checkpoints"),
            push_destination=str(folder / "pushed"),
            schema_file=str(schema_path(config.curated_schema)),
            id_key_file=ensure_key_file(str(tmp_path / "key")),
        )
        run_nodes(
            create_pipeline(
                config,
                places,
                data_fingerprint=data_fingerprint(config.data, config.task),
                metadata_path=str(folder / "metadata.db"),
            ),
            started=lambda name: None,
            ended=lambda result: None,
            to_nodes=["DataGate"],
        )
        reports = [
            next((folder / "artifacts").glob(f"{name}/*/report.json"))
            for name in ("ImageExampleGen/ingest_report", "DataGate/data_gate_report")
        ]
        return *(json.loads(path.read_text()) for path in reports), folder

    return run
