"""Reading what TFX's stages leave, made here as they make it."""

from __future__ import annotations

import gzip
import pathlib

import pytest
import tensorflow as tf
from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

from components.data_gate import artifacts

SCHEMA = pathlib.Path(artifacts.__file__).parents[2] / "schemas/generic"


def write(folder: pathlib.Path, split: str, name: str, content: bytes) -> None:
    """Writes a file of a split."""
    (folder / f"Split-{split}").mkdir(parents=True, exist_ok=True)
    (folder / f"Split-{split}" / name).write_bytes(content)


@pytest.fixture
def anomalies() -> anomalies_pb2.Anomalies:
    """Two anomalies, one with a name that TFDV quotes."""
    message = anomalies_pb2.Anomalies()
    quoted = message.anomaly_info["'label/Pleural Effusion'"]
    quoted.path.step.append("label/Pleural Effusion")
    quoted.short_description = "New column"
    quoted.description = "New column (column in data but not in schema)"
    quoted.reason.add(type=anomalies_pb2.AnomalyInfo.SCHEMA_NEW_COLUMN)
    message.anomaly_info["'site'"].description = "missing"
    return message


def test_anomalies_are_read_by_feature(tmp_path, anomalies):
    write(tmp_path, "train", "SchemaDiff.pb", anomalies.SerializeToString())
    write(tmp_path, "test", "SchemaDiff.pb", b"")
    found = artifacts.read_anomalies(str(tmp_path), ["train", "test"])
    assert [(a.split, a.feature, a.types) for a in found] == [
        ("train", "label/Pleural Effusion", ("SCHEMA_NEW_COLUMN",)),
        ("train", "site", ()),
    ]
    assert found[0].description == "New column: New column (column in data but not in schema)"
    assert found[1].description == "missing"


def test_data_set_anomalies_and_missing_data_are_kept(tmp_path):
    message = anomalies_pb2.Anomalies(data_missing=True)
    message.dataset_anomaly_info.short_description = "Few examples"
    write(tmp_path, "train", "SchemaDiff.pb", message.SerializeToString())
    found = artifacts.read_anomalies(str(tmp_path), ["train"])
    assert [a.description for a in found] == ["Few examples", "no examples"]


def test_schema_features():
    names = {feature.name for feature in artifacts.read_schema(str(SCHEMA)).feature}
    assert {"image/encoded", "patient_id"} <= names


def test_statistics_features(tmp_path):
    message = statistics_pb2.DatasetFeatureStatisticsList()
    data = message.datasets.add()
    data.features.add().path.step.append("site")
    data.features.add(name="old style")
    write(tmp_path, "train", "FeatureStats.pb", message.SerializeToString())
    assert artifacts.read_statistics_features(str(tmp_path), ["train"]) == {"site", "old style"}


def test_record_features(tmp_path):
    example = tf.train.Example()
    example.features.feature["patient_name"].bytes_list.value.append(b"x")
    path = str(tmp_path / "Split-train/images.gz")
    (tmp_path / "Split-train").mkdir()
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        writer.write(example.SerializeToString())
    write(tmp_path, "test", "images.gz", gzip.compress(b""))
    assert artifacts.read_record_features(str(tmp_path), ["train", "test"]) == {"patient_name"}
