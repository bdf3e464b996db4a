"""A SavedModel as a frozen backbone: called on images, never trained.

For encoders whose variables do not match one of our backbones (`model.family=saved_model`), for
example released REMEDIS encoders in another layout. Only TensorFlow runs them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from schemas.errors import InputError
from trainer_modules.weights.saved_model_guard import load_guarded


@keras.saving.register_keras_serializable("remedis")
class FrozenModule(keras.layers.Layer):
    """Images [B, H, W, 3] in [0, 1] to features [B, D]; maps [B, h, w, D] are averaged."""

    def __init__(self, module: Any, features: int, name: str = "features") -> None:
        super().__init__(name=name, dtype="float32", trainable=False)
        self.module = module
        self._features = features

    def call(self, images: Any) -> Any:
        return tf.stop_gradient(_pooled(self.module(images)))

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, int]:
        return (shape[0], self._features)


def load_frozen(folder: str, image_size: int) -> FrozenModule:
    """Loads a SavedModel and calls it once.

    Raises:
        InputError: There is no SavedModel, it does more than compute, it can't be called on a
            batch of images of that size, or its output is neither [B, D] nor [B, h, w, D] in
            floating point.
    """
    path = Path(folder).expanduser()
    if not (path / "saved_model.pb").is_file():
        raise InputError(f"model.init.path: no file {path / 'saved_model.pb'}")
    module = load_guarded(str(path), f"{path} is not a complete TF2 SavedModel")
    if not callable(module):
        raise InputError(
            f"{path} can't be called (signatures: {sorted(module.signatures)}); accepted "
            "are SavedModels that are called as module(images), as TF-Hub's are"
        )
    images = tf.zeros([2, image_size, image_size, 3])
    try:
        outputs = module(images)
    except (ValueError, TypeError, tf.errors.OpError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{path} can't be called on float images {images.shape} ({reason}); set "
            "model.image_size to the size that it expects"
        ) from error
    if not _usable(outputs):
        raise InputError(
            f"{path} returns {outputs.shape if tf.is_tensor(outputs) else type(outputs).__name__}"
            f" for images {images.shape}; accepted are features [2, D] or a map [2, h, w, D]"
        )
    return FrozenModule(module, int(outputs.shape[-1]))


def _usable(outputs: Any) -> bool:
    return (
        tf.is_tensor(outputs)
        and outputs.dtype.is_floating
        and outputs.shape.rank in (2, 4)
        and outputs.shape[0] == 2
    )


def _pooled(outputs: tf.Tensor) -> tf.Tensor:
    outputs = tf.cast(outputs, tf.float32)
    return tf.reduce_mean(outputs, axis=(1, 2)) if outputs.shape.rank == 4 else outputs
