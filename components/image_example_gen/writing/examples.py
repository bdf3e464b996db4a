"""The tf.Example and the index row of one image, made without importing TensorFlow."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from components.image_example_gen.decoding.image_quality import Quality
from components.image_example_gen.decoding.images import Picture, StoredImage
from components.image_example_gen.rows.units import PlannedImage
from components.image_example_gen.writing.tf_records import Value, serialize_example
from schemas import features

if TYPE_CHECKING:
    import pyarrow as pa


_QUALITY = tuple(field.name for field in dataclasses.fields(Quality))


def to_example(
    planned: PlannedImage, stored: StoredImage, labels: Sequence[str], subgroups: Sequence[str]
) -> bytes:
    """Record of an image; an unknown label is 0 with weight 0, an unknown study is omitted."""
    record: dict[str, Value] = {
        features.IMAGE_ENCODED: stored.encoded,
        features.IMAGE_ID: planned.image_id.encode(),
        features.IMAGE_HEIGHT: stored.height,
        features.IMAGE_WIDTH: stored.width,
        features.IMAGE_MEAN: stored.mean,
        features.IMAGE_STD: stored.std,
        features.IMAGE_BORDER_MEAN: stored.border_mean,
        features.IMAGE_BORDER_STD: stored.border_std,
        features.PATIENT_ID: planned.patient_id.encode(),
        features.SITE: planned.site.encode(),
        features.DOMAIN: planned.domain.encode(),
    }
    known = {features.STUDY_ID: planned.study_id, features.SLIDE_ID: planned.slide_id}
    record |= {name: value.encode() for name, value in known.items() if value}
    for name, value in zip(labels, planned.labels, strict=True):
        record[features.label(name)] = 0.0 if value is None else float(value)
        record[features.label_weight(name)] = 0.0 if value is None else 1.0
    for name, text in zip(subgroups, planned.subgroups, strict=True):
        record[features.subgroup(name)] = text.encode()
    return serialize_example(record)


def index_schema(labels: Sequence[str], subgroups: Sequence[str]) -> pa.Schema:
    """Columns of the index, the table of ingested images."""
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
        "range_rule",
        "flags",
        "file_format",
    )
    return pa.schema(
        [(name, pa.string()) for name in texts]
        + [("row", pa.int64())]
        + [(name, pa.int32()) for name in ("height", "width", "source_height", "source_width")]
        + [(name, pa.float32()) for name in ("mean", "std", "border_mean", "border_std")]
        + [(name, pa.float32()) for name in (*features.CORNERS, *_QUALITY)]
        + [("range_low", pa.float64()), ("range_high", pa.float64()), ("inverted", pa.bool_())]
        + [(features.label(name), pa.float32()) for name in labels]
        + [(features.subgroup(name), pa.string()) for name in subgroups]
    )


def to_index_row(
    planned: PlannedImage,
    shown: Picture,
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
        **dict(zip(features.CORNERS, stored.corners, strict=True)),
        **{name: getattr(stored.quality, name) for name in _QUALITY},
        "source_height": stored.source_height,
        "source_width": stored.source_width,
        "file_format": f"{shown.container} {'color' if shown.pixels.ndim == 3 else 'gray'}".strip(),
        "range_rule": shown.rule,
        "range_low": shown.low,
        "range_high": shown.high,
        "inverted": shown.inverted,
        "flags": ",".join((*shown.flags, *stored.flags)),
    }
    for name, value in zip(labels, planned.labels, strict=True):
        row[features.label(name)] = math.nan if value is None else value
    for name, text in zip(subgroups, planned.subgroups, strict=True):
        row[features.subgroup(name)] = text
    return row
