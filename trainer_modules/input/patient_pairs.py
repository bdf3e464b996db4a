"""Cases of MICLe (arXiv 2101.05224): two images of one patient make a positive pair.

A case is a patient. Its pair is two of its images, drawn anew each epoch, or the same image twice
if it has only one. Memory holds only numbers, some tens of bytes per image. Records that exceed
`records.CACHE_BYTES` are copied to an unnamed temporary file and read from there by position,
because compressed TFRecords cannot be read out of order.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Callable
from typing import IO

import numpy as np
import tensorflow as tf
from absl import logging

from schemas import features
from schemas.errors import InputError
from trainer_modules.input import records

_BATCH = 512
# Separates the draws of images from those of views, which have keys of the same kind.
_DRAWS = 1 << 50


@dataclasses.dataclass(frozen=True)
class Cases:
    """Patients and where their images are, in stored order.

    Attributes:
        fetch: Positions [2] to serialized examples [2].
        members: Positions of images, those of one patient together, [N].
        starts: Place in `members` of each patient's first image, [P].
        sizes: Number of each patient's images, [P].
    """

    fetch: Callable[[tf.Tensor], tf.Tensor]
    members: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray

    @property
    def count(self) -> int:
        """Number of patients."""
        return len(self.sizes)

    @property
    def several(self) -> int:
        """Number of patients with two images or more."""
        return int(np.sum(self.sizes > 1))

    def shuffled(self, seed: int, epoch: tf.Tensor) -> tf.data.Dataset:
        """Pairs of serialized examples [2], each patient once, in the order of this epoch."""
        key = tf.stack([tf.constant(seed, tf.int64), tf.cast(epoch, tf.int64)])
        order = tf.random.experimental.stateless_shuffle(tf.range(self.count), seed=key)
        members, starts, sizes = map(tf.constant, (self.members, self.starts, self.sizes))

        def pair(patient: tf.Tensor) -> tf.Tensor:
            drawn = _two_of(sizes[patient], key, tf.cast(patient, tf.int64))
            return self.fetch(tf.gather(members, starts[patient] + drawn))

        return tf.data.Dataset.from_tensor_slices(order).map(pair)


def _two_of(size: tf.Tensor, key: tf.Tensor, patient: tf.Tensor) -> tf.Tensor:
    """Two different numbers below `size` (0 twice when it is 1), [2] int64."""
    seed = tf.stack([key[0] * 1_000_003 + key[1] + _DRAWS, 2 * patient])
    first = tf.random.stateless_uniform([], seed, maxval=size, dtype=tf.int64)
    others = tf.maximum(size - 1, 1)
    other_seed = seed + tf.constant([0, 1], tf.int64)
    step = tf.random.stateless_uniform([], other_seed, maxval=others, dtype=tf.int64)
    return tf.stack([first, (first + 1 + step) % size])


def open_cases(source: records.Records) -> Cases:
    """Groups the examples of a split by patient; one without a patient id is its own case.

    Raises:
        InputError: No patient has two images, so the pairs would equal pairs of views.
    """
    patients, fetch = _read(source)
    unnamed = patients == b""
    names, codes = np.unique(patients, return_inverse=True)
    codes[unnamed] = len(names) + np.arange(unnamed.sum())
    members = np.argsort(codes, kind="stable")
    _, starts, sizes = np.unique(codes[members], return_index=True, return_counts=True)
    cases = Cases(fetch, members, starts, sizes.astype(np.int64))
    if not cases.several:
        raise InputError(
            f"pretrain.pairs 'patient': none of {cases.count} patients has two images in the "
            "pretraining splits; pairs of views of one image are 'view'"
        )
    logging.info("%d of %d patients have several images", cases.several, cases.count)
    return cases


def _read(source: records.Records) -> tuple[np.ndarray, Callable[[tf.Tensor], tf.Tensor]]:
    """Each record's patient, and how to read records by their positions."""
    spec = {features.PATIENT_ID: tf.io.FixedLenFeature([], tf.string, "")}
    spill = None if source.cached is not None else _Spill()
    patients = []
    for batch in source.stored_order().batch(_BATCH):
        found = tf.io.parse_example(batch, spec)[features.PATIENT_ID].numpy()
        patients.append(found.astype(bytes))
        if spill is not None:
            spill.extend(batch.numpy())
    names = np.concatenate(patients)
    if spill is None:
        return names, lambda positions: tf.gather(source.cached, positions)
    return names, spill.reader()


class _Spill:
    """Records, one after the other, in a file that disappears with the process; and their ends."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as training)
        self._ends: list[np.ndarray] = []

    def extend(self, batch: np.ndarray) -> None:
        self._file.writelines(batch)
        self._ends.append(np.array([len(one) for one in batch], np.int64))

    def reader(self) -> Callable[[tf.Tensor], tf.Tensor]:
        self._file.flush()
        ends = np.cumsum(np.concatenate(self._ends))
        starts = np.concatenate([[0], ends[:-1]])
        file = self._file

        def read(positions: np.ndarray) -> np.ndarray:
            # pread keeps no position, so threads do not interfere.
            found = [
                os.pread(file.fileno(), int(ends[one] - starts[one]), int(starts[one]))
                for one in positions
            ]
            return np.array(found, object)

        def fetch(positions: tf.Tensor) -> tf.Tensor:
            return tf.ensure_shape(tf.numpy_function(read, [positions], tf.string), [2])

        return fetch
