"""Whether training in bfloat16 pays off on this machine."""

from __future__ import annotations

import pathlib

from trainer_modules.settings import ModelSettings

MIXED = "mixed_bfloat16"
FULL = "float32"
_CPU_FLAGS = frozenset({"amx_bf16", "avx512_bf16"})
_MIN_WIDTH = 64
_MIN_COMPUTE_CAPABILITY = (8, 0)


def resolve(
    setting: str,
    model: ModelSettings,
    gpu_capabilities: list[tuple[int, int]],
    cpu_flags: frozenset[str],
) -> str:
    """Resolves a precision setting to a dtype policy.

    `auto` is bfloat16 on GPUs that multiply it natively (from Ampere on), and on CPUs that do if
    the network is at least as wide as a published one. Narrow networks gain little, because
    products are a smaller part of their work (docs/speed.md), and keep the precision of float32.
    """
    if setting != "auto":
        return setting
    if gpu_capabilities:
        return MIXED if min(gpu_capabilities) >= _MIN_COMPUTE_CAPABILITY else FULL
    wide = model.root_filters * model.width >= _MIN_WIDTH
    return MIXED if wide and cpu_flags & _CPU_FLAGS else FULL


def machine_gpu_capabilities() -> list[tuple[int, int]]:
    """Compute capability of every visible GPU."""
    import tensorflow as tf

    details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
    return [tuple(detail.get("compute_capability", (0, 0))) for detail in details]


def machine_cpu_flags() -> frozenset[str]:
    """Instruction-set flags of this machine's first core; empty if Linux does not list them."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(flags.partition(":")[2].split())
