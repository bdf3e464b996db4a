"""Runs in .setup/peer (JAX): our own backbone on Keras' JAX backend, on given weights and images.

Called by parity.py; also times the forward pass on whatever device JAX finds.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import jax
import numpy as np

from trainer_modules.backbone import build_backbone
from trainer_modules.initialization import initialize
from trainer_modules.ntxent import nt_xent
from trainer_modules.settings import InitSettings, ModelSettings


def main() -> None:
    """Writes features and the NT-Xent loss of the first half of the batch against the second."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("weights", "images", "out"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--depth", type=int, default=50)
    parser.add_argument("--width", type=int, default=1)
    args = parser.parse_args()
    backbone = build_backbone(ModelSettings(depth=args.depth, width=args.width))
    initialize(backbone, InitSettings(source="bit_npz", path=args.weights))
    images = np.load(args.images)["images"]
    forward = jax.jit(
        lambda variables, images: backbone.stateless_call(variables, [], images, training=True)[0]
    )
    variables = [variable.value for variable in backbone.trainable_variables]
    features = forward(variables, images)
    start = time.perf_counter()
    forward(variables, images).block_until_ready()
    seconds = time.perf_counter() - start
    half = len(images) // 2
    loss = nt_xent(features[:half], features[half:], 0.5)[0]
    np.savez(args.out, features=np.array(features), loss=np.array(loss))
    print(json.dumps({"device": str(jax.devices()[0]), "images_per_second": len(images) / seconds}))


if __name__ == "__main__":
    main()
