import gzip
import io
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.image_example_gen.decoding import images
from components.image_example_gen.writing import tf_records
from components.image_example_gen.writing.tf_records import RecordFile, parse_example
from schemas.errors import InputError
from tests.components.image_example_gen.sources.made_formats import encoded_png

KEYS = {"image": "image", "patient_id": "subject", "tumor": "image/class/label", "age": "meta/age"}


def _open(opened, root, labels=("tumor",), keys=KEYS, splits=None, **more):
    tfrecord = {"keys": keys, "splits": splits or {}}
    return opened(labels, source="tfrecord", root=root, tfrecord=tfrecord, **more)


def test_key_map(opened, foreign):
    splits = {"train": "train-*", "test": "test-*"}
    source = _open(opened, foreign, splits=splits, subgroups=("age",))
    rows = list(source.rows())
    assert [row.patient_id for row in rows] == ["s0", "s0", "s1", "s1"] * 2
    assert [row.labels[0] for row in rows] == [0, 1] * 4
    assert [row.split for row in rows] == ["test"] * 4 + ["train"] * 4
    assert [row.subgroups[0] for row in rows[:2]] == ["40", "41"]
    for row, number in zip(rows, [0, 1, 2, 3] * 2, strict=True):
        expected = np.asarray(Image.open(io.BytesIO(encoded_png(number))))
        np.testing.assert_array_equal(source.load(row.image, 10**6).pixels, expected)


def test_places_may_be_read_in_any_order(opened, foreign):
    source = _open(opened, foreign)
    rows = list(source.rows())
    forward = [source.load(row.image, 10**6).pixels for row in rows]
    backward = [source.load(row.image, 10**6).pixels for row in reversed(rows)]
    np.testing.assert_array_equal(forward, backward[::-1])


def test_own_records_need_no_map(opened, tmp_path, write_examples):
    record = {
        "image/encoded": encoded_png(1), "patient_id": b"p", "site": b"a", "domain": b"shifted",
        "label/tumor": 0.0, "label/tumor/weight": 0.0, "subgroup/sex": b"F",
    }  # fmt: skip
    write_examples(tmp_path / "Split-shifted/images.tfrecord.gz", [record], "GZIP")
    row = next(_open(opened, tmp_path, keys={}, subgroups=("sex",)).rows())
    assert (row.site, row.domain, row.labels, row.subgroups) == ("a", "shifted", (None,), ("F",))


def test_classes_by_index_and_by_name(opened, tmp_path, write_examples):
    records = [
        {"image": encoded_png(1), "kind": 1},
        {"image": encoded_png(2), "kind": b"cat"},
        {"image": encoded_png(3)},
    ]
    write_examples(tmp_path / "a.tfrecord", records)
    more = {"kind": "multiclass", "classes": ("cat", "dog"), "keys": {"image": "image"}}
    more["patients"] = "per_image"
    rows = list(_open(opened, tmp_path, ("kind",), **more).rows())
    assert [row.labels[0] for row in rows] == [1.0, 0.0, None]
    write_examples(tmp_path / "b.tfrecord", [{"image": encoded_png(1), "kind": 2}])
    with pytest.raises(InputError, match="record 4: 'kind' is '2'; accepted: an index below 2"):
        _open(opened, tmp_path, ("kind",), **more)


def test_records_without_image_are_quarantined(opened, tmp_path, write_examples):
    records = [
        {"image": encoded_png(1), "tumor": 1},
        {"tumor": 1},
        {"image": b"no image", "tumor": 0},
    ]
    write_examples(tmp_path / "a.tfrecord", records)
    source = _open(opened, tmp_path, keys={"image": "image"}, patients="per_image")
    names = [row.image for row in source.rows()]
    for name, message in ((names[1], "no encoded image"), (names[2], "not one of")):
        with pytest.raises(images.Rejected, match=message):
            source.load(name, 10**6)


@pytest.mark.parametrize(
    ("labels", "keys", "message"),
    [
        (("tumor",), {"image": "img"}, "'image' is expected in the feature 'img'"),
        (("mass",), KEYS, "'mass' is expected in the feature 'mass'.*it has image, image/class"),
        (("tumor",), {**KEYS, "site": "x"}, "'site' is expected"),
        (("tumor",), {**KEYS, "tumor": "meta/age"}, "record 1: 'meta/age' is '40'; accepted: 0, 1"),
    ],
)
def test_wrong_keys_are_refused(opened, foreign, labels, keys, message):
    with pytest.raises(InputError, match=message):
        _open(opened, foreign, labels, keys)


def test_wrong_files_are_refused(opened, foreign, tmp_path):
    path = foreign / "train-00000.tfrecord"
    data = path.read_bytes()
    path.write_bytes(data[:-3])
    with pytest.raises(InputError, match="after record 7 of all: cut short"):
        _open(opened, foreign)
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(InputError, match="after record 4 of all: not a TFRecord file"):
        _open(opened, foreign)
    packed = (foreign / "test-00000.tfrecord").read_bytes()
    (foreign / "test-00000.tfrecord").write_bytes(packed[:-30])
    with pytest.raises(InputError, match="cut short"):
        _open(opened, foreign)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="matches no file"):
        _open(opened, tmp_path / "empty")


def test_framing_agrees_with_tensorflow(tmp_path, write_examples):
    import tensorflow as tf

    records = [{"a": [n, -n], "b": [n / 8, 2.5], "c": [bytes([n]) * n, b""]} for n in range(9)]
    for compression in ("", "GZIP"):
        path = tmp_path / f"x{compression}"
        write_examples(path, records, compression)
        found = [data for _, data in RecordFile(str(path)).records()]
        expected = [d.numpy() for d in tf.data.TFRecordDataset(str(path), compression)]
        assert found == expected
        assert [parse_example(data) for data in found] == records


def test_a_packed_file_of_nothing_but_length_takes_no_memory(tmp_path):
    path = tmp_path / "a.tfrecord"
    path.write_bytes(gzip.compress((2**60).to_bytes(8, "little") + b"\0" * 4))
    with pytest.raises(Exception, match="not a TFRecord file"):
        list(RecordFile(str(path)).records())


def test_a_record_that_swells_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(tf_records, "LARGEST_RECORD", 1 << 20)
    path, size = tmp_path / "a.tfrecord", 1 << 24
    path.write_bytes(gzip.compress(size.to_bytes(8, "little") + bytes(size + 8)))
    assert path.stat().st_size > size / 1032, "refused for its length alone"
    tracemalloc.start()
    with pytest.raises(Exception, match=r"a record of 16,777,216 bytes; at most 1,048,576"):
        list(RecordFile(str(path)).records())
    assert tracemalloc.get_traced_memory()[1] < size / 4
    tracemalloc.stop()


def test_listing_needs_no_tensorflow(foreign):
    code = (
        "import sys\n"
        "from components.image_example_gen.settings import DataSettings\n"
        "from components.image_example_gen.sources.registry import check_source, data_fingerprint\n"
        "from trainer_modules.settings import TaskSettings\n"
        f"more = {{'root': {str(foreign)!r}, 'tfrecord': {{'keys': {KEYS}}}}}\n"
        "data = DataSettings(source='tfrecord', **more)\n"
        "task = TaskSettings(labels=('tumor',))\n"
        "check_source(data, task), data_fingerprint(data, task)\n"
        "print('tensorflow' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[4]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
