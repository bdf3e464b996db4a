"""Ingestion to DataGate under LocalDagRunner: what passes, and what stops with which words."""

from __future__ import annotations

import base64
import io
import json
import pathlib
import re

import pytest
from PIL import Image

from components.data_gate.settings import DataGateSettings
from components.image_example_gen.privacy import ensure_key_file
from components.image_example_gen.settings import DataSettings, SyntheticSettings
from components.image_example_gen.sources import registry
from components.image_example_gen.writing.contract import statistics_features
from pipeline.config.beam_settings import InMemory
from pipeline.graph.beam_options import beam_pipeline_args
from schemas.documents.data_gate import DataGateStopped
from schemas.errors import InputError
from tests.components.image_example_gen.data_sets import write_csv, write_png
from trainer_modules.settings import TaskSettings

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

TASK = TaskSettings(labels=("finding",))
SETTINGS = DataGateSettings()
SCHEMA = pathlib.Path(registry.__file__).parents[3] / "schemas/generic/schema.pbtxt"


def run(
    base: pathlib.Path, data: DataSettings, settings: DataGateSettings = SETTINGS
) -> tuple[dict, dict]:
    """Runs the stages; returns the newest ingest and gate report."""
    import tensorflow_data_validation as tfdv
    from tfx import v1 as tfx

    from components.data_gate.component import DataGate
    from components.example_validator.component import ExampleValidator
    from components.image_example_gen.component import ImageExampleGen

    key = ensure_key_file(str(base / "key"))
    fingerprint = registry.data_fingerprint(data, TASK)
    gen = ImageExampleGen(data, TASK, 0, fingerprint, key, "code")
    statistics = tfx.components.StatisticsGen(
        examples=gen.outputs["examples"],
        stats_options=tfdv.StatsOptions(
            feature_allowlist=statistics_features(TASK, data.subgroups)
        ),
    )
    schema = tfx.components.ImportSchemaGen(schema_file=str(SCHEMA))
    validator = ExampleValidator(
        statistics=statistics.outputs["statistics"],
        schema=schema.outputs["schema"],
        code_digest="code",
    )
    gate = DataGate(
        examples=gen.outputs["examples"],
        statistics=statistics.outputs["statistics"],
        anomalies=validator.outputs["anomalies"],
        schema=schema.outputs["schema"],
        ingest_report=gen.outputs["ingest_report"],
        settings=settings,
        task=TASK,
        passed_data=str(base / "passed_data"),
        code_digest="code",
    )
    metadata = tfx.orchestration.metadata.sqlite_metadata_connection_config(str(base / "m.db"))
    tfx.orchestration.LocalDagRunner().run(
        tfx.dsl.Pipeline(
            pipeline_name="to-gate",
            pipeline_root=str(base / "root"),
            components=[gen, statistics, schema, validator, gate],
            metadata_connection_config=metadata,
            beam_pipeline_args=beam_pipeline_args(InMemory()),
        )
    )
    reports = [
        max((base / "root").glob(f"{name}/*/report.json"), key=lambda path: path.stat().st_mtime)
        for name in ("ImageExampleGen/ingest_report", "DataGate/data_gate_report")
    ]
    return tuple(json.loads(path.read_text()) for path in reports)


def planted(base: pathlib.Path, broken: int = 0) -> DataSettings:
    """120 images of 60 patients in given splits, with a leak of each kind and one class rare."""
    rows = [["image", "finding", "patient_id", "split", "study_id", "slide_id"]]
    for number in range(120):
        split = ("train", "validation", "test")[(number // 2) % 3]
        name = f"{number}.png"
        write_png(base / "data" / name, number, (40, 48))
        label = 0 if split == "test" else number % 2
        patient = number // 2
        rows.append([name, label, f"p{patient}", split, f"study{patient}", f"slide{patient}"])
    rows[7][3] = "test"  # a train patient's
    rows[13][4] = rows[15][4]  # a train patient's study under a validation patient's name
    rows[19][5] = rows[23][5]  # a slide of train and test
    # Rows 1 and 3: a train image under a validation patient's name.
    (base / "data/2.png").write_bytes((base / "data/0.png").read_bytes())
    with Image.open(base / "data/24.png") as image:  # row 25, train: darker in row 27
        image.point(lambda value: value * 0.8).save(base / "data/26.png")
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
    assert "not compared with the last passed run: there are no such data" in str(gate)
    # Other data: narrower pictures than those that passed last.
    smaller = synthetic.model_copy(update={"image_size": 40})
    _, gate = run(tmp_path, data.model_copy(update={"synthetic": smaller}))
    assert gate["passed"] is True
    drift = next(check for check in gate["checks"] if check["name"] == "previous_drift")
    assert not drift["passed"]
    assert "against the last passed run: " in drift["message"]
    assert "image/height (Jensen-Shannon 1.000)" in drift["message"]
    measured = {(d["split"], d["feature"]) for d in gate["distances"]["previous_drift"]}
    assert {("train", "image/mean"), ("test", "label/finding"), ("train", "site")} <= measured


def test_patients_that_nobody_knows_are_not_checked(tmp_path):
    rows = [["image", "finding"]]
    for number in range(80):
        write_png(tmp_path / f"data/{number}.png", number, (40, 48))
        rows.append([f"{number}.png", number % 2])
    write_csv(tmp_path / "data/manifest.csv", rows)
    root = str(tmp_path / "data")
    data = DataSettings(source="manifest", root=root, patients="per_image")
    ingest, gate = run(tmp_path, data, DataGateSettings(min_per_class=0))
    assert sum(split["own_patients"] for split in ingest["splits"].values()) == 80
    found = {check["name"]: check for check in gate["checks"]}
    for noun in ("patient", "study", "slide"):
        check = found[f"{noun}_overlap"]
        assert not check["checked"]
        assert check["message"] == f"not checked: no image has a known {noun}"
    assert "no patient is in two splits" not in json.dumps(gate)


def test_planted_leaks_stop_the_run_and_are_named(tmp_path):
    with pytest.raises(DataGateStopped) as stopped:
        run(tmp_path, planted(tmp_path), DataGateSettings(near_duplicates="stop"))
    expected = (
        "patient_overlap: 1 patient is in more than one split: train and test (rows 7, 8)",
        "study_overlap: 2 studies are in more than one split: train and test (rows 7, 8); "
        "train and validation (rows 13, 15, 16)",
        "slide_overlap: 2 slides are in more than one split: train and test (rows 7, 8); "
        "train and test (rows 19, 23, 24)",
        "duplicates: 1 image is in more than one split: train and validation (rows 1, 3)",
        "near_duplicates: 1 pair of images looks alike across splits: "
        "train (row 25) and validation (row 27)",
        "class_counts: fewer than data_gate.min_per_class 5 examples: test has 0 of finding=1",
    )
    reasons = [re.sub(r", \d+ bits apart$", "", reason) for reason in stopped.value.reasons]
    assert tuple(reasons) == expected
    failed = [check.name for check in stopped.value.report.checks if not check.passed]
    assert failed == [words.split(":")[0] for words in expected]
    report = stopped.value.report
    rows = [[side.row for side in pair.sides] for pair in report.pairs]
    assert rows == [[1, 3], [25, 27]]
    assert not (tmp_path / "passed_data").exists()
    for name, data in report.thumbnails.items():
        assert re.fullmatch("[0-9a-f]{32}", name)
        with Image.open(io.BytesIO(base64.b64decode(data))) as image:
            assert image.size == (48, 40)
    assert len(report.thumbnails) == 4


def test_too_many_broken_images_stop_ingestion(tmp_path):
    with pytest.raises(InputError, match=r"36 of 120 images \(30\.0%\) cannot be used"):
        run(tmp_path, planted(tmp_path, broken=36))
