"""Loads an exported model and calls it, as a script in its own process.

Imports nothing from this repository, so a model that needs it does not load:

    python -I serve_alone.py MODEL_DIR REQUESTS_DIR ANSWER_JSON

REQUESTS_DIR holds a file N.image for each image, and N.example where a tf.Example is called too.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import tensorflow as tf

TIMED_CALLS = 15
REFUSED = "image/refused"


def main(model_dir: str, requests_dir: str, answer: str) -> None:
    """Calls the signatures on each request alone, and writes outputs and milliseconds."""
    started = time.perf_counter()
    model = tf.saved_model.load(model_dir)
    serve = model.signatures["serving_default"]
    load_seconds = time.perf_counter() - started
    files = sorted(Path(requests_dir).glob("*.image"))
    calls = [tf.constant([file.read_bytes()]) for file in files]
    outputs = [dict(serve(images=call)) for call in calls]  # also warms up
    refused = [output.pop(REFUSED, None) for output in outputs]
    reasons = ["" if why is None else bytes(tf.reshape(why, [-1])[0].numpy()) for why in refused]
    examples = sorted(Path(requests_dir).glob("*.example"))
    stored = [
        model.signatures["tf_examples"](examples=tf.constant([file.read_bytes()]))
        for file in examples
    ]
    milliseconds = []
    for index in range(TIMED_CALLS):
        started = time.perf_counter()
        for tensor in serve(images=calls[index % len(calls)]).values():
            tensor.numpy()
        milliseconds.append((time.perf_counter() - started) * 1000)
    Path(answer).write_text(
        json.dumps(
            {
                "outputs": numbers(outputs),
                "sizes": {name: int(tf.size(value)) for name, value in outputs[0].items()},
                "refused": [why.decode() if isinstance(why, bytes) else why for why in reasons],
                "stored": numbers(stored),
                "latency_ms": statistics.median(milliseconds),
                "load_seconds": load_seconds,
            }
        )
    )


def numbers(outputs: list[dict[str, tf.Tensor]]) -> dict[str, list[float]]:
    """The first number of each output, by its name."""
    names = sorted(outputs[0]) if outputs else []
    return {name: [float(tf.reshape(one[name], [-1])[0]) for one in outputs] for name in names}


if __name__ == "__main__":
    main(*sys.argv[1:])
