"""The peers' environment: PyTorch, timm and JAX, separate from the project's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent / "peer"
PYTHON = FOLDER.parents[1] / ".setup/peer/bin/python"


def available() -> bool:
    """Creates the environment if it is missing or outdated; prints why if that fails."""
    try:
        subprocess.run(
            [str(FOLDER / "setup_peer.sh")],
            check=True,
            env=os.environ | {"PYTHON": sys.executable, "PIP_RETRIES": "1"},
            stdout=sys.stderr,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"no peer environment, so no comparison: {error}", flush=True)
        return False
    return True


def command(script: str, *arguments: object) -> list[str]:
    """The command line of a script of `benchmarks/peer`."""
    return [str(PYTHON), str(FOLDER / script), *map(str, arguments)]
