"""Thumbnails of images named in findings, by their pseudonyms."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from typing import Any

from components.data_gate.checks.index import Index
from components.image_example_gen.writing.shards import records_of_index
from schemas import features
from schemas.documents.data_gate import AlikePair, Check, Side

_SIDE = 96
_ALIKE = ("near_duplicates", "duplicates")


def pairs(outcomes: Iterable[Check], most: int) -> list[AlikePair]:
    """The first pairs of images that the checks of duplicates found."""
    found = []
    for check in outcomes:
        if check.name in _ALIKE and not check.passed:
            found += [
                AlikePair(check=check.name, sides=sides)
                for detail in check.details[:most]
                if len(sides := _sides(detail)) > 1
            ]
    return found[:most]


def _sides(detail: dict[str, Any]) -> list[Side]:
    if "looks" in detail:
        return [
            Side(split=look["split"], row=look["rows"][0], image=look["images"][0])
            for look in detail["looks"]
            if look["images"]
        ]
    places = zip(detail["rows"], detail["images"], strict=True)
    return [Side(split=None, row=row, image=image) for row, image in places][:2]


def thumbnails(index: Index, examples: str, images: Iterable[str]) -> dict[str, str]:
    """Pseudonym -> PNG of at most 96 pixels, in base64; reads the shards that hold the images.

    Args:
        index: of the ingestion that wrote the examples.
        examples: folder of the examples.
        images: pseudonyms.
    """
    import tensorflow as tf

    found = {}
    for path, wanted in index.files_of(set(images)):
        left = set(wanted)
        records = tf.data.TFRecordDataset(records_of_index(examples, path), "GZIP")
        for record in records.as_numpy_iterator():
            example = tf.train.Example.FromString(record).features.feature
            name = _bytes(example, features.IMAGE_ID).decode()
            if name in left:
                found[name] = _thumbnail(_bytes(example, features.IMAGE_ENCODED))
                left.remove(name)
            if not left:
                break
    return found


def _bytes(example: Mapping[str, Any], name: str) -> bytes:
    return example[name].bytes_list.value[0]


def _thumbnail(encoded: bytes) -> str:
    from PIL import Image

    with Image.open(io.BytesIO(encoded)) as image:
        image.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        image.save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()
