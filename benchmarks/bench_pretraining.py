"""SimCLR steps of BiT R50x1 at 224 px with the real input pipeline: waiting time and peak memory.

    .venv/bin/python benchmarks/bench_pretraining.py [--batch 512 --micro-batch 16]

Synthetic JPEG files of 320 px are decoded and augmented (default settings, two views each) during
training, as in a run. `waited` is the time that a step waits for its batch; the pipeline's fraction
is of all CPU time. Memory is that of the process, including imports.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.bench_augmentation import VIEW, synthetic_jpegs
from trainer_modules.training.tensorflow_start import import_tensorflow, prefer_onednn

MEMORY_LIMIT = 12 << 30
_PIPELINE_BATCHES = 8


def batches(images: int):
    """Endless batches of positive pairs, from records in memory, as for small data sets."""
    import tensorflow as tf

    from schemas import features
    from trainer_modules.input import batches as input_batches
    from trainer_modules.input import records
    from trainer_modules.settings import AugmentSettings, TaskSettings

    examples = []
    for jpeg in synthetic_jpegs():
        example = tf.train.Example()
        example.features.feature[features.IMAGE_ENCODED].bytes_list.value.append(jpeg)
        examples.append(example.SerializeToString())
    source = records.Records(
        files=(),
        task=TaskSettings(kind="binary", labels=["none"]),
        count=len(examples),
        bytes_per_record=len(examples[0]),
        cached=tf.constant(examples),
    )
    epochs = range(1000)
    return input_batches.pretraining_batches(source, AugmentSettings(), VIEW, images, 0, epochs)


def pretraining_model(images: int, micro_batch: int):
    """What the Pretrainer trains, with its defaults except for the batch."""
    import keras

    from trainer_modules.backbones import registry
    from trainer_modules.contrastive import projection
    from trainer_modules.pretrain import SimClr
    from trainer_modules.settings import ModelSettings, PretrainSettings
    from trainer_modules.training import optimizers, precision, stage

    model, settings = ModelSettings(depth=50), PretrainSettings()
    policy = precision.resolve("auto", model, [], precision.machine_cpu_flags())
    keras.config.set_dtype_policy(policy)
    encoder = registry.build_backbone(model)
    head = projection.build_projection_head(
        encoder.output_shape[-1], settings.projection_layers, settings.projection_dim
    )
    network = SimClr(encoder, head, settings.temperature, micro_batch)
    network.compile(
        optimizers.build_optimizer(settings.optimizer, images, 1000, settings.epochs),
        jit_compile=stage.JIT_COMPILE,
    )
    return network, policy


def measure(images: int, micro_batch: int, steps: int) -> dict[str, float]:
    """Seconds per step, seconds of waiting for its batch, and CPU seconds of both."""
    network, policy = pretraining_model(images, micro_batch)
    stream = iter(batches(images))
    network.train_on_batch(next(stream))
    waited, elapsed, processor = [], time.perf_counter(), time.process_time()
    for _ in range(steps):
        asked = time.perf_counter()
        views = next(stream)
        waited.append(time.perf_counter() - asked)
        network.train_on_batch(views)
    elapsed = (time.perf_counter() - elapsed) / steps
    processor = (time.process_time() - processor) / steps
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    alone = time.process_time()
    for _ in range(_PIPELINE_BATCHES):
        next(stream)
    alone = (time.process_time() - alone) / _PIPELINE_BATCHES
    return {
        "policy": policy,
        "step": elapsed,
        "waited": sum(waited) / steps,
        "pipeline_share": alone / processor,
        "peak": peak,
    }


def main() -> int:
    """Prints the table; exit status 1 if memory exceeds the limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=32, help="images, two views of each")
    parser.add_argument("--micro-batch", type=int, default=0, help="as pretrain.micro_batch")
    parser.add_argument("--steps", type=int, default=1)
    args = parser.parse_args()
    prefer_onednn()
    import_tensorflow()
    found = measure(args.batch, args.micro_batch, args.steps)
    print(
        f"BiT R50x1, {found['policy']}, {VIEW} px, {args.batch} examples (two views each) a step, "
        f"in micro-batches of {args.micro_batch or args.batch}, LARS, {args.steps} timed"
    )
    print(f"step                               {found['step']:8.2f} s")
    print(f"views/s                            {2 * args.batch / found['step']:8.2f}")
    print(f"waited for a batch                 {1000 * found['waited']:8.2f} ms per step")
    print(f"                                   {found['waited'] / found['step']:8.2%} of the step")
    print(f"pipeline's fraction of CPU time    {found['pipeline_share']:8.2%}")
    print(f"peak memory                        {found['peak'] / 2**30:8.2f} GiB")
    return 1 if found["peak"] > MEMORY_LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())
