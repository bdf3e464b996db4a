"""Ingests the same image files with this pipeline and with TensorFlow Datasets' own writer.

    .venv/bin/python benchmarks/bench_ingest.py [--images 2000] [--side 512] [--stored 224]

Each variant runs in a fresh process: this pipeline with one and with two workers; TFDS given the
shrunk pixels of the same files (the same work: decode, shrink, encode, write); and TFDS given the
files' names, so that it copies their bytes without decoding them. Elapsed and CPU seconds include
the imports of worker processes, but not those of the first process; memory is the peak of the
process and of its largest child. The images are synthetic.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import importlib.metadata
import io
import multiprocessing
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
_WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
_BLOCK = 250

Work = Callable[[], None]


def write_images(folder: Path, images: int, side: int, kind: str) -> int:
    """Writes gray images and their manifest; returns the bytes of the images."""
    (folder / "images").mkdir(parents=True)
    blocks = [(folder, start, min(start + _BLOCK, images), side, kind)
              for start in range(0, images, _BLOCK)]  # fmt: skip
    with ProcessPoolExecutor() as pool:
        size = sum(pool.map(_write_block, blocks))
    with open(folder / "manifest.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["image", "patient_id", "site", "domain", "opacity"])
        for number in range(images):
            domain = "shifted" if number % 5 == 4 else "in_distribution"
            site = f"site-{number % 5}"
            table.writerow([_name(number, kind), f"p{number // 2}", site, domain, number % 2])
    return size


def _write_block(block: tuple[Path, int, int, int, str]) -> int:
    from PIL import Image

    folder, start, end, side, kind = block
    size = 0
    for number in range(start, end):
        rng = np.random.default_rng(number)
        shapes = Image.fromarray(rng.integers(20, 236, (12, 12), np.uint8))
        pixels = np.asarray(shapes.resize((side, side), Image.Resampling.BICUBIC), np.int16)
        pixels = pixels + rng.integers(-6, 7, (side, side), np.int16)
        path = folder / _name(number, kind)
        options = {"quality": 90} if kind == "jpeg" else {}
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path, **options)
        size += path.stat().st_size
    return size


def _name(number: int, kind: str) -> str:
    return f"images/{number:06d}.{kind}"


def own(source: Path, target: Path, stored: int, encoding: str, workers: int) -> Work:
    """Imports this pipeline and returns its ingestion."""
    import apache_beam as beam

    from components.image_example_gen import ingest
    from components.image_example_gen.settings import DataSettings
    from pipeline.config.beam_settings import InMemory, MultiProcessing
    from pipeline.graph.beam_options import beam_pipeline_args
    from trainer_modules.settings import TaskSettings

    data = DataSettings(
        source="manifest", root=str(source), stored_size=stored, encoding=encoding,
        jpeg_quality=95,
    )  # fmt: skip
    task = TaskSettings(kind="binary", labels=("opacity",))
    engine = InMemory() if workers == 1 else MultiProcessing(workers=workers)
    options = beam.options.pipeline_options.PipelineOptions(beam_pipeline_args(engine))

    def run() -> None:
        with beam.Pipeline(options=options) as pipeline:
            ingest.add_ingestion(
                pipeline, data, task, 0, b"benchmark", f"{target}/examples", f"{target}/report"
            )

    return run


def theirs(source: Path, target: Path, stored: int, encoding: str, shrink: bool) -> Work:
    """Imports TFDS and returns a builder of the same images."""
    import tensorflow_datasets as tfds
    from PIL import Image

    text = tfds.features.Text()

    class Films(tfds.core.GeneratorBasedBuilder):
        """The manifest as a TFDS data set."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> tfds.core.DatasetInfo:
            image = tfds.features.Image(shape=(None, None, 1), encoding_format=encoding)
            texts = dict.fromkeys(("image/id", "patient_id", "site", "domain"), text)
            features = {"image/encoded": image, **texts, "label": np.float32}
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, dl_manager: object) -> dict[str, Iterator]:
            del dl_manager
            return {"train": self._generate_examples()}

        def _generate_examples(self) -> Iterator[tuple[int, dict]]:
            with open(source / "manifest.csv", newline="", encoding="utf-8") as file:
                for number, row in enumerate(csv.DictReader(file)):
                    path = source / row["image"]
                    yield (
                        number,
                        {
                            "image/encoded": _shrunk(path) if shrink else path,
                            "image/id": row["image"],
                            "patient_id": row["patient_id"],
                            "site": row["site"],
                            "domain": row["domain"],
                            "label": float(row["opacity"]),
                        },
                    )

    def _shrunk(path: Path) -> np.ndarray:
        with Image.open(path) as image:
            scale = stored / max(image.size)
            if stored and scale < 1:
                size = tuple(max(1, round(side * scale)) for side in image.size)
                return np.asarray(image.resize(size, Image.Resampling.LANCZOS))[:, :, None]
            return np.asarray(image)[:, :, None]

    tfds.disable_progress_bar()

    def run() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            Films(data_dir=str(target)).download_and_prepare()

    return run


class Measured(NamedTuple):
    """Elapsed and CPU seconds, and peak bytes of a process and of its largest child."""

    seconds: float
    processor: float
    peak: int
    child: int


def _measured(way: Callable[..., Work], source: Path, *arguments: object) -> Measured:
    """Runs one variant in this process, in its own folder."""
    with tempfile.TemporaryDirectory() as folder:
        work = way(source, Path(folder), *arguments)
        processor, began = _processor_seconds(), time.monotonic()
        work()
        seconds, processor = time.monotonic() - began, _processor_seconds() - processor
    peaks = [resource.getrusage(who).ru_maxrss * _UNIT for who in _WHO]
    return Measured(seconds, processor, *peaks)


def _processor_seconds() -> float:
    return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, _WHO))


def main() -> None:
    """Prints one line per variant."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--side", type=int, default=512, help="side of the images, pixels")
    parser.add_argument("--stored", type=int, default=224, help="longest stored side; 0: unchanged")
    parser.add_argument(
        "--format", choices=("jpeg", "png"), default="jpeg", help="format of the files"
    )
    parser.add_argument(
        "--encoding", choices=("png", "jpeg"), default="png", help="format of the records"
    )
    parser.add_argument(
        "--repeats", type=int, default=1, help="runs per variant, of which the fastest counts"
    )
    given = parser.parse_args()
    packages = ("tensorflow-datasets", "tensorflow", "apache-beam", "pillow")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(versions)
    ways = {
        "this pipeline, 1 worker": (own, given.stored, given.encoding, 1),
        "this pipeline, 2 workers": (own, given.stored, given.encoding, 2),
        "TFDS, same work": (theirs, given.stored, given.encoding, True),
        "TFDS, bytes copied": (theirs, given.stored, given.format, False),
    }
    # Spawned, so that no process inherits another's memory.
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "data")
        size = write_images(source, given.images, given.side, given.format)
        print(
            f"{given.images} synthetic gray {given.format} files of {given.side} px "
            f"({size / 2**20:.0f} MiB), stored as {given.encoding} of {given.stored} px"
        )
        heads = ("seconds", "images/s", "ratio", "CPU s", "peak MiB", "child")
        print(f"{'':26}" + "".join(f"{head:>10}" for head in heads))
        first = 0.0
        for title, (work, *arguments) in ways.items():
            runs = []
            for _ in range(given.repeats):
                with context.Pool(1) as pool:
                    runs.append(pool.apply(_measured, (work, source, *arguments)))
            best = min(runs)
            first = first or best.seconds
            print(
                f"{title:26}{best.seconds:10.1f}{given.images / best.seconds:10.0f}"
                f"{first / best.seconds:10.2f}{best.processor:10.1f}{best.peak / 2**20:10.0f}"
                f"{best.child / 2**20:10.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
