"""Loads an exported model and calls it, as a script in its own process.

Imports nothing from this repository, so a model that needs it does not load:

    python -I serve_alone.py MODEL_DIR IMAGES_DIR ANSWER_JSON
"""

import json
import statistics
import sys
import time
from pathlib import Path

import tensorflow as tf

TIMED_CALLS = 15


def main(model_dir: str, images_dir: str, answer: str) -> None:
    """Calls `serving_default` on each image alone, and writes outputs and milliseconds."""
    started = time.perf_counter()
    model = tf.saved_model.load(model_dir)
    serve = model.signatures["serving_default"]
    load_seconds = time.perf_counter() - started
    images = [path.read_bytes() for path in sorted(Path(images_dir).iterdir())]
    calls = [tf.constant([image]) for image in images]
    outputs = [serve(images=call) for call in calls]  # also warms up
    milliseconds = []
    for index in range(TIMED_CALLS):
        started = time.perf_counter()
        for tensor in serve(images=calls[index % len(calls)]).values():
            tensor.numpy()
        milliseconds.append((time.perf_counter() - started) * 1000)
    names = sorted(outputs[0])
    Path(answer).write_text(
        json.dumps(
            {
                "outputs": {
                    name: [float(tf.reshape(one[name], [-1])[0]) for one in outputs]
                    for name in names
                },
                "sizes": {name: int(tf.size(outputs[0][name])) for name in names},
                "latency_ms": statistics.median(milliseconds),
                "load_seconds": load_seconds,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
