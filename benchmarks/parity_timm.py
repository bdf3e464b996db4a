"""Compares our BiT with timm's, number by number, on random weights in the released layout.

    benchmarks/peer/setup_peer.sh && .venv/bin/python benchmarks/parity_timm.py --depth 50 --width 1

The released weights cannot be downloaded everywhere; a file with the same names, shapes and dtype
can be written anywhere, and both sides read it with the code that reads the released ones.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
PEER_PYTHON = REPOSITORY / ".setup/peer/bin/python"
TOLERANCE = 1e-4


def write_released_layout(path: Path, shapes: dict[str, tuple[int, ...]], width: int) -> None:
    """Writes random weights as a BiT-S file with a 1000-class head; the values look trained."""
    rng = np.random.default_rng(0)

    def values(key: str, shape: tuple[int, ...]) -> np.ndarray:
        centre, spread = {"gamma": (1.0, 0.2), "beta": (0.0, 0.2)}.get(
            key.rsplit("/", 1)[1], (0.01, 0.05)
        )
        return (centre + spread * rng.standard_normal(shape)).astype("float32")

    arrays = {f"resnet/{key}": values(key, shape) for key, shape in shapes.items()}
    arrays["resnet/head/conv2d/kernel"] = np.zeros((1, 1, width, 1000), "float32")
    arrays["resnet/head/conv2d/bias"] = np.zeros(1000, "float32")
    np.savez(path, **arrays)


def compare(depth: int, width: int, side: int = 96, batch: int = 2) -> dict[str, object]:
    """Features of both sides on one batch.

    Returns:
        Model, number of arrays in the file, and the relative error: the largest difference of any
        feature over the largest feature.
    """
    from trainer_modules.backbone import build_backbone, feature_dim
    from trainer_modules.initialization import initialize
    from trainer_modules.settings import InitSettings, ModelSettings

    model = ModelSettings(depth=depth, width=width)
    backbone = build_backbone(model)
    images = np.random.default_rng(1).random((batch, side, side, 3)).astype("float32")
    peer_model = f"resnetv2_{depth}x{width}_bit"
    with tempfile.TemporaryDirectory() as folder:
        weights, batch_file, out = (
            Path(folder, name) for name in ("weights.npz", "images.npz", "features.npz")
        )
        shapes = {weight.path: tuple(weight.shape) for weight in backbone.weights}
        write_released_layout(weights, shapes, feature_dim(model))
        np.savez(batch_file, images=images * 2 - 1)
        peer = [str(PEER_PYTHON), str(REPOSITORY / "benchmarks/peer/timm_peer.py"), "features"]
        peer += ["--model", peer_model, "--weights", str(weights)]
        subprocess.run([*peer, "--images", str(batch_file), "--out", str(out)], check=True)
        initialize(backbone, InitSettings(source="bit_npz", path=str(weights)))
        theirs = np.load(out)["features"]
    ours = np.array(backbone(images))
    error = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
    return {"model": peer_model, "arrays": len(shapes) + 2, "relative_error": error}


def main() -> int:
    """Prints one JSON line; exit status 1 where the error is too large."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--depth", type=int, default=50)
    parser.add_argument("--width", type=int, default=1)
    args = parser.parse_args()
    if not PEER_PYTHON.exists():
        print("no .setup/peer: run benchmarks/peer/setup_peer.sh first", file=sys.stderr)
        return 2
    found = compare(args.depth, args.width)
    print(json.dumps(found))
    return 0 if found["relative_error"] <= TOLERANCE else 1


if __name__ == "__main__":
    sys.path.insert(0, str(REPOSITORY))
    sys.exit(main())
