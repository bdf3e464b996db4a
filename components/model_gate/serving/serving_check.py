"""Load-and-call check: does the exported model, alone in a clean process, serve what was judged?

It is called with files as users send them, where the data set has files. It replaces TFX's
InfraValidator, which requires a container engine and does not run on Kubeflow.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from components.image_example_gen.writing.tf_records import serialize_example
from components.model_gate.serving.baseline import folder_size
from schemas import features
from schemas.documents.document import Part
from schemas.documents.gate import Serving

TIMEOUT_SECONDS = 300
_PROBE = Path(__file__).with_name("serve_alone.py")
_TAIL_CHARACTERS = 600


@dataclasses.dataclass(frozen=True)
class Request:
    """An image with which the model is called.

    Attributes:
        image: What `serving_default` gets: a file as users send it, or an image as it is stored.
        stored: What ingestion makes of the file now, for `tf_examples`; empty for a stored image.
        kind: Format of the file; empty for a stored image.
    """

    image: bytes
    stored: bytes = b""
    kind: str = ""


class _Answer(Part):
    """What the other process writes: it imports nothing of ours, so the shape is stated here."""

    outputs: dict[str, list[float]]
    sizes: dict[str, int]
    refused: list[str]
    stored: dict[str, list[float]]
    latency_ms: float
    load_seconds: float


def check_serving(
    model_dir: str,
    requests: Sequence[Request],
    expected: Mapping[str, Sequence[float]],
    tolerance: float,
    note: str = "",
    timeout: float = TIMEOUT_SECONDS,
) -> Serving:
    """Calls the model in a clean process and compares with the judged predictions.

    `serving_default` may refuse a file. Then `predict` is the way to have it predicted, so what
    ingestion's code makes of every file goes through `tf_examples` as well.

    Args:
        model_dir: Folder of the exported model.
        requests: Images.
        expected: Judged values of those images by output: probabilities and decisions.
        tolerance: Largest accepted absolute difference of a probability.
        note: What the message says of the choice of images.
        timeout: Seconds after which the process is killed.

    Returns:
        The outcome; `ok=False` if the model crashes, hangs or returns something else.
    """
    size = folder_size(Path(model_dir))
    if not requests:
        message = "serving check: there are no test images"
        return Serving(ok=False, message=message, size_bytes=size)
    with tempfile.TemporaryDirectory(prefix="serving-check-") as folder:
        asked, answer = Path(folder, "requests"), Path(folder, "answer.json")
        _write(asked, requests)
        # -I: neither the environment nor the current folder can provide code to the model.
        command = [sys.executable, "-I", str(_PROBE), str(Path(model_dir).resolve())]
        try:
            done = subprocess.run(
                [*command, str(asked), str(answer)],
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
        return _compared(found, requests, expected, tolerance, size, note)


def _write(folder: Path, requests: Sequence[Request]) -> None:
    folder.mkdir()
    for index, request in enumerate(requests):
        (folder / f"{index:06d}.image").write_bytes(request.image)
        if request.stored:
            example = serialize_example({features.IMAGE_ENCODED: request.stored})
            (folder / f"{index:06d}.example").write_bytes(example)


def _compared(
    answer: _Answer,
    requests: Sequence[Request],
    expected: Mapping[str, Sequence[float]],
    tolerance: float,
    size: int,
    note: str,
) -> Serving:
    latency = answer.latency_ms
    if missing := sorted(set(expected) - set(answer.outputs)):
        message = f"serving check: outputs {missing} are missing from 'serving_default'"
        return Serving(ok=False, message=message, latency_ms=latency, size_bytes=size)
    if long := [name for name in expected if answer.sizes[name] != 1]:
        message = f"serving check: outputs {long} return more than one value per image"
        return Serving(ok=False, message=message, latency_ms=latency, size_bytes=size)
    served = np.array([not why for why in answer.refused])
    read = np.array([bool(request.stored) for request in requests])
    found = _Differences(expected)
    found.add(answer.outputs, served)
    found.add({name: _spread(values, read) for name, values in answer.stored.items()}, read)
    tried = bool((served | read).all())
    ok = tried and found.probability <= tolerance and not found.flipped  # False for NaN
    message = (
        f"serving check: the model served alone differs from the judged predictions by at most "
        f"{found.probability:.2g} on {_described(requests)}, "
        f"{'within' if found.probability <= tolerance else 'not within'} {tolerance:g}"
        f"{_flips(found.flipped, len(requests))}{_refusals(requests, answer.refused)}{note}; "
        f"{latency:.1f} ms per image, {size / 1e6:.1f} MB"
    )
    return Serving(
        ok=ok,
        message=message,
        latency_ms=latency,
        size_bytes=size,
        max_difference=found.probability,
    )


class _Differences:
    """Largest difference of a probability, and how many images have another decision."""

    def __init__(self, expected: Mapping[str, Sequence[float]]):
        self._expected = {name: np.array(values) for name, values in expected.items()}
        self._flips = np.zeros(len(next(iter(self._expected.values()))), bool)
        self.probability = 0.0

    @property
    def flipped(self) -> int:
        return int(self._flips.sum())

    def add(self, outputs: Mapping[str, Sequence[float] | np.ndarray], chosen: np.ndarray) -> None:
        """Compares the chosen images."""
        if not chosen.any():
            return
        for name, judged in self._expected.items():
            different = np.abs(np.array(outputs[name]) - judged)
            if name.startswith(features.decision("")):
                self._flips |= chosen & (different > 0)
            else:
                # Keeps NaN.
                self.probability = float(np.max([self.probability, different[chosen].max()]))


def _spread(values: Sequence[float], chosen: np.ndarray) -> np.ndarray:
    """Values of the chosen images at their places among all."""
    answer = np.full(len(chosen), np.nan)
    answer[chosen] = values
    return answer


def _described(requests: Sequence[Request]) -> str:
    kinds = Counter(request.kind for request in requests)
    if set(kinds) == {""}:
        return f"{len(requests)} stored images"
    shown = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
    return f"{len(requests)} original files ({shown})"


def _flips(flipped: int, images: int) -> str:
    return f"; {flipped} of {images} decisions differ" if flipped else ""


def _refusals(requests: Sequence[Request], refused: Sequence[str]) -> str:
    kinds = Counter(
        request.kind or "stored" for request, why in zip(requests, refused, strict=True) if why
    )
    if not kinds:
        return ""
    shown = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
    return f"; serving_default refuses {shown}, which predict serves"
