"""Event files for TensorBoard, which need not be installed to write them."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

_Summary = tf.compat.v1.Summary


class EventLog:
    """Metrics and images of a training, in `tensorboard/` in its folder."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._writer = tf.summary.create_file_writer(str(folder / "tensorboard"))

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Logs metrics by name."""
        self._write([_Summary.Value(tag=k, simple_value=v) for k, v in values.items()], step)

    def image(self, name: str, png: bytes, height: int, width: int) -> None:
        """Logs an image."""
        picture = _Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=png)
        self._write([_Summary.Value(tag=name, image=picture)], 0)

    def _write(self, values: list[Any], step: int) -> None:
        with self._writer.as_default():
            tf.summary.experimental.write_raw_pb(
                _Summary(value=values).SerializeToString(), step=step
            )
        self._writer.flush()
