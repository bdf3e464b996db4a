"""What is written without TensorFlow is what TensorFlow reads; and ingestion does without it."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import numpy as np
import pytest

from components.image_example_gen.writing.tf_records import RecordWriter, serialize_example

ROOT = pathlib.Path(__file__).resolve().parents[4]


def test_tensorflow_reads_the_records_and_their_checksums(tmp_path):
    import tensorflow as tf

    rng = np.random.default_rng(0)
    records = [rng.bytes(size) for size in (0, 1, 7, 8, 1000, 100_000)]
    for name in ("a.gz", "b.gz"):
        with RecordWriter(str(tmp_path / name), 1) as writer:
            for record in records:
                writer.write(record)
    read = tf.data.TFRecordDataset(str(tmp_path / "a.gz"), "GZIP")
    assert list(read.as_numpy_iterator()) == records
    # The header of GZIP names the file and has no time.
    first, second = ((tmp_path / name).read_bytes() for name in ("a.gz", "b.gz"))
    assert first.replace(b"a\0", b"b\0", 1) == second


def test_examples_are_tensorflows():
    import tensorflow as tf

    given = {
        "encoded": b"\x00\xff",
        "height": -3,
        "wide": 2**40,
        "mean": 0.1,
        "naïve": "é".encode(),
    }
    data = serialize_example(given)
    example = tf.train.Example()
    for name, value in given.items():
        feature = example.features.feature[name]
        kind = {bytes: "bytes_list", int: "int64_list", float: "float_list"}[type(value)]
        getattr(feature, kind).value.append(value)
    assert tf.train.Example.FromString(data) == example
    assert data == serialize_example(dict(reversed(given.items())))


@pytest.mark.slow
def test_workers_load_no_tensorflow():
    code = (
        "import sys, components.image_example_gen.ingest;"
        "print(sorted({'tensorflow', 'tfx', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
