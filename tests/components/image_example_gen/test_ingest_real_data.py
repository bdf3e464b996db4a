"""Real chest X-rays, histology patches and photographs through the manifest source."""

from __future__ import annotations

import os
import pathlib

import pytest

from components.image_example_gen.settings import DataSettings
from components.image_example_gen.sources import registry
from tests.components.image_example_gen.data_sets import write_csv
from trainer_modules.settings import TaskSettings

CIFAR10 = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"
)  # fmt: skip
TASKS = {
    "cxr": TaskSettings(labels=("pneumonia",)),
    "histology": TaskSettings(labels=("cancerous",)),
    "cifar10": TaskSettings(kind="multiclass", labels=("class",), classes=CIFAR10),
}


def folder(name: str) -> pathlib.Path:
    """A data set's folder; skips the test without it."""
    base = os.environ.get("REMEDIS_TEST_DATA")
    if not base:
        pytest.skip("REMEDIS_TEST_DATA does not name a folder with cxr, histology and cifar10")
    return pathlib.Path(base) / name


@pytest.mark.parametrize("name", TASKS)
def test_whole_manifests_pass_the_check(name):
    patients = "per_image" if name == "cifar10" else "identified"
    data = DataSettings(source="manifest", root=str(folder(name)), patients=patients)
    registry.check_source(data, TASKS[name])
    assert sum(1 for _ in registry.open_source(data, TASKS[name]).rows()) > 5000


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.parametrize("name", TASKS)
def test_a_subset_passes_the_data_gate(name, tmp_path, to_data_gate):
    source = folder(name)
    lines = [line.split(",") for line in (source / "manifest.csv").read_text().splitlines()]
    chosen = [lines[0], *lines[1::100]]
    for row in chosen[1:]:
        target = tmp_path / "data" / row[0]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((source / row[0]).read_bytes())
    write_csv(tmp_path / "data/manifest.csv", chosen)
    task = TASKS[name]
    settings = {
        "data.source": "manifest",
        "data.root": str(tmp_path / "data"),
        "task.kind": task.kind,
        "task.labels": list(task.labels),
        "task.classes": list(task.classes),
    }
    if name == "cifar10":
        settings["data.patients"] = "per_image"
    if name == "cxr":
        settings["data.subgroups"] = ["sex", "view"]
    ingest, gate, _ = to_data_gate(settings)
    assert ingest["kept"] == ingest["images"] == len(chosen) - 1
    assert ingest["quarantined_count"] == 0
    shifted = sum("shifted" in row for row in chosen)
    assert ingest["splits"]["shifted"]["examples"] == shifted
    assert gate["passed"], gate
    assert bool(gate["distances"]["domain_drift"]) is (shifted > 0)
