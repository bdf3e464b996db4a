"""Loads a copied model and has it answer once, so that a server gets none that does not."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from schemas.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

_SIGNATURE = "serving_default"
_SIDE = 64


def check_answer(folder: Path) -> None:
    """Loads a SavedModel and calls its signature for one gray image.

    Raises:
      InputError: It does not load, has no such signature or does not answer for each image.
    """
    import tensorflow as tf

    try:
        model = tf.saved_model.load(str(folder))
        call = model.signatures[_SIGNATURE]
        (argument,) = call.structured_input_signature[1].values()
        answer = call(**{argument.name: _image(argument)})
        rows = {name: int(tensor.shape[0]) for name, tensor in answer.items()}
    except Exception as error:
        if isinstance(error, OSError | MemoryError):
            raise
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(
            f"the model's copy '{folder}' does not answer, so it was not pushed: {reason}"
        ) from error
    if not rows or any(count != 1 for count in rows.values()):
        raise InputError(
            f"the model's copy '{folder}' answers {rows} for one image, so it was not pushed"
        )


def _image(argument: tf.TensorSpec) -> tf.Tensor:
    """One image, as a file or as numbers."""
    import tensorflow as tf

    if argument.dtype == tf.string:
        file = io.BytesIO()
        Image.fromarray(np.full((_SIDE, _SIDE), 128, np.uint8)).save(file, "PNG")
        return tf.constant([file.getvalue()])
    shape = [1, *(side or _SIDE for side in argument.shape[1:])]
    return tf.fill(shape, tf.cast(0.5, argument.dtype))
