"""Train step and forward pass of BiT R50x1 here and in timm under PyTorch, on this CPU.

    .venv/bin/python benchmarks/bench_train_step.py

Each side runs in a process of its own, one after the other, several rounds; the table gives each
side's best round, and the ratio ours / timm. `--threads 1 --cpu-time` compares processor time on
one core, which a busy machine disturbs less than elapsed time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PEER = REPOSITORY / "benchmarks/peer"
PEER_PYTHON = REPOSITORY / ".setup/peer/bin/python"


def measure_ours(args: argparse.Namespace) -> dict[str, float]:
    """Images per second of one train step and of the exported encoder's forward pass."""
    import keras
    import numpy as np
    import tensorflow as tf

    from trainer_modules.backbone import build_backbone
    from trainer_modules.settings import ModelSettings

    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    tf.config.threading.set_inter_op_parallelism_threads(args.threads)
    if args.precision == "bf16":
        keras.config.set_dtype_policy("mixed_bfloat16")
    backbone = build_backbone(ModelSettings(depth=50, image_size=args.size))
    head = keras.layers.Dense(10, dtype="float32")(backbone.output)
    model = keras.Model(backbone.input, head)
    model.compile(
        keras.optimizers.SGD(0.003, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    rng = np.random.default_rng(0)
    images = tf.constant(rng.random((args.batch, args.size, args.size, 3)), tf.float32)
    labels = tf.constant(rng.integers(0, 10, args.batch))
    forward = tf.function(lambda images: backbone(images, training=False))
    clock = time.process_time if args.cpu_time else time.perf_counter
    found = {}
    for name, step in (
        ("train", lambda: model.train_on_batch(images, labels)),
        ("forward", lambda: forward(images).numpy()),
    ):
        step()
        seconds = []
        for _ in range(args.steps):
            start = clock()
            step()
            seconds.append(clock() - start)
        found[name] = args.batch / sorted(seconds)[len(seconds) // 2]
    return found


def run(command: list[str], threads: int) -> dict[str, float]:
    """Runs one side and reads the JSON in its last line."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return json.loads(done.stdout.strip().splitlines()[-1])


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("batch", 16), ("size", 224), ("steps", 3), ("rounds", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--cpu-time", action="store_true")
    parser.add_argument("--precision", choices=("fp32", "bf16"), nargs="*")
    parser.add_argument("--ours", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.ours:
        args.precision = args.precision[0]
        print(json.dumps(measure_ours(args)))
        return 0
    subprocess.run([str(PEER / "setup_peer.sh")], check=True)
    shared = ["--batch", args.batch, "--size", args.size, "--steps", args.steps]
    shared = [str(each) for each in (*shared, "--threads", args.threads)]
    shared += ["--cpu-time"] if args.cpu_time else []
    print(f"BiT R50x1, {args.size} px, batch {args.batch}, {args.threads} threads; images/s")
    print(f"{'':14}{'ours':>8}{'timm':>8}{'ratio':>8}")
    for precision in args.precision or ("fp32", "bf16"):
        end = [*shared, "--precision", precision]
        commands = (
            [sys.executable, __file__, "--ours", *end],
            [str(PEER_PYTHON), str(PEER / "timm_peer.py"), "speed", *end],
        )
        rounds = [[run(each, args.threads) for each in commands] for _ in range(args.rounds)]
        for what in ("train", "forward"):
            ours, theirs = (max(one[side][what] for one in rounds) for side in (0, 1))
            print(f"{precision} {what:9}{ours:8.2f}{theirs:8.2f}{ours / theirs:8.2f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(REPOSITORY))
    sys.exit(main())
