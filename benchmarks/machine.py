"""One line about the machine and the versions of a measurement."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

from trainer_modules.training.precision import machine_cpu_flags

_PACKAGES = ("tensorflow", "keras", "numpy", "tfx", "apache-beam")
# The widest vector instructions come last; matrix units and bfloat16 are named, too.
_VECTORS = ("avx", "avx2", "avx512f")
_EXTRAS = ("avx512_vnni", "avx512_bf16", "amx_bf16")


def describe() -> str:
    """Cores, processor, its vector and matrix units, memory, versions."""
    flags = machine_cpu_flags()
    widest = [name for name in _VECTORS if name in flags][-1:] or ["no AVX"]
    units = ", ".join(name.upper() for name in (*widest, *(e for e in _EXTRAS if e in flags)))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = [f"Python {platform.python_version()}"]
    versions += [f"{package} {importlib.metadata.version(package)}" for package in _PACKAGES]
    return (
        f"{os.cpu_count()} cores, {_processor()} ({units}), {memory:.0f} GiB; {', '.join(versions)}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
