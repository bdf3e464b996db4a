"""Small data sets under the names that the documentation gives them."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

FINDINGS = ("atelectasis", "cardiomegaly", "consolidation", "edema", "pleural_effusion")
CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)


def _write_noise(path: Path, seed: int, mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (32, 32) if mode == "L" else (32, 32, 3)
    values = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(values).save(path)


def _films(root: Path, labels: tuple[str, ...], home: int, away: int) -> Path:
    """A manifest of noise: an image a patient, labels that come in turns."""
    lines = [",".join(("image", "patient_id", "site", "domain", "sex", "age", "view", *labels))]
    for number in range(home + away):
        domain = "in_distribution" if number < home else "shifted"
        _write_noise(root / f"images/{number}.png", number)
        values = [str((number >> place) % 2) for place in range(len(labels))]
        facts = [f"images/{number}.png", f"p{number}", domain[:4], domain, "FM"[number % 3 > 0]]
        lines.append(",".join([*facts, str(20 + number % 60), ("AP", "PA")[number % 2], *values]))
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(scope="session")
def films(tmp_path_factory) -> Path:
    """Films with one finding, enough for every check of the data: /data/cxr."""
    return _films(tmp_path_factory.mktemp("films"), ("pneumonia",), 240, 80)


@pytest.fixture(scope="session")
def findings(tmp_path_factory) -> Path:
    """Films with the findings of the preset `cxr`."""
    return _films(tmp_path_factory.mktemp("findings"), FINDINGS, 240, 60)


@pytest.fixture(scope="session")
def natural(tmp_path_factory) -> Path:
    """Pictures of ten classes: /data/cifar10."""
    root = tmp_path_factory.mktemp("natural")
    lines = ["image,patient_id,class,split"]
    for number, (name, split) in enumerate(
        itertools.product(CLASSES, ["train"] * 8 + ["test"] * 2)
    ):
        _write_noise(root / f"images/{number}.png", number, "RGB")
        lines.append(f"images/{number}.png,p{number},{name},{split}")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def records(tmp_path, write_examples) -> Path:
    """tf.Examples with the keys that the README maps: /data/records."""
    from tests.components.image_example_gen.sources.made_formats import encoded_png

    root = tmp_path / "records"
    for split, seed in (("train", 0), ("test", 100)):
        made = [
            {
                "image/encoded": encoded_png(seed + number),
                "subject": f"{split}{number // 2}".encode(),
                "image/class/label": number % 2,
            }
            for number in range(16)
        ]
        write_examples(root / f"{split}-00000.tfrecord", made)
    return root
