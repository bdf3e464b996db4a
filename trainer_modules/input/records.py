"""TFRecord files of a split: their examples, in an order that depends only on (seed, epoch).

Small splits are held in memory as encoded bytes and fully shuffled. Larger ones are streamed
through interleaved files and a shuffle buffer, so memory does not grow with the data set.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np
import tensorflow as tf
from absl import logging

from schemas import features
from schemas.errors import InputError
from trainer_modules.input import label_fraction
from trainer_modules.settings import TaskSettings

CACHE_BYTES = 256 << 20
SHUFFLE_BYTES = 256 << 20
_MAX_SHUFFLED = 16_384
_INTERLEAVED_FILES = 8
_READ_BATCH = 512


@dataclasses.dataclass(frozen=True)
class Index:
    """What is known about each example without its pixels, in stored order.

    Attributes:
        patients: [N] bytes.
        labels: [N, T] 0/1 per target (one-hot for a multiclass task).
        weights: [N, T], or [N, 1] for a multiclass task; 0 where unknown.
    """

    patients: np.ndarray
    labels: np.ndarray
    weights: np.ndarray

    def __len__(self) -> int:
        return len(self.patients)

    def select(self, keep: np.ndarray) -> Index:
        """The examples where `keep` is true."""
        return Index(self.patients[keep], self.labels[keep], self.weights[keep])


@dataclasses.dataclass(frozen=True)
class Records:
    """Examples of a split: `cached` if there are few, else read from `files` at every use.

    `patients` (None: all) limits a streamed split to the labeled examples of these patients.
    """

    files: tuple[str, ...]
    task: TaskSettings
    count: int
    bytes_per_record: int
    cached: tf.Tensor | None = None
    patients: frozenset[bytes] | None = None

    def stored_order(self) -> tf.data.Dataset:
        """Serialized examples, file by file."""
        if self.cached is not None:
            return tf.data.Dataset.from_tensor_slices(self.cached)
        return self._wanted(read(self.files))

    def shuffled(self, seed: int, epoch: tf.Tensor) -> tf.data.Dataset:
        """Serialized examples in the order of this epoch (`epoch` may be a tensor)."""
        key = tf.stack([tf.constant(seed, tf.int64), tf.cast(epoch, tf.int64)])
        if self.cached is not None:
            order = tf.random.experimental.stateless_shuffle(tf.range(self.count), seed=key)
            cached = self.cached
            return tf.data.Dataset.from_tensor_slices(order).map(lambda index: cached[index])
        files = tf.random.experimental.stateless_shuffle(tf.constant(self.files), seed=key)
        stream = tf.data.Dataset.from_tensor_slices(files).interleave(
            _open,
            cycle_length=min(_INTERLEAVED_FILES, len(self.files)),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        buffer = SHUFFLE_BYTES // max(1, self.bytes_per_record)
        return self._wanted(stream).shuffle(
            int(np.clip(buffer, 1, min(_MAX_SHUFFLED, self.count))),
            seed=key[0] * 1_000_003 + key[1] + 1,
            reshuffle_each_iteration=False,
        )

    def _wanted(self, stream: tf.data.Dataset) -> tf.data.Dataset:
        if self.patients is None:
            return stream
        names = tf.constant(sorted(self.patients))
        table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(names, tf.ones(tf.shape(names), tf.int32)), 0
        )
        spec = _label_spec(self.task)

        def wanted(serialized: tf.Tensor) -> tf.Tensor:
            parsed = tf.io.parse_single_example(serialized, spec)
            known = tf.reduce_any(targets(parsed, self.task)[1] > 0)
            return known & (table.lookup(parsed[features.PATIENT_ID]) > 0)

        return stream.filter(wanted)


def open_unlabeled(patterns: Iterable[str], task: TaskSettings, what: str) -> Records:
    """Every example of the files, labeled or not."""
    files, size = _list_files(patterns, what)
    cached = _cache(files, size)
    count = len(cached) if cached is not None else _count(files)
    if not count:
        raise InputError(f"{what}: {len(files)} files hold no example; at least one is needed")
    return Records(files, task, count, size // count, cached)


def open_labeled(
    patterns: Iterable[str], task: TaskSettings, what: str, fraction: float = 1.0, seed: int = 0
) -> tuple[Records, Index]:
    """Opens the examples with a known label, of a fraction of the patients, and their index."""
    files, size = _list_files(patterns, what)
    cached = _cache(files, size)
    stream = tf.data.Dataset.from_tensor_slices(cached) if cached is not None else read(files)
    index = _read_index(stream, task)
    labeled = np.asarray((index.weights > 0).any(axis=1)) if len(index) else np.zeros(0, bool)
    if not labeled.any():
        raise InputError(
            f"{what}: none of {len(index)} examples has a known label "
            f"({', '.join(task.labels)}); at least one is needed"
        )
    known = index.select(labeled)
    if cached is not None:
        cached = tf.boolean_mask(cached, labeled)
    bytes_per_record = size // max(1, len(index))
    everyone = Records(files, task, len(known), bytes_per_record, cached, frozenset())
    patients = label_fraction.choose_patients(
        known.patients, known.labels, known.weights, fraction, seed
    )
    logging.info("%s: labels of %d patients", what, len(patients))
    return limit(everyone, known, patients)


def limit(source: Records, index: Index, patients: frozenset[bytes]) -> tuple[Records, Index]:
    """Limits a source to the labeled examples of these patients; `index` is the source's own."""
    # Typed, or an empty set would become floats.
    keep = np.isin(index.patients, np.array(sorted(patients), index.patients.dtype))
    cached = source.cached
    if cached is not None:
        cached = tf.boolean_mask(cached, keep)
    limited = dataclasses.replace(
        source, count=int(keep.sum()), cached=cached, patients=frozenset(patients)
    )
    return limited, index.select(keep)


def read(files: Iterable[str]) -> tf.data.Dataset:
    """Serialized examples of the files (gzip by suffix), in order."""
    return tf.data.Dataset.from_tensor_slices(list(files)).flat_map(_open)


def targets(parsed: dict[str, tf.Tensor], task: TaskSettings) -> tuple[tf.Tensor, tf.Tensor]:
    """Labels [T] and weights ([T]; [1] for multiclass) of one parsed example."""
    weights = tf.stack([parsed[features.label_weight(name)] for name in task.labels])
    labels = tf.stack([parsed[features.label(name)] for name in task.labels])
    if task.kind == "multiclass":
        labels = tf.one_hot(tf.cast(labels[0], tf.int32), len(task.classes))
    return labels, weights


def target_spec(task: TaskSettings) -> dict[str, tf.io.FixedLenFeature]:
    """Parsing spec of the labels and their weights; an absent label has weight 0."""
    zero = tf.io.FixedLenFeature([], tf.float32, 0.0)
    names = (*map(features.label, task.labels), *map(features.label_weight, task.labels))
    return dict.fromkeys(names, zero)


def _label_spec(task: TaskSettings) -> dict[str, tf.io.FixedLenFeature]:
    return target_spec(task) | {features.PATIENT_ID: tf.io.FixedLenFeature([], tf.string, "")}


def _list_files(patterns: Iterable[str], what: str) -> tuple[tuple[str, ...], int]:
    """Lists the files of the patterns, sorted, and their total size in bytes."""
    patterns = list(patterns)
    files = sorted({name for pattern in patterns for name in tf.io.gfile.glob(pattern)})
    if not files:
        raise InputError(f"{what}: no file matches {patterns}; TFRecord files are expected there")
    return tuple(files), sum(tf.io.gfile.stat(name).length for name in files)


def _open(file: tf.Tensor) -> tf.data.Dataset:
    gzipped = tf.strings.regex_full_match(file, r".*\.gz")
    return tf.data.TFRecordDataset(file, compression_type=tf.where(gzipped, "GZIP", ""))


def _cache(files: tuple[str, ...], size: int) -> tf.Tensor | None:
    """Reads all records if the files (whose images are already compressed) are small enough."""
    if size > CACHE_BYTES:
        return None
    batches = list(read(files).batch(_READ_BATCH))
    return tf.concat(batches, axis=0) if batches else tf.zeros([0], tf.string)


def _count(files: tuple[str, ...]) -> int:
    return int(read(files).reduce(np.int64(0), lambda total, _: total + 1))


def _read_index(stream: tf.data.Dataset, task: TaskSettings) -> Index:
    spec = _label_spec(task)

    def parse(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        parsed = tf.io.parse_single_example(serialized, spec)
        return parsed[features.PATIENT_ID], *targets(parsed, task)

    rows = list(stream.map(parse).batch(_READ_BATCH).as_numpy_iterator())
    if not rows:
        width = len(task.targets)
        return Index(np.zeros(0, bytes), np.zeros((0, width)), np.zeros((0, width)))
    patients, labels, weights = (np.concatenate(column) for column in zip(*rows, strict=True))
    return Index(np.asarray(patients, bytes), labels, weights)
