"""The Finetuner's `run_fn`: supervised training from the pretrained encoder.

Epoch, temperature and thresholds are chosen on in-distribution validation examples alone.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging
from keras import ops
from scipy import special

from trainer_modules import (
    backbone,
    calibration,
    export,
    initialization,
    input_pipeline,
    operating_point,
    optimizers,
    records,
    scores,
    stage,
    training_loop,
)
from trainer_modules.errors import InputError
from trainer_modules.settings import FinetuneSettings, InitSettings, TaskSettings

_AUC = "validation_auc"
_LOSS = "validation_loss"
_SCORE_BATCH = 256


class Classifier(keras.Model):
    """Images [B, H, W, 3] to logits [B, T]: a backbone and one dense layer that starts at zero."""

    def __init__(self, encoder: keras.Model, task: TaskSettings) -> None:
        super().__init__()
        self.encoder = encoder
        self.task = task
        self.head = keras.layers.Dense(
            len(task.targets),
            kernel_initializer="zeros",
            dtype="float32",
            name=optimizers.SUPERVISED_HEAD,
        )
        self.head.build(encoder.output_shape)
        self.built = True

    def call(self, images: Any, training: bool = False) -> Any:
        return self.head(self.encoder(images, training=training))

    def compute_loss(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any, training: bool = True
    ) -> Any:
        entropy = softmax_entropy if self.task.kind == "multiclass" else sigmoid_entropy
        loss = weighted_mean(entropy(y, y_pred), sample_weight)
        # Gradients of the replicas are summed.
        return loss / tf.distribute.get_strategy().num_replicas_in_sync


def sigmoid_entropy(labels: Any, logits: Any) -> Any:
    """Binary cross-entropy of each example and target, [B, T]."""
    return ops.maximum(logits, 0.0) - logits * labels + ops.log1p(ops.exp(-ops.abs(logits)))


def softmax_entropy(labels: Any, logits: Any) -> Any:
    """Cross-entropy of each example with one-hot labels [B, T], as [B, 1]."""
    return -ops.sum(labels * ops.log_softmax(logits, axis=-1), axis=-1, keepdims=True)


def weighted_mean(values: Any, weights: Any) -> Any:
    """Mean over the known labels; 0 when a batch has none."""
    total = ops.sum(weights)
    return ops.sum(values * weights) / ops.where(total > 0, total, 1.0)


def run_fn(fn_args: stage.FnArgs) -> None:
    """Entry point of TFX's Trainer."""
    work = stage.read(fn_args, "finetune")
    with stage.session(work) as strategy:
        settings: FinetuneSettings = work.settings
        source, index = records.open_labelled(
            work.train_files, work.task, "train split", settings.label_fraction, work.seed
        )
        validation, truth = records.open_labelled(work.eval_files, work.task, "validation split")
        batch_size = stage.batch_size(settings.batch_size, source.count, strategy)
        steps = input_pipeline.steps_per_epoch(source, batch_size)
        with strategy.scope():
            model = _build(work, batch_size, steps)

        def batches(epochs: range, skipped: int) -> tf.data.Dataset:
            size, seed = work.model.image_size, work.seed
            return input_pipeline.finetuning_batches(
                source, settings.augment, size, batch_size, seed, epochs, skipped
            )

        def logits() -> np.ndarray:
            images = input_pipeline.evaluation_batches(
                validation, work.model.image_size, _SCORE_BATCH
            )
            return model.predict(images, verbose=0).astype(np.float64)

        def measure(epoch: int) -> dict[str, float]:
            return validate(truth, logits(), work.task)

        plan = training_loop.Plan(
            "finetune", settings.epochs, steps, batch_size, merit, settings.early_stopping_epochs
        )
        store = work.checkpoints()
        history = training_loop.fit(model, batches, plan, store, work.model_run_dir, measure)
        head = _calibrated_head(model, truth, logits(), work)
        export.export_classifier(
            export.serving_network(model.encoder, work.model),
            head,
            work.task,
            work.model.image_size,
            work.serving_model_dir,
            _card(work, head, index, history),
        )
        store.delete()


def _build(work: stage.Stage, batch_size: int, steps: int) -> Classifier:
    settings = work.settings
    encoder = backbone.build_backbone(work.model, synchronized=True)
    if not work.base_model:
        raise InputError(
            "base_model is empty: finetuning starts from the Pretrainer's exported encoder, a "
            f"folder with {export.EXTRA}/{export.WEIGHTS}"
        )
    initialization.initialize(encoder, InitSettings(source="encoder", path=work.base_model))
    encoder.trainable = settings.mode == "full"
    model = Classifier(encoder, work.task)
    model.compile(
        optimizers.build_optimizer(settings.optimizer, batch_size, steps, settings.epochs),
        jit_compile=stage.JIT_COMPILE,
    )
    return model


def validate(truth: records.Index, logits: np.ndarray, task: TaskSettings) -> dict[str, float]:
    """Mean AUC and loss on validation examples."""
    entropy = softmax_entropy if task.kind == "multiclass" else sigmoid_entropy
    losses = np.asarray(entropy(truth.labels.astype(np.float64), logits))
    return {
        _AUC: scores.mean_auc(truth.labels, truth.weights, logits),
        _LOSS: float(np.sum(losses * truth.weights) / np.sum(truth.weights)),
    }


def merit(figures: dict[str, float]) -> tuple[float, float]:
    """Mean AUC first; the loss decides between equals, and where no AUC is defined."""
    auc = figures[_AUC]
    return -math.inf if math.isnan(auc) else auc, -figures[_LOSS]


def _calibrated_head(
    model: Classifier, truth: records.Index, logits: np.ndarray, work: stage.Stage
) -> export.Head:
    temperatures = np.ones(len(work.task.targets))
    if work.settings.calibrate:
        temperatures = _temperatures(truth, logits, work.task)
    scaled = logits / temperatures
    multiclass = work.task.kind == "multiclass"
    probabilities = special.softmax(scaled, axis=1) if multiclass else special.expit(scaled)
    kernel, bias = model.head.get_weights()
    thresholds = _thresholds(truth, probabilities, work)
    return export.Head(kernel, bias, temperatures, thresholds)


def _temperatures(truth: records.Index, logits: np.ndarray, task: TaskSettings) -> np.ndarray:
    if task.kind == "multiclass":
        classes = truth.labels.argmax(axis=1)
        return np.full(len(task.targets), calibration.softmax_temperature(classes, logits))
    known = truth.weights > 0
    return np.array(
        [
            calibration.sigmoid_temperature(truth.labels[rows, target], logits[rows, target])
            for target, rows in enumerate(known.T)
        ]
    )


def _thresholds(truth: records.Index, probabilities: np.ndarray, work: stage.Stage) -> np.ndarray:
    known = np.broadcast_to(truth.weights > 0, truth.labels.shape)
    thresholds = []
    for target, name in enumerate(work.task.targets):
        rows = known[:, target]
        point = operating_point.choose(
            truth.labels[rows, target], probabilities[rows, target], work.settings.operating_point
        )
        if point is None:
            logging.warning(
                "Threshold of '%s' is %g: validation examples of one class only.",
                name,
                operating_point.UNDETERMINED_THRESHOLD,
            )
        thresholds.append(point.threshold if point else operating_point.UNDETERMINED_THRESHOLD)
    return np.array(thresholds)


def _card(
    work: stage.Stage,
    head: export.Head,
    index: records.Index,
    history: training_loop.History,
) -> dict[str, Any]:
    targets = work.task.targets
    best = history.epochs[history.extra["best_epoch"] - 1]
    auc = best[_AUC]
    return {
        "kind": "classifier",
        "targets": list(targets),
        "thresholds": dict(zip(targets, head.thresholds.tolist(), strict=True)),
        "temperature": dict(zip(targets, head.temperatures.tolist(), strict=True)),
        "model": work.model.model_dump(mode="json"),
        "feature_dim": backbone.feature_dim(work.model),
        "image_size": work.model.image_size,
        "trained_on": {
            "method": f"supervised, {work.settings.mode}",
            "splits": ["train"],
            "images": len(index),
            "patients": len(np.unique(index.patients)),
            "label_fraction": work.settings.label_fraction,
            "epochs": len(history.epochs),
            "best_epoch": best["epoch"],
            "validation_auc": None if math.isnan(auc) else auc,
            "operating_point": work.settings.operating_point.model_dump(mode="json"),
            "seed": work.seed,
        },
    }
