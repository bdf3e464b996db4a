"""Ingests 1,000 and 5,000 synthetic images: images per second, and whether memory stays constant.

    .venv/bin/python benchmarks/bench_ingest_memory.py [--images 1000 10000]

Each size runs in its own process, whose peak resident memory the operating system reports.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))
_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes


def ingest(images: int) -> tuple[int, float, int, int]:
    """Returns the number of images kept, seconds, and peak memory in bytes before and after."""
    import apache_beam as beam

    from components.image_example_gen import ingest
    from components.image_example_gen.settings import DataSettings
    from schemas.documents.ingest import IngestReport
    from trainer_modules.settings import TaskSettings

    shifted = images // 5
    data = DataSettings.model_validate(
        {
            "source": "synthetic",
            "stored_size": 64,
            "synthetic": {
                "patients": images - shifted,
                "shifted_patients": shifted,
                "images_per_patient": (1, 1),
                "image_size": 96,
            },
        }
    )
    task = TaskSettings.model_validate({"kind": "binary", "labels": ["opacity"]})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        described = Path(folder, "report")
        options = beam.options.pipeline_options.PipelineOptions(["--runner=FnApiRunner"])
        with beam.Pipeline(options=options) as pipeline:
            ingest.add_ingestion(
                pipeline, data, task, 0, b"benchmark", f"{folder}/examples", str(described)
            )
        seconds = time.monotonic() - began
        kept = IngestReport.read(described).kept
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT
    return kept, seconds, before, after


def main() -> None:
    """Prints one line per size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 5000])
    sizes = parser.parse_args().images
    print(f"{'images':>8} {'images/s':>9} {'peak MiB':>9} {'of it imports':>14}")
    # Spawned, so that no process inherits another's memory.
    context = multiprocessing.get_context("spawn")
    for size in sizes:
        with context.Pool(1) as pool:
            kept, seconds, before, after = pool.apply(ingest, (size,))
        print(f"{kept:8} {kept / seconds:9.0f} {after / 2**20:9.0f} {before / 2**20:14.0f}")


if __name__ == "__main__":
    main()
