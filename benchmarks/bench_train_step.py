"""Training step and forward pass of BiT R50x1, ours and timm's under PyTorch, on this CPU.

    .venv/bin/python benchmarks/bench_train_step.py

Both sides stay loaded, each in its own process, and take turns; the table shows each side's best
step and the ratio ours / timm, by elapsed time and by CPU time, which other work on the machine
disturbs less. `--precision auto` compares what the setting `auto` means on this CPU with PyTorch's
bfloat16 autocast; the exported encoder then uses the same precision.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import peers
from benchmarks.peer import timing
from schemas.documents.cards import FirstWeights, NotTrained
from trainer_modules.settings import ModelSettings
from trainer_modules.training import precision
from trainer_modules.training.tensorflow_start import import_tensorflow, prefer_onednn

MODEL = ModelSettings(depth=50)
POLICIES = {"fp32": precision.FULL, "bf16": precision.MIXED}


def serve_ours(args: argparse.Namespace) -> None:
    """Serves training steps, and forward passes of the exported encoder, on request."""
    prefer_onednn()
    import_tensorflow()
    import tempfile

    import keras
    import numpy as np
    import tensorflow as tf

    from trainer_modules import export
    from trainer_modules.backbones.registry import build_backbone

    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    tf.config.threading.set_inter_op_parallelism_threads(args.threads)
    keras.config.set_dtype_policy(POLICIES[args.precision])
    backbone = build_backbone(MODEL)
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
    with tempfile.TemporaryDirectory() as folder:
        served = MODEL.model_copy(update={"serving_precision": POLICIES[args.precision]})
        card = export.encoder_card(
            backbone, served, NotTrained(initialised=FirstWeights(source="random"))
        )
        export.export_encoder(export.serving_network(backbone, served), Path(folder), card)
        encoder = tf.saved_model.load(folder)
    timing.serve(
        {
            "train": lambda: model.train_on_batch(images, labels),
            "forward": lambda: encoder(images).numpy(),
        }
    )


def compare(args: argparse.Namespace, ours: str, theirs: str) -> None:
    """Prints the lines for one pair of precisions."""
    sizes = ["--batch", args.batch, "--size", args.size, "--threads", args.threads]
    sizes = [str(each) for each in sizes]
    own = [sys.executable, __file__, "--serve", "--precision", ours, *sizes]
    other = peers.command("timm_peer.py", "speed", "--precision", theirs, *sizes)
    with timing.served(own, args.threads) as us, timing.served(other, args.threads) as them:
        for what in ("train", "forward"):
            us(what), them(what)  # compiled, memory in place
            rounds = [(us(what), them(what)) for _ in range(args.rounds)]
            for clock in ("elapsed", "processor"):
                speeds = [args.batch / min(one[side][clock] for one in rounds) for side in (0, 1)]
                _print_line(f"{what}, {clock}", ours, theirs, speeds)
        peaks = [side["peak_bytes"] / 2**30 for side in rounds[-1]]
        _print_line("peak memory, GiB", ours, theirs, peaks)


def _print_line(what: str, ours: str, theirs: str, figures: list[float]) -> None:
    """Prints the value of each side, and the ratio."""
    ratio = figures[0] / figures[1]
    print(
        f"{what:20}{ours:>6}{figures[0]:8.2f}{theirs:>8}{figures[1]:8.2f}{ratio:8.2f}", flush=True
    )


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("batch", 16), ("size", 224), ("rounds", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--precision", choices=("fp32", "bf16", "auto"), nargs="*")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        args.precision = args.precision[0]
        serve_ours(args)
        return 0
    if not peers.available():
        return 0
    best = precision.resolve("auto", MODEL, [], precision.machine_cpu_flags())
    best = next(name for name, policy in POLICIES.items() if policy == best)
    # Without bfloat16 units PyTorch's autocast is only slower: then only on request.
    wanted = args.precision or (["fp32"] if best == "fp32" else ["fp32", "auto"])
    print(f"BiT R50x1, {args.size} px, batch {args.batch}, {args.threads} threads; images/s of")
    print(f"{'':20}{'ours':>14}{'timm':>16}{'ratio':>8}")
    for name in wanted:
        compare(args, *((best, "bf16") if name == "auto" else (name, name)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
