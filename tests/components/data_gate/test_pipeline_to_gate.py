"""Ingestion to DataGate under LocalDagRunner: what passes, and what stops with which words."""

from __future__ import annotations

import json
import pathlib

import pytest

from components.data_gate.errors import DataGateStopped
from components.data_gate.settings import DataGateSettings
from components.image_example_gen import sources
from components.image_example_gen.contract import statistics_features
from components.image_example_gen.privacy import ensure_key_file
from components.image_example_gen.settings import DataSettings, SyntheticSettings
from tests.components.image_example_gen.data_sets import write_csv, write_png
from trainer_modules.errors import InputError
from trainer_modules.settings import TaskSettings

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

TASK = TaskSettings(labels=("finding",))
SCHEMA = pathlib.Path(sources.__file__).parents[2] / "schemas/generic/schema.pbtxt"


def run(base: pathlib.Path, data: DataSettings) -> tuple[dict, dict]:
    """Runs the stages; returns the ingest and the gate report."""
    import tensorflow_data_validation as tfdv
    from tfx import v1 as tfx

    from components.data_gate.component import DataGate
    from components.image_example_gen.component import ImageExampleGen

    key = ensure_key_file(str(base / "key"))
    fingerprint = sources.data_fingerprint(data, TASK)
    gen = ImageExampleGen(data, TASK, 0, fingerprint, key, "code")
    statistics = tfx.components.StatisticsGen(
        examples=gen.outputs["examples"],
        stats_options=tfdv.StatsOptions(
            feature_allowlist=statistics_features(TASK, data.subgroups)
        ),
    )
    schema = tfx.components.ImportSchemaGen(schema_file=str(SCHEMA))
    validator = tfx.components.ExampleValidator(
        statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"]
    )
    gate = DataGate(
        examples=gen.outputs["examples"],
        statistics=statistics.outputs["statistics"],
        anomalies=validator.outputs["anomalies"],
        schema=schema.outputs["schema"],
        ingest_report=gen.outputs["ingest_report"],
        settings=DataGateSettings(),
        task=TASK,
        code_digest="code",
    )
    metadata = tfx.orchestration.metadata.sqlite_metadata_connection_config(str(base / "m.db"))
    tfx.orchestration.LocalDagRunner().run(
        tfx.dsl.Pipeline(
            pipeline_name="to-gate",
            pipeline_root=str(base / "root"),
            components=[gen, statistics, schema, validator, gate],
            metadata_connection_config=metadata,
            beam_pipeline_args=["--runner=FnApiRunner"],
        )
    )
    reports = [
        next((base / "root").glob(f"{name}/*/report.json"))
        for name in ("ImageExampleGen/ingest_report", "DataGate/data_gate_report")
    ]
    return tuple(json.loads(path.read_text()) for path in reports)


def planted(base: pathlib.Path, broken: int = 0) -> DataSettings:
    """120 images of 60 patients in given splits, with a leak of each kind and one class rare."""
    rows = [["image", "finding", "patient_id", "split"]]
    for number in range(120):
        split = ("train", "validation", "test")[(number // 2) % 3]
        name = f"{number}.png"
        write_png(base / "data" / name, number)
        rows.append([name, 0 if split == "test" else number % 2, f"p{number // 2}", split])
    rows[7][3] = "test"  # a train patient's
    # Rows 1 and 3: a train image under a validation patient's name.
    (base / "data/2.png").write_bytes((base / "data/0.png").read_bytes())
    for number in range(broken):
        (base / f"data/{number}.png").write_bytes(b"not an image")
    write_csv(base / "data/manifest.csv", rows)
    return DataSettings(source="manifest", root=str(base / "data"))


def test_synthetic_data_without_shift_pass_in_spite_of_an_empty_split(tmp_path):
    synthetic = SyntheticSettings(patients=120, shifted_patients=0, image_size=32)
    data = DataSettings(subgroups=("sex", "age"), subgroup_bins={"age": (50,)}, synthetic=synthetic)
    ingest, gate = run(tmp_path, data)
    assert ingest["splits"]["shifted"]["examples"] == 0
    assert gate["passed"] is True
    assert all(check["passed"] for check in gate["checks"])


def test_planted_leaks_stop_the_run_and_are_named(tmp_path):
    with pytest.raises(DataGateStopped) as stopped:
        run(tmp_path, planted(tmp_path))
    expected = (
        "patient_overlap: 1 patient is in more than one split: train and test (rows 7, 8)",
        "duplicates: 1 image is in more than one split: train and validation (rows 1, 3)",
        "class_counts: fewer than data_gate.min_per_class 5 examples: test has 0 of finding=1",
    )
    assert tuple(stopped.value.reasons) == expected
    failed = [check["name"] for check in stopped.value.report["checks"] if not check["passed"]]
    assert failed == [words.split(":")[0] for words in expected]


def test_too_many_broken_images_stop_ingestion(tmp_path):
    with pytest.raises(InputError, match=r"36 of 120 images \(30\.0%\) cannot be used"):
        run(tmp_path, planted(tmp_path, broken=36))
