"""A grid of augmented views, as the network sees them, for the report and TensorBoard."""

from __future__ import annotations

import pathlib

import numpy as np
import tensorflow as tf

from trainer_modules.training.event_log import EventLog

IMAGES = 32
_COLUMNS = 8
_GAP = 2


def write(batches: tf.data.Dataset, folder: pathlib.Path) -> None:
    """Writes the first images of a data set to `views.png` and TensorBoard.

    Args:
        batches: Images in [0, 1], [B, ..., size, size, 3]; of a tuple, its first element. The
            views of one image are side by side.
        folder: The model run's folder.
    """
    from PIL import Image

    images: list[np.ndarray] = []
    for batch in batches.as_numpy_iterator():
        views = batch[0] if isinstance(batch, tuple) else batch
        images.extend(views.reshape(-1, *views.shape[-3:]))
        if len(images) >= IMAGES:
            break
    pixels = _grid(images[:IMAGES])
    path = folder / "views.png"
    Image.fromarray(pixels).save(path)
    EventLog(folder).image("augmented_views", path.read_bytes(), *pixels.shape[:2])


def _grid(images: list[np.ndarray]) -> np.ndarray:
    """Rows of _COLUMNS images separated by white, as bytes."""
    height, width, channels = images[0].shape
    rows = -(-len(images) // _COLUMNS)
    columns = min(_COLUMNS, len(images))
    shape = (rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, channels)
    canvas = np.ones(shape, np.float32)
    for number, image in enumerate(images):
        top = number // _COLUMNS * (height + _GAP)
        left = number % _COLUMNS * (width + _GAP)
        canvas[top : top + height, left : left + width] = image
    return np.round(np.clip(canvas, 0, 1) * 255).astype(np.uint8)
