"""Embeddings of record files through a model's `embed` signature, one batch in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from components.predictor.embedding_table import EMBEDDING, TEXTS
from components.predictor.inference import BATCH_SIZE, Columns
from components.predictor.signatures import load_signature
from schemas import features, model_files
from schemas.documents.cards import EncoderCard
from schemas.errors import InputError
from trainer_modules.input.batches import evaluation_image


class EmbeddingModel:
    """A classifier, which takes tf.Examples, or an encoder, which takes floats in [0, 1].

    Classifiers of earlier versions take the encoded images of the tf.Examples.
    """

    def __init__(self, model_dir: str):
        """Loads the model.

        Raises:
            InputError: The folder does not hold a SavedModel with such a signature.
        """
        self._where = f"model '{model_dir}'"
        self._model, self._signature = load_signature(
            model_dir,
            (features.EMBED_EXAMPLES_SIGNATURE, features.EMBED_SIGNATURE),
            "images to embeddings",
        )
        takes = self._signature.structured_input_signature[1]
        gives = sorted(self._signature.structured_outputs)
        if not {"images", "examples"} & set(takes) or EMBEDDING not in gives:
            raise InputError(
                f"{self._where}: signature '{features.EMBED_SIGNATURE}' takes {sorted(takes)} and "
                f"gives {gives}, it must take 'images' and give '{EMBEDDING}'"
            )
        (self._takes,) = {"images", "examples"} & set(takes)
        floats = takes[self._takes].dtype != tf.string
        self._size = self._image_size(model_dir) if floats else None

    def embed(self, serialized: tf.Tensor, encoded: tf.Tensor) -> np.ndarray:
        """Embeddings [B, D] of tf.Examples [B], of which `encoded` are the images [B]."""
        given = serialized if self._takes == "examples" else encoded
        if self._size is not None:
            given = tf.stack([evaluation_image(one, self._size) for one in encoded])
        values = self._signature(**{self._takes: given})[EMBEDDING].numpy()
        # Some encoders return a map: take its mean, as finetuning does.
        return values.mean(axis=(1, 2)) if values.ndim == 4 else values

    def _image_size(self, model_dir: str) -> int:
        try:
            return EncoderCard.read(model_dir).image_size
        except OSError:
            raise InputError(
                f"{self._where} takes images as floats and has no {model_files.CARD} with their "
                "'image_size'"
            ) from None


def embed_files(model: EmbeddingModel, files: Sequence[str]) -> Iterator[Columns]:
    """Yields batches of identity columns and `embedding` [B, D].

    Raises:
        InputError: A file does not hold records of images.
    """
    required = (features.IMAGE_ID, features.PATIENT_ID, features.DOMAIN, features.IMAGE_ENCODED)
    spec = {
        name: tf.io.FixedLenFeature([], tf.string, None if name in required else b"unknown")
        for name in (*TEXTS, features.IMAGE_ENCODED)
    }
    dataset = tf.data.TFRecordDataset(list(files), "GZIP", num_parallel_reads=1)
    dataset = dataset.batch(BATCH_SIZE).map(lambda rows: (rows, tf.io.parse_example(rows, spec)))
    try:
        for serialized, parsed in dataset.prefetch(2):
            columns: Columns = {
                name: np.array([one.decode("utf-8", "replace") for one in parsed[name].numpy()])
                for name in TEXTS
            }
            columns[EMBEDDING] = model.embed(serialized, parsed[features.IMAGE_ENCODED])
            yield columns
    except tf.errors.OpError as error:
        raise InputError(f"records {list(files)} can't be embedded: {error.message}") from None
