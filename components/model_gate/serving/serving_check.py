"""Load-and-call check: does the exported model, alone in a clean process, serve what was judged?

It replaces TFX's InfraValidator, which requires a container engine and does not run on Kubeflow.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from components.model_gate.serving.baseline import folder_size
from schemas.documents.document import Part
from schemas.documents.gate import Serving

TIMEOUT_SECONDS = 300
_PROBE = Path(__file__).with_name("serve_alone.py")
_TAIL_CHARACTERS = 600


class _Answer(Part):
    """What the other process writes: it imports nothing of ours, so the shape is stated here."""

    outputs: dict[str, list[float]]
    sizes: dict[str, int]
    latency_ms: float
    load_seconds: float


def check_serving(
    model_dir: str,
    images: Sequence[bytes],
    expected: Mapping[str, Sequence[float]],
    tolerance: float,
    timeout: float = TIMEOUT_SECONDS,
) -> Serving:
    """Calls `serving_default` in a clean process and compares with the judged predictions.

    Args:
        model_dir: Folder of the exported model.
        images: Encoded images.
        expected: Judged probabilities of those images by target.
        tolerance: Largest accepted absolute difference.
        timeout: Seconds after which the process is killed.

    Returns:
        The outcome; `ok=False` if the model crashes, hangs or returns something else.
    """
    size = folder_size(Path(model_dir))
    if not images:
        message = "serving check: there are no test images"
        return Serving(ok=False, message=message, size_bytes=size)
    with tempfile.TemporaryDirectory(prefix="serving-check-") as folder:
        requests, answer = Path(folder, "images"), Path(folder, "answer.json")
        requests.mkdir()
        for index, image in enumerate(images):
            (requests / f"{index:06d}").write_bytes(image)
        # -I: neither the environment nor the current folder can provide code to the model.
        command = [sys.executable, "-I", str(_PROBE), str(Path(model_dir).resolve())]
        try:
            done = subprocess.run(
                [*command, str(requests), str(answer)],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            message = f"serving check: no answer within {timeout:g} s"
            return Serving(ok=False, message=message, size_bytes=size)
        if done.returncode or not answer.is_file():
            tail = done.stderr.strip()[-_TAIL_CHARACTERS:]
            message = f"serving check: the process ended with status {done.returncode}: {tail}"
            return Serving(ok=False, message=message, size_bytes=size)
        found = _Answer.model_validate_json(answer.read_text())
        return _compared(found, len(images), expected, tolerance, size)


def _compared(
    answer: _Answer,
    images: int,
    expected: Mapping[str, Sequence[float]],
    tolerance: float,
    size: int,
) -> Serving:
    latency = answer.latency_ms
    if missing := sorted(set(expected) - set(answer.outputs)):
        message = f"serving check: outputs {missing} are missing from 'serving_default'"
        return Serving(ok=False, message=message, latency_ms=latency, size_bytes=size)
    if long := [name for name in expected if answer.sizes[name] != 1]:
        message = f"serving check: outputs {long} return more than one value per image"
        return Serving(ok=False, message=message, latency_ms=latency, size_bytes=size)
    difference = max(
        float(np.max(np.abs(np.subtract(answer.outputs[target], values))))
        for target, values in expected.items()
    )
    ok = difference <= tolerance  # False for NaN
    relation = "within" if ok else "not within"
    message = (
        f"serving check: the model served alone differs from the judged predictions by at most "
        f"{difference:.2g} on {images} images, {relation} {tolerance:g}; {latency:.1f} ms "
        f"per image, {size / 1e6:.1f} MB"
    )
    return Serving(
        ok=ok,
        message=message,
        latency_ms=latency,
        size_bytes=size,
        max_difference=difference,
    )
