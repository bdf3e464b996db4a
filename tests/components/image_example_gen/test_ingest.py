"""The Beam pipeline end to end on files, and what its outputs hold."""

from __future__ import annotations

import collections
import gzip
import io
import json
import os
import pathlib

import apache_beam as beam
import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from PIL import Image

from components.image_example_gen import ingest
from components.image_example_gen.privacy import Pseudonyms
from components.image_example_gen.settings import DataSettings, SyntheticSettings
from components.image_example_gen.writing.contract import record_features
from schemas import features
from tests.components.image_example_gen.data_sets import write_csv, write_png
from trainer_modules.settings import TaskSettings

KEY = b"k" * 32
TASK = TaskSettings(labels=("finding",))
PATIENTS, IMAGES = 20, 3


def run(data: DataSettings, task: TaskSettings, out: pathlib.Path, seed: int = 0) -> dict:
    """Ingests into out/examples and out/report; returns the report."""
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        ingest.add_ingestion(
            pipeline, data, task, seed, KEY, str(out / "examples"), str(out / "report")
        )
    return json.loads((out / "report/report.json").read_text())


def records(out: pathlib.Path, split: str) -> list[tf.train.Example]:
    """All records of a split."""
    paths = sorted(str(p) for p in (out / f"examples/Split-{split}").iterdir())
    data = tf.data.TFRecordDataset(paths, compression_type="GZIP")
    return [tf.train.Example.FromString(r) for r in data.as_numpy_iterator()]


def value(example: tf.train.Example, name: str):
    """The one value of a feature."""
    feature = example.features.feature[name]
    (only,) = getattr(feature, feature.WhichOneof("kind")).value
    return only


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """60 images of 20 planted patients, 4 of them broken, ingested once."""
    base = tmp_path_factory.mktemp("ingest")
    root = base / "data"
    rows = [["image", "finding", "patient_id", "site", "domain", "sex", "study_id", "slide_id"]]
    pixels = {}
    for patient in range(PATIENTS):
        domain = "shifted" if patient >= 16 else "in_distribution"
        for image in range(IMAGES):
            name = f"DoeJane{patient}/PrivateStudy-{image}.png"
            pixels[len(rows)] = write_png(root / name, len(rows))
            label = ["0", "1", "-1", ""][(patient + image) % 4]
            about = [name, label, f"MRN-{patient:04d}-X", f"h{patient % 2}", domain, "F"]
            rows.append([*about, f"ACC-{patient}-{image // 2}", f"SLD-{patient}" if image else ""])
    (root / rows[4][0]).unlink()
    (root / rows[9][0]).write_bytes(b"")
    truncated = (root / rows[23][0]).read_bytes()[:70]
    (root / rows[23][0]).write_bytes(truncated)
    (root / rows[51][0]).write_bytes(b"a note about DoeJane")
    write_csv(root / "manifest.csv", rows)
    data = DataSettings(source="manifest", root=str(root), subgroups=("sex",), images_per_shard=5)
    report = run(data, TASK, base / "out")
    return base / "out", report, rows, pixels


def test_every_image_is_a_record_or_in_quarantine(planted):
    out, report, rows, pixels = planted
    assert (report["images"], report["kept"], report["quarantined_count"]) == (60, 56, 4)
    assert {(q["row"], q["reason"]) for q in report["quarantined"]} == {
        (4, "missing"),
        (9, "empty"),
        (23, "unreadable"),
        (51, "unsupported"),
    }
    names = Pseudonyms(KEY)
    by_id = {names.image(row[0]): number for number, row in enumerate(rows) if number}
    seen = collections.Counter()
    for split in features.SPLITS:
        for example in records(out, split):
            number = by_id[value(example, "image/id").decode()]
            seen[number] += 1
            row = rows[number]
            decoded = np.asarray(Image.open(io.BytesIO(value(example, "image/encoded"))))
            np.testing.assert_array_equal(decoded, pixels[number])
            absent = set() if row[7] else {"slide_id"}
            assert set(example.features.feature) == set(record_features(TASK, ("sex",))) - absent
            assert value(example, "study_id").decode() == names.study(row[6])
            if row[7]:
                assert value(example, "slide_id").decode() == names.slide(row[7])
            assert value(example, "patient_id").decode() == names.patient(row[2])
            assert value(example, "site").decode() == row[3]
            assert value(example, "domain").decode() == row[4]
            assert (value(example, "image/height"), value(example, "image/width")) == (16, 12)
            assert np.isclose(value(example, "image/mean"), pixels[number].mean() / 255)
            known = row[1] in ("0", "1") and split != "unlabeled"
            assert value(example, "label/finding/weight") == float(known)
            assert value(example, "label/finding") == (float(row[1]) if known else 0.0)
            assert (split == "shifted") == (row[4] == "shifted")
    assert seen == dict.fromkeys(set(range(1, 61)) - {4, 9, 23, 51}, 1)


def test_the_index_agrees_with_the_records_and_the_report(planted):
    out, report, _, _ = planted
    index = pq.read_table(
        [str(p) for p in sorted((out / "report").glob("index-*.parquet"))]
    ).to_pydict()
    assert len(index["image_id"]) == 56
    for split in features.SPLITS:
        places = [i for i, s in enumerate(index["split"]) if s == split]
        counts = report["splits"][split]
        ids = {value(e, "image/id").decode() for e in records(out, split)}
        assert ids == {index["image_id"][i] for i in places}
        assert counts["examples"] == len(places)
        assert counts["patients"] == len({index["patient_id"][i] for i in places})
        labels = [index["label/finding"][i] for i in places]
        assert counts["labels"]["finding"] == {
            "0": labels.count(0.0),
            "1": labels.count(1.0),
            "unknown": sum(np.isnan(v) for v in labels),
        }
        sites = collections.Counter(index["site"][i] for i in places)
        assert report["sites"][split] == dict(sites)


def test_patients_are_in_one_split(planted):
    out, _, _, _ = planted
    splits = collections.defaultdict(set)
    for split in features.SPLITS:
        for example in records(out, split):
            splits[value(example, "patient_id")].add(split)
    assert len(splits) == PATIENTS
    assert all(len(found) == 1 for found in splits.values())


def test_no_output_holds_an_identity(planted):
    out, _, _, _ = planted
    files = [p for p in out.rglob("*") if p.is_file()]
    assert len(files) > 10
    for path in files:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        if path.suffix == ".parquet":
            content += repr(pq.read_table(path).to_pydict()).encode()
        for secret in (b"DoeJane", b"PrivateStudy", b"MRN-", b"ACC-", b"SLD-", b"data/manifest"):
            assert secret not in content, path.name
            assert secret.decode() not in path.name


@pytest.mark.slow
def test_a_second_run_gives_the_same_files(planted, tmp_path):
    out, _, _, _ = planted
    data = DataSettings(
        source="manifest", root=str(out.parent / "data"), subgroups=("sex",), images_per_shard=5
    )
    run(data, TASK, tmp_path)
    for path in (p for p in out.rglob("*") if p.is_file()):
        assert (tmp_path / path.relative_to(out)).read_bytes() == path.read_bytes()


def test_images_are_shrunk_and_stored_as_asked(planted, tmp_path):
    out, _, _, _ = planted
    data = DataSettings(
        source="manifest", root=str(out.parent / "data"), stored_size=8, encoding="jpeg"
    )
    run(data, TASK, tmp_path)
    for example in records(tmp_path, "train"):
        image = Image.open(io.BytesIO(value(example, "image/encoded")))
        assert (image.format, image.size, image.mode) == ("JPEG", (6, 8), "L")
        assert (value(example, "image/height"), value(example, "image/width")) == (8, 6)


@pytest.mark.slow
def test_synthetic_hospitals_and_an_empty_split(tmp_path):
    data = DataSettings(
        subgroups=("sex", "age"),
        subgroup_bins={"age": (40, 65)},
        synthetic=SyntheticSettings(patients=20, shifted_patients=0, image_size=32),
    )
    report = run(data, TASK, tmp_path)
    assert report["synthetic"] is True
    assert report["splits"]["shifted"]["examples"] == 0
    assert records(tmp_path, "shifted") == []
    assert len(os.listdir(tmp_path / "examples/Split-shifted")) == 1
    example = records(tmp_path, "train")[0]
    assert value(example, "site") == b"synthetic-a"
    assert value(example, "subgroup/age").decode() in ("<40", "40-<65", ">=65")
