"""The Upstream Trainer's `run_fn`: the backbone's first weights from labeled natural images.

Step 1 of REMEDIS, for use without released weights. It exports an encoder as the Pretrainer does,
and the Pretrainer starts from it.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from schemas.documents.cards import FirstWeights, NaturalImages
from trainer_modules import export
from trainer_modules.backbones import registry
from trainer_modules.input import batches as input_batches
from trainer_modules.input import records
from trainer_modules.settings import TaskSettings, UpstreamTraining
from trainer_modules.supervised.classifier import Classifier
from trainer_modules.supervised.selection import ACCURACY, AUC, selection_score, validate
from trainer_modules.training import loop, optimizers, stage
from trainer_modules.weights import initialization

_SCORE_BATCH = 256


def run_fn(fn_args: stage.FnArgs) -> None:
    """Entry point of TFX's Trainer."""
    work = stage.read(fn_args, "upstream")
    with stage.session(work) as strategy:
        settings: UpstreamTraining = work.settings
        size = settings.image_size or work.model.image_size
        source, index = records.open_labeled(work.train_files, work.task, "upstream train split")
        validation, truth = records.open_labeled(
            work.eval_files, work.task, "upstream validation split"
        )
        batch_size = stage.batch_size(settings.batch_size, source.count, strategy)
        steps = input_batches.steps_per_epoch(source, batch_size)
        with strategy.scope():
            model, initialized = _build(work, batch_size, steps)

        def batches(epochs: range, skipped: int) -> tf.data.Dataset:
            return input_batches.finetuning_batches(
                source, settings.augment, size, batch_size, work.seed, epochs, skipped
            )

        def measure(epoch: int) -> dict[str, float]:
            images = input_batches.evaluation_batches(validation, size, _SCORE_BATCH)
            logits = model.predict(images, verbose=0).astype(np.float64)
            return validate(truth, logits, work.task) | _accuracy(truth, logits, work.task)

        plan = loop.Plan("upstream", settings.epochs, steps, batch_size, selection_score)
        store = work.checkpoints()
        history = loop.fit(model, batches, plan, store, work.model_run_dir, measure)
        network = export.serving_network(model.encoder, work.model)
        trained_on = _trained_on(work, index, initialized, history)
        card = export.encoder_card(network, work.model, trained_on, work.ingestion)
        export.export_encoder(network, work.serving_model_dir, card)
        store.delete()


def _build(work: stage.Stage, batch_size: int, steps: int) -> tuple[Classifier, FirstWeights]:
    settings = work.settings
    encoder = registry.build_backbone(work.model, synchronized=True)
    initialized = initialization.initialize(encoder, work.model.init)
    model = Classifier(encoder, work.task)
    model.compile(
        optimizers.build_optimizer(settings.optimizer, batch_size, steps, settings.epochs),
        jit_compile=stage.JIT_COMPILE,
    )
    return model, initialized


def _accuracy(truth: records.Index, logits: np.ndarray, task: TaskSettings) -> dict[str, float]:
    """Fraction of images whose class has the highest score; only for a multiclass task."""
    if task.kind != "multiclass":
        return {}
    hits = truth.labels.argmax(axis=1) == logits.argmax(axis=1)
    return {ACCURACY: float(np.mean(hits))}


def _trained_on(
    work: stage.Stage,
    index: records.Index,
    initialized: FirstWeights,
    history: loop.History,
) -> NaturalImages:
    best = history.kept
    return NaturalImages(
        targets=work.task.targets,
        images=len(index),
        epochs=len(history.epochs),
        best_epoch=best["epoch"],
        validation_auc=best[AUC],
        validation_accuracy=best.get(ACCURACY),
        seed=work.seed,
        initialised=initialized,
    )
