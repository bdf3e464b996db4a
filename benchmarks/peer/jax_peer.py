"""Runs in .setup/peer (JAX): our own backbone on Keras' JAX backend, on the device that JAX finds.

parity.py calls `features`. `speed` times training steps, for example on a GPU:

    .setup/peer/bin/pip install "jax[cuda12]==0.10.2"
    .setup/peer/bin/python benchmarks/peer/jax_peer.py speed --depth 50 --batch 256 \
        --precision bf16 --peak-tflops 989
    .setup/peer/bin/python benchmarks/peer/jax_peer.py speed --depth 152 --width 2 --batch 64 \
        --precision bf16 --peak-tflops 989
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
import jax.numpy as jnp
import keras
import numpy as np

from trainer_modules.backbones.registry import build_backbone
from trainer_modules.contrastive.ntxent import nt_xent
from trainer_modules.settings import InitSettings, ModelSettings
from trainer_modules.weights.initialization import initialize


def features(args: argparse.Namespace) -> None:
    """Writes features and the NT-Xent loss of the first half of the batch against the second."""
    backbone = build_backbone(ModelSettings(depth=args.depth, width=args.width))
    initialize(backbone, InitSettings(source="bit_npz", path=args.weights))
    images = np.load(args.images)["images"]
    found = jax.jit(lambda weights, images: _apply(backbone, weights, images))(
        _weights(backbone), images
    )
    half = len(images) // 2
    loss = nt_xent(found[:half], found[half:], 0.5)[0]
    np.savez(args.out, features=np.array(found), loss=np.array(loss))
    print(json.dumps({"device": str(jax.devices()[0])}))


def speed(args: argparse.Namespace) -> None:
    """Prints JSON: images per second of SGD steps, and their fraction of the device's peak."""
    if args.precision == "bf16":
        keras.config.set_dtype_policy("mixed_bfloat16")
    model = ModelSettings(depth=args.depth, width=args.width)
    backbone = build_backbone(model)
    rng = np.random.default_rng(0)
    images = jnp.array(rng.random((args.batch, args.size, args.size, 3)), "float32")
    labels = jnp.array(rng.integers(0, 10, args.batch))
    head = jnp.zeros((backbone.output_shape[-1], 10))

    def loss(weights, images, labels):
        logits = _apply(backbone, weights[:-1], images) @ weights[-1]
        return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(args.batch), labels])

    def train(weights, velocities, images, labels):
        gradients = jax.grad(loss)(weights, images, labels)
        velocities = [0.9 * v + g for v, g in zip(velocities, gradients, strict=True)]
        return [w - 0.003 * v for w, v in zip(weights, velocities, strict=True)], velocities

    weights = [*_weights(backbone), head]
    state = (weights, [jnp.zeros_like(weight) for weight in weights])
    lowered = jax.jit(train, donate_argnums=(0, 1)).lower(*state, images, labels)
    step = lowered.compile()
    state = jax.block_until_ready(step(*state, images, labels))
    start = time.perf_counter()
    for _ in range(args.steps):
        state = step(*state, images, labels)
    jax.block_until_ready(state)
    seconds = (time.perf_counter() - start) / args.steps
    # Counted before compilation: compiled programs call libraries whose operations are not counted.
    operations = lowered.cost_analysis()["flops"]
    found = {
        "device": str(jax.devices()[0]),
        "images_per_second": args.batch / seconds,
        "gflop_per_image": operations / args.batch / 1e9,
        "tflops": operations / seconds / 1e12,
    }
    if args.peak_tflops:
        found["share_of_peak"] = found["tflops"] / args.peak_tflops
    print(json.dumps(found))


def _weights(backbone: keras.Model) -> list[jax.Array]:
    # Copies, because the first training step donates its buffers.
    return [jnp.array(variable.value) for variable in backbone.trainable_variables]


def _apply(backbone: keras.Model, weights: list[jax.Array], images: jax.Array) -> jax.Array:
    return backbone.stateless_call(weights, [], images, training=True)[0]


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("features")
    for name in ("weights", "images", "out"):
        one.add_argument(f"--{name}", required=True)
    two = commands.add_parser("speed")
    for name, default in (("batch", 16), ("size", 224), ("steps", 10)):
        two.add_argument(f"--{name}", type=int, default=default)
    two.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    two.add_argument("--peak-tflops", type=float, help="peak of the device's matrix units")
    for each, run in ((one, features), (two, speed)):
        each.add_argument("--depth", type=int, default=50)
        each.add_argument("--width", type=int, default=1)
        each.set_defaults(run=run)
    return parser


if __name__ == "__main__":
    arguments = parser().parse_args()
    arguments.run(arguments)
