"""Runs our BiT and NT-Xent on Keras' JAX backend and compares with TensorFlow, number by number.

benchmarks/peer/setup_peer.sh && .venv/bin/python benchmarks/parity_jax.py --depth 50 --width 1
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


def compare(depth: int, width: int, side: int = 64, batch: int = 4) -> dict[str, object]:
    """Relative error of the features and of the loss, and what the JAX side printed."""
    from benchmarks.parity_timm import write_released_layout
    from trainer_modules.backbone import build_backbone, feature_dim
    from trainer_modules.initialization import initialize
    from trainer_modules.ntxent import nt_xent
    from trainer_modules.settings import InitSettings, ModelSettings

    model = ModelSettings(depth=depth, width=width)
    backbone = build_backbone(model)
    images = np.random.default_rng(1).random((batch, side, side, 3)).astype("float32")
    with tempfile.TemporaryDirectory() as folder:
        weights, batch_file, out = (
            Path(folder, name) for name in ("weights.npz", "images.npz", "features.npz")
        )
        shapes = {weight.path: tuple(weight.shape) for weight in backbone.weights}
        write_released_layout(weights, shapes, feature_dim(model))
        np.savez(batch_file, images=images)
        command = [str(PEER_PYTHON), str(REPOSITORY / "benchmarks/peer/jax_peer.py")]
        command += ["--weights", str(weights), "--images", str(batch_file), "--out", str(out)]
        command += ["--depth", str(depth), "--width", str(width)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        initialize(backbone, InitSettings(source="bit_npz", path=str(weights)))
        theirs = dict(np.load(out))
    ours = np.array(backbone(images))
    loss = float(nt_xent(ours[: batch // 2], ours[batch // 2 :], 0.5)[0])
    difference = np.abs(ours - theirs["features"]).max() / np.abs(ours).max()
    return {
        "relative_error": float(difference),
        "relative_error_of_loss": abs(loss - float(theirs["loss"])) / abs(loss),
        **json.loads(done.stdout.splitlines()[-1]),
    }


def main() -> int:
    """Prints one JSON line; exit status 1 where an error is too large."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--depth", type=int, default=50)
    parser.add_argument("--width", type=int, default=1)
    args = parser.parse_args()
    if not PEER_PYTHON.exists():
        print("no .setup/peer: run benchmarks/peer/setup_peer.sh first", file=sys.stderr)
        return 2
    found = compare(args.depth, args.width)
    print(json.dumps(found))
    return 0 if max(found["relative_error"], found["relative_error_of_loss"]) <= TOLERANCE else 1


if __name__ == "__main__":
    sys.path.insert(0, str(REPOSITORY))
    sys.exit(main())
