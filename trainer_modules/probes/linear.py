"""How linearly separable the labels are in frozen features, which measures pretraining.

A logistic regression on labeled training examples, evaluated on in-distribution validation
examples. Labels never reach the encoder's weights; they choose the epoch whose weights are kept.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from absl import logging

from schemas.errors import InputError
from trainer_modules.decisions import auc
from trainer_modules.input import records
from trainer_modules.probes import logistic, neighbors
from trainer_modules.settings import TaskSettings

LINEAR = "probe_auc"
NEIGHBORS = "neighbour_auc"
METRICS = (LINEAR, NEIGHBORS)
MAX_EXAMPLES = 5000

Embed = Callable[[records.Records], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Probe:
    """Labeled examples of the training and validation splits, for both probes."""

    train: records.Records
    train_index: records.Index
    validation: records.Records
    validation_index: records.Index

    def metrics(self, embed: Embed) -> dict[str, float]:
        """Mean AUC over targets on validation; NaN when no target has both classes."""
        features = embed(self.train), self.train_index, embed(self.validation)
        return {
            LINEAR: probe_auc(*features, self.validation_index),
            NEIGHBORS: neighbors.neighbor_auc(*features, self.validation_index),
        }


def open_probe(
    train_files: tuple[str, ...], eval_files: tuple[str, ...], task: TaskSettings, seed: int
) -> Probe | None:
    """Opens the probe's examples; returns None, and logs the reason, without enough labels."""
    try:
        train, train_index = _open_some(train_files, task, "labeled training examples", seed)
        validation, validation_index = _open_some(
            eval_files, task, "labeled validation examples", seed
        )
    except InputError as error:
        logging.warning("No probe of the pretrained encoder: %s", error)
        return None
    return Probe(train, train_index, validation, validation_index)


def _open_some(
    files: tuple[str, ...], task: TaskSettings, what: str, seed: int
) -> tuple[records.Records, records.Index]:
    """At most about MAX_EXAMPLES labeled examples, of patients drawn from the seed."""
    opened, index = records.open_labeled(files, task, what)
    if len(index) <= MAX_EXAMPLES:
        return opened, index
    return records.open_labeled(files, task, what, MAX_EXAMPLES / len(index), seed)


def probe_auc(
    train: np.ndarray,
    train_index: records.Index,
    validation: np.ndarray,
    validation_index: records.Index,
) -> float:
    """Mean AUC over targets of one logistic regression per target on [N, D] features."""
    predicted = probe_scores(train, train_index, validation)
    return auc.mean_auc(validation_index.labels, validation_index.weights, predicted)


def probe_scores(
    train: np.ndarray, train_index: records.Index, validation: np.ndarray
) -> np.ndarray:
    """Scores [N, T] of one logistic regression per target; 0 where it saw only one class."""
    labels, weights = train_index.labels, train_index.weights
    known = np.broadcast_to(weights > 0, labels.shape)
    predicted = np.zeros((len(validation), labels.shape[1]))
    for target in range(labels.shape[1]):
        rows = known[:, target]
        truth = labels[rows, target] > 0.5
        if truth.all() or not truth.any():
            continue
        classifier = logistic.fit(train[rows], truth)
        predicted[:, target] = classifier.decision_function(validation)
    return predicted
