"""Compares the outputs of our BiT and of a peer on random weights in the released layout.

    .venv/bin/python benchmarks/parity.py timm --depth 152 --width 2
    .venv/bin/python benchmarks/parity.py jax

`timm` is another implementation; `jax` is our own code, with NT-Xent, on Keras' JAX backend. The
released weights can't be downloaded everywhere, but a file with the same names, shapes and dtype
can be written anywhere; both sides read it with the code that reads the released files.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import peers

TOLERANCE = 1e-4
# Side of the images; averages over larger images would hide larger errors.
_SIDE, _BATCH = 96, 4


def compare(peer: str, depth: int, width: int) -> dict[str, Any]:
    """Features of both sides on one batch.

    Args:
        peer: "timm" or "jax".
        depth: Depth of the network.
        width: Width of the network.

    Returns:
        Model, number of arrays in the file, what the peer printed, and the relative error: the
        largest difference of any feature over the largest feature (timm computes in float64, JAX in
        float32 as we do); with "jax" also the error of the loss.
    """
    from trainer_modules.backbones.registry import build_backbone
    from trainer_modules.contrastive.ntxent import nt_xent
    from trainer_modules.settings import InitSettings, ModelSettings
    from trainer_modules.weights.initialization import initialize

    model = ModelSettings(depth=depth, width=width)
    backbone = build_backbone(model)
    images = np.random.default_rng(1).random((_BATCH, _SIDE, _SIDE, 3)).astype("float32")
    with tempfile.TemporaryDirectory() as folder:
        weights, batch, out = (Path(folder, f"{name}.npz") for name in ("weights", "images", "out"))
        shapes = {weight.path: tuple(weight.shape) for weight in backbone.weights}
        _write_released_layout(weights, shapes, backbone.output_shape[-1])
        np.savez(batch, images=images)
        printed = _run_peer(peer, depth, width, weights, batch, out)
        initialize(backbone, InitSettings(source="bit_npz", path=str(weights)))
        theirs = dict(np.load(out))
    ours = np.array(backbone(images))
    found = {
        "model": f"resnetv2_{depth}x{width}_bit",
        "arrays": len(shapes) + 2,
        "relative_error": float(np.abs(ours - theirs["features"]).max() / np.abs(ours).max()),
        **printed,
    }
    if "loss" in theirs:
        half = _BATCH // 2
        loss = float(nt_xent(ours[:half], ours[half:], 0.5)[0])
        found["relative_error_of_loss"] = abs(loss - float(theirs["loss"])) / abs(loss)
    return found


def _run_peer(
    peer: str, depth: int, width: int, weights: Path, images: Path, out: Path
) -> dict[str, object]:
    files = ("--weights", weights, "--images", images, "--out", out)
    if peer == "timm":
        model = f"resnetv2_{depth}x{width}_bit"
        command = peers.command("timm_peer.py", "features", "--model", model, *files)
    else:
        command = peers.command(
            "jax_peer.py", "features", "--depth", depth, "--width", width, *files
        )
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}


def _write_released_layout(path: Path, shapes: dict[str, tuple[int, ...]], width: int) -> None:
    """Writes random weights of trained magnitude as a BiT-S file with a 1000-class head."""
    rng = np.random.default_rng(0)

    def values(key: str, shape: tuple[int, ...]) -> np.ndarray:
        center, spread = {"gamma": (1.0, 0.2), "beta": (0.0, 0.2)}.get(
            key.rsplit("/", 1)[1], (0.01, 0.05)
        )
        return (center + spread * rng.standard_normal(shape)).astype("float32")

    arrays = {f"resnet/{key}": values(key, shape) for key, shape in shapes.items()}
    arrays["resnet/head/conv2d/kernel"] = np.zeros((1, 1, width, 1000), "float32")
    arrays["resnet/head/conv2d/bias"] = np.zeros(1000, "float32")
    np.savez(path, allow_pickle=False, **arrays)


def main() -> int:
    """Prints one JSON line; exit status 1 if an error is too large, 2 without the peer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peer", choices=("timm", "jax"))
    parser.add_argument("--depth", type=int, default=50)
    parser.add_argument("--width", type=int, default=1)
    args = parser.parse_args()
    if not peers.available():
        return 2
    found = compare(args.peer, args.depth, args.width)
    print(json.dumps(found))
    errors = [value for key, value in found.items() if key.startswith("relative_error")]
    return 0 if max(errors) <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
