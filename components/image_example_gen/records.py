"""The tf.Example and the index row of one image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import tensorflow as tf

from components.image_example_gen.images import StoredImage
from components.image_example_gen.plan import PlannedImage
from trainer_modules import features

if TYPE_CHECKING:
    import pyarrow as pa


def _bytes(value: bytes | str) -> tf.train.Feature:
    data = value.encode() if isinstance(value, str) else value
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[data]))


def _int(value: int) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))


def _float(value: float) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))


def to_example(
    planned: PlannedImage, stored: StoredImage, labels: Sequence[str], subgroups: Sequence[str]
) -> tf.train.Example:
    """Record of an image; an unknown label is 0 with weight 0, an unknown study is left out."""
    record = {
        features.IMAGE_ENCODED: _bytes(stored.encoded),
        features.IMAGE_ID: _bytes(planned.image_id),
        features.IMAGE_HEIGHT: _int(stored.height),
        features.IMAGE_WIDTH: _int(stored.width),
        features.IMAGE_MEAN: _float(stored.mean),
        features.IMAGE_STD: _float(stored.std),
        features.IMAGE_BORDER_MEAN: _float(stored.border_mean),
        features.IMAGE_BORDER_STD: _float(stored.border_std),
        features.PATIENT_ID: _bytes(planned.patient_id),
        features.SITE: _bytes(planned.site),
        features.DOMAIN: _bytes(planned.domain),
    }
    known = {features.STUDY_ID: planned.study_id, features.SLIDE_ID: planned.slide_id}
    record |= {name: _bytes(value) for name, value in known.items() if value}
    for name, value in zip(labels, planned.labels, strict=True):
        record[features.label(name)] = _float(0.0 if value is None else value)
        record[features.label_weight(name)] = _float(0.0 if value is None else 1.0)
    for name, text in zip(subgroups, planned.subgroups, strict=True):
        record[features.subgroup(name)] = _bytes(text)
    return tf.train.Example(features=tf.train.Features(feature=record))


def index_schema(labels: Sequence[str], subgroups: Sequence[str]) -> pa.Schema:
    """Columns of the index, the table of what was ingested."""
    import pyarrow as pa

    texts = (
        "image_id",
        "patient_id",
        "study_id",
        "slide_id",
        "split",
        "site",
        "domain",
        "digest",
        "phash",
    )
    return pa.schema(
        [(name, pa.string()) for name in texts]
        + [("row", pa.int64()), ("height", pa.int32()), ("width", pa.int32())]
        + [(name, pa.float32()) for name in ("mean", "std", "border_mean", "border_std")]
        + [(features.label(name), pa.float32()) for name in labels]
        + [(features.subgroup(name), pa.string()) for name in subgroups]
    )


def to_index_row(
    planned: PlannedImage,
    stored: StoredImage,
    split: str,
    labels: Sequence[str],
    subgroups: Sequence[str],
) -> dict[str, object]:
    """Index row of an image; an unknown label is NaN."""
    row: dict[str, object] = {
        "image_id": planned.image_id,
        "patient_id": planned.patient_id,
        "study_id": planned.study_id,
        "slide_id": planned.slide_id,
        "split": split,
        "site": planned.site,
        "domain": planned.domain,
        "digest": stored.digest,
        "phash": stored.phash,
        "row": planned.number,
        "height": stored.height,
        "width": stored.width,
        "mean": stored.mean,
        "std": stored.std,
        "border_mean": stored.border_mean,
        "border_std": stored.border_std,
    }
    for name, value in zip(labels, planned.labels, strict=True):
        row[features.label(name)] = math.nan if value is None else value
    for name, text in zip(subgroups, planned.subgroups, strict=True):
        row[features.subgroup(name)] = text
    return row
