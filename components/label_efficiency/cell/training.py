"""Trains a cell's classifier for a number of steps and scores images with it.

The weights of the last step count, so only the choice between the search's candidates uses
validation. Trainings that differ only in data, seed and first weights share one compiled network,
because TensorFlow takes longer to trace a step than a small network takes for a hundred steps.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from scipy import special

from components.label_efficiency.cell.labels import Drawn
from components.label_efficiency.cell.settings import CellSettings
from schemas.documents.study import Candidate
from trainer_modules.backbones import registry
from trainer_modules.decisions import auc
from trainer_modules.input import batches as input_batches
from trainer_modules.input import class_weights, records
from trainer_modules.settings import FinetuneSettings, ModelSettings, TaskSettings
from trainer_modules.supervised.classifier import Classifier, choose_trained_layers, layer_rates
from trainer_modules.training import optimizers, stage

_SCORE_BATCH = 256
# Enough for a search of a few candidates, without many copies of a large network.
_COMPILED = 3

Weights = Sequence[np.ndarray]


@dataclasses.dataclass(frozen=True)
class Job:
    """What all trainings of a cell share."""

    task: TaskSettings
    model: ModelSettings
    finetune: FinetuneSettings
    settings: CellSettings
    seed: int


class Network:
    """A compiled classifier that can be retrained from given weights, and scores images."""

    def __init__(self, classifier: Classifier, image_size: int) -> None:
        self.classifier = classifier
        optimizer = classifier.optimizer
        optimizer.build(classifier.trainable_variables)
        self._fresh = [keras.ops.convert_to_numpy(v) for v in optimizer.variables]
        shape = tf.TensorSpec([None, image_size, image_size, 3], tf.float32)
        self._logits = tf.function(
            lambda images: classifier(images, training=False),
            input_signature=[shape],
            autograph=False,
        )

    def fit(self, weights: Weights, batches: tf.data.Dataset, steps: int) -> None:
        """Trains from these weights with a fresh optimizer."""
        self.classifier.set_weights(weights)
        for variable, value in zip(self.classifier.optimizer.variables, self._fresh, strict=True):
            variable.assign(value)
        self.classifier.fit(batches, steps_per_epoch=steps, epochs=1, shuffle=False, verbose=0)

    def probabilities(self, source: records.Records, job: Job) -> np.ndarray:
        """Uncalibrated probabilities of the targets, [N, T] in stored order."""
        batches = input_batches.evaluation_batches(source, job.model.image_size, _SCORE_BATCH)
        logits = np.concatenate([self._logits(images).numpy() for images in batches])
        logits = logits.astype(np.float64)
        multiclass = job.task.kind == "multiclass"
        return special.softmax(logits, axis=1) if multiclass else special.expit(logits)


def build(job: Job) -> Classifier:
    """Builds a classifier with random weights and a head of zeros."""
    encoder = registry.build_backbone(job.model, synchronized=True)
    return Classifier(encoder, job.task)


def train(
    weights: Weights,
    drawn: Drawn,
    candidate: Candidate,
    job: Job,
    strategy: tf.distribute.Strategy,
) -> Network:
    """Trains from these weights; a fraction of the labels gets as many steps as all of them."""
    steps, finetune = job.settings.steps, job.finetune
    batch_size = stage.batch_size(job.settings.batch_size, drawn.source.count, strategy)
    passes = math.ceil(steps / input_batches.steps_per_epoch(drawn.source, batch_size))
    balanced = finetune.class_weights == "balanced"
    batches = input_batches.finetuning_batches(
        drawn.source,
        finetune.augment,
        job.model.image_size,
        batch_size,
        job.seed,
        range(passes),
        class_weights=class_weights.balanced(drawn.index, job.task) if balanced else None,
        mixup_alpha=finetune.mixup,
    )
    unseeded = dataclasses.replace(job, seed=0)
    policy = keras.config.dtype_policy().name
    network = _compiled(_Recipe(unseeded, candidate, batch_size, policy))
    network.fit(weights, batches, steps)
    return network


def mean_auc(index: records.Index, probability: np.ndarray) -> float:
    """Mean AUC over the targets; NaN if the training diverged."""
    if not np.isfinite(probability).all():
        return math.nan
    return auc.mean_auc(index.labels, index.weights, probability)


@dataclasses.dataclass(frozen=True)
class _Recipe:
    """What a compiled network depends on."""

    job: Job
    candidate: Candidate
    batch_size: int
    policy: str

    def __hash__(self) -> int:
        # Settings contain mappings, which have no hash; equality decides.
        return hash((self.candidate, self.batch_size, self.policy))


@functools.lru_cache(maxsize=_COMPILED)
def _compiled(recipe: _Recipe) -> Network:
    job, finetune = recipe.job, recipe.job.finetune
    # The Finetuner's schedule, stretched to the steps: its warm-up is the same fraction of them.
    warmup = min(1.0, finetune.optimizer.warmup_epochs / finetune.epochs)
    settings = finetune.optimizer.model_copy(
        update={**recipe.candidate.model_dump(), "warmup_epochs": warmup}
    )
    with stage.machine_strategy().scope():
        classifier = build(job)
        choose_trained_layers(classifier.encoder, job.model, finetune)
        classifier.compile(
            optimizers.build_optimizer(
                settings,
                recipe.batch_size,
                job.settings.steps,
                epochs=1,
                rates=layer_rates(classifier.encoder, job.model, finetune.layer_decay),
            ),
            jit_compile=stage.JIT_COMPILE,
        )
        return Network(classifier, job.model.image_size)
