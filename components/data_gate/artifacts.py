"""Reads the output of earlier stages: anomalies, statistics, schema and record features."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence

import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from components.data_gate.checks.findings import Anomaly

_LOOKED_AT = 8


def read_anomalies(folder: str, splits: Sequence[str]) -> list[Anomaly]:
    """Anomalies of every split, as ExampleValidator writes them."""
    found = []
    for split in splits:
        anomalies = anomalies_pb2.Anomalies()
        with open(os.path.join(folder, f"Split-{split}", "SchemaDiff.pb"), "rb") as file:
            anomalies.ParseFromString(file.read())
        infos = dict(anomalies.anomaly_info)
        if anomalies.HasField("dataset_anomaly_info"):
            infos["(all)"] = anomalies.dataset_anomaly_info
        for feature, info in sorted(infos.items()):
            kinds = tuple(
                anomalies_pb2.AnomalyInfo.Type.Name(reason.type) for reason in info.reason
            )
            text = info.short_description or info.description
            if info.description and info.description != text:
                text = f"{text}: {info.description}"
            found.append(Anomaly(split, _feature_name(feature, info), kinds, text))
        if anomalies.data_missing:
            found.append(Anomaly(split, "(all)", ("DATA_MISSING",), "no examples"))
    return found


def _feature_name(key: str, info: anomalies_pb2.AnomalyInfo) -> str:
    """The feature's own name; TFDV quotes names with special characters."""
    return info.path.step[0] if info.path.step else key.strip("'")


def read_schema(folder: str) -> schema_pb2.Schema:
    """The curated schema."""
    schema = schema_pb2.Schema()
    with open(os.path.join(folder, "schema.pbtxt"), encoding="utf-8") as file:
        text_format.Parse(file.read(), schema)
    return schema


def statistics_file(folder: str, split: str) -> str:
    """Path of a split's statistics in StatisticsGen's output."""
    return os.path.join(folder, f"Split-{split}", "FeatureStats.pb")


def read_statistics(folder: str, split: str) -> statistics_pb2.DatasetFeatureStatisticsList:
    """Statistics of a split, as StatisticsGen writes them."""
    statistics = statistics_pb2.DatasetFeatureStatisticsList()
    with open(statistics_file(folder, split), "rb") as file:
        statistics.ParseFromString(file.read())
    return statistics


def read_statistics_features(folder: str, splits: Sequence[str]) -> set[str]:
    """Features that statistics saw in any split."""
    names: set[str] = set()
    for split in splits:
        for dataset in read_statistics(folder, split).datasets:
            names.update(f.name or f.path.step[0] for f in dataset.features)
    return names


def read_record_features(folder: str, splits: Sequence[str]) -> set[str]:
    """Features of the first records of every split, because statistics omit some."""
    names: set[str] = set()
    for split in splits:
        paths = sorted(glob.glob(os.path.join(glob.escape(folder), f"Split-{split}", "*")))
        for record in tf.data.TFRecordDataset(paths, compression_type="GZIP").take(_LOOKED_AT):
            names.update(tf.train.Example.FromString(record.numpy()).features.feature)
    return names
