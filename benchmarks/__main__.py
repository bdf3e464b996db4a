"""Runs all `bench_*.py` of this folder, or those named, and prints one line about the machine.

    .venv/bin/python -m benchmarks [train_step augmentation ...]

A benchmark that fails does not stop the next ones; the exit status is then 1.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import machine
from trainer_modules.training.tensorflow_start import prefer_onednn

FOLDER = Path(__file__).parent


def main() -> int:
    """Runs them one after the other."""
    benches = {path.stem.removeprefix("bench_"): path for path in sorted(FOLDER.glob("bench_*.py"))}
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.splitlines()[0]
    )
    parser.add_argument("name", nargs="*", help=f"{', '.join(benches)}; default: all")
    names = parser.parse_args().name or list(benches)
    unknown = sorted(set(names) - set(benches))
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; accepted: {', '.join(benches)}")
    prefer_onednn()  # as the runners do
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    print(machine.describe(), flush=True)
    failed = []
    began = time.monotonic()
    for name in names:
        print(f"\n== {name}", flush=True)
        started = time.monotonic()
        if subprocess.run([sys.executable, str(benches[name])], check=False).returncode:
            failed.append(name)
        print(f"({time.monotonic() - started:.0f} s)", flush=True)
    print(f"\ntotal: {time.monotonic() - began:.0f} s")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
