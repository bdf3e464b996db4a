"""What the tests of all layouts share; the data sets themselves are in the made_ modules."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.image_example_gen.settings import DataSettings
from components.image_example_gen.sources.registry import open_source
from tests.components.image_example_gen.sources.made_cxr import chexpert, mimic_cxr, nih_cxr14
from tests.components.image_example_gen.sources.made_formats import (
    archive,
    folders,
    foreign,
    prepared,
    write_examples,
)
from tests.components.image_example_gen.sources.made_pathology import (
    camelyon16,
    camelyon17,
    camelyon17_wilds,
    patches,
    write_outlines,
    write_slide,
)
from trainer_modules.settings import TaskSettings

__all__ = [
    "archive", "camelyon16", "camelyon17", "camelyon17_wilds", "chexpert", "folders", "foreign",
    "mimic_cxr", "nih_cxr14", "patches", "prepared", "write_examples", "write_outlines",
    "write_slide",
]  # fmt: skip


@pytest.fixture(scope="session")
def write_image() -> Callable[..., Path]:
    """Writes an image of noise that no other seed gives."""

    def write(path: Path, seed: int, size: tuple[int, int] = (12, 10), mode: str = "L") -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(seed)
        shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], 3)
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(path)
        return path

    return write


@pytest.fixture(scope="session")
def opened() -> Callable:
    """Opens and checks a source."""

    def open_(
        labels=("x",), *, kind="binary", classes=(), uncertain="ignore", by_label=None, **data
    ):
        task = TaskSettings(
            kind=kind,
            labels=labels,
            classes=classes,
            uncertain=uncertain,
            uncertain_by_label=by_label or {},
        )
        source = open_source(DataSettings(**{**data, "root": str(data.get("root", ""))}), task)
        source.check()
        return source

    return open_


@pytest.fixture
def ingested(tmp_path) -> Callable[..., dict[str, Any]]:
    """Ingests a data set with one label, all of it; returns the ingest report."""
    import apache_beam as beam

    from components.image_example_gen import ingest

    def run(label: str, **data: Any) -> dict[str, Any]:
        settings = DataSettings(**{**data, "root": str(data["root"])})
        task = TaskSettings(kind="binary", labels=(label,))
        out = [str(tmp_path / name) for name in ("examples", "report")]
        with beam.Pipeline(runner="FnApiRunner") as pipeline:
            ingest.add_ingestion(pipeline, settings, task, 0, b"k" * 32, *out)
        report = json.loads((tmp_path / "report/report.json").read_text())
        assert report["kept"] == report["images"], report["reasons"]
        return report

    return run
