"""One finetuning, from the pretrained encoder to the weights of the best epoch.

The Finetuner runs it once, the search once per candidate. It trains only on the train split and
evaluates only on the in-distribution validation split.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from schemas import model_files
from schemas.errors import InputError
from trainer_modules.backbones import registry
from trainer_modules.input import batches as input_batches
from trainer_modules.input import class_weights, records
from trainer_modules.settings import FinetuneSettings, InitSettings
from trainer_modules.supervised import bit_hyperrule, recipe
from trainer_modules.supervised.classifier import Classifier, choose_trained_layers, layer_rates
from trainer_modules.supervised.selection import selection_score, validate
from trainer_modules.training import checkpoint, loop, optimizers, stage
from trainer_modules.weights import initialization

_SCORE_BATCH = 256


@dataclasses.dataclass(frozen=True)
class Finetuned:
    """A finetuned network and how it was trained.

    Attributes:
        work: The stage, with the training resolution.
        model: With the weights of the best epoch.
        recipe: Its resolved settings.
        history: Epoch by epoch.
        train: Index of the training examples.
        truth: Index of the validation examples.
        logits: Of the validation examples, [N, T] float64, not calibrated.
        store: Checkpoints, to be deleted once the result is safe.
    """

    work: stage.Stage
    model: Classifier
    recipe: recipe.Recipe
    history: loop.History
    train: records.Index
    truth: records.Index
    logits: np.ndarray
    store: checkpoint.CheckpointStore

    @property
    def best(self) -> dict[str, float]:
        """The best epoch's metrics."""
        return self.history.kept


def fit_classifier(
    work: stage.Stage,
    strategy: tf.distribute.Strategy,
    *,
    chosen: Mapping[str, float],
    name: str = "finetune",
) -> Finetuned:
    """Trains one classifier inside a stage's session.

    Args:
        work: The stage.
        strategy: The session's.
        chosen: Learning rate and weight decay found by a search; empty: those of the settings.
        name: Of this training, for progress lines.
    """
    settings: FinetuneSettings = work.settings
    source, index = records.open_labeled(
        work.train_files, work.task, "train split", settings.label_fraction, work.seed
    )
    validation, truth = records.open_labeled(work.eval_files, work.task, "validation split")
    work = _at_resolution(work, source)
    batch_size = stage.batch_size(recipe.wanted_batch_size(settings), source.count, strategy)
    per_pass = input_batches.steps_per_epoch(source, batch_size)
    plan = recipe.resolve(settings, len(index), batch_size, per_pass, chosen)
    with strategy.scope():
        model = _build(work, plan)
    weights = None
    if settings.class_weights == "balanced":
        weights = class_weights.balanced(index, work.task)

    def batches(epochs: range, skipped: int) -> tf.data.Dataset:
        # An epoch of the plan is not necessarily a pass through the training set.
        done = epochs.start * plan.steps + skipped
        passes = range(done // per_pass, -(-plan.total_steps // per_pass))
        return input_batches.finetuning_batches(
            source,
            work.settings.augment,
            work.model.image_size,
            batch_size,
            work.seed,
            passes,
            done % per_pass,
            class_weights=weights,
            mixup_alpha=plan.mixup,
        )

    def logits() -> np.ndarray:
        images = input_batches.evaluation_batches(validation, work.model.image_size, _SCORE_BATCH)
        return model.predict(images, verbose=0).astype(np.float64)

    store = work.checkpoints()
    history = loop.fit(
        model,
        batches,
        loop.Plan(
            name,
            plan.epochs,
            plan.steps,
            batch_size,
            lambda metrics: selection_score(metrics, settings.select_by),
            settings.early_stopping_epochs,
        ),
        store,
        work.model_run_dir,
        lambda epoch: validate(truth, logits(), work.task),
    )
    return Finetuned(work, model, plan, history, index, truth, logits(), store)


def _at_resolution(work: stage.Stage, source: records.Records) -> stage.Stage:
    """The stage, with the HyperRule's image size and crop if the settings request them."""
    settings: FinetuneSettings = work.settings
    if settings.resolution == "model":
        return work
    resized, crop = bit_hyperrule.resolution(*input_batches.first_image_size(source))
    fraction = (crop / resized) ** 2
    view = {"crop_area": (fraction, fraction), "crop_aspect": (1.0, 1.0)}
    augment = settings.augment.model_copy(update=view)
    return dataclasses.replace(
        work,
        model=work.model.model_copy(update={"image_size": crop}),
        settings=settings.model_copy(update={"augment": augment}),
    )


def _build(work: stage.Stage, plan: recipe.Recipe) -> Classifier:
    settings: FinetuneSettings = work.settings
    encoder = registry.build_backbone(work.model, synchronized=True)
    if not work.base_model:
        raise InputError(
            "base_model is empty: finetuning starts from the Pretrainer's exported encoder, a "
            f"folder with {model_files.WEIGHTS}"
        )
    initialization.initialize(encoder, InitSettings(source="encoder", path=work.base_model))
    choose_trained_layers(encoder, work.model, settings)
    model = Classifier(encoder, work.task)
    optimizer = optimizers.build_optimizer(
        plan.optimizer,
        plan.batch_size,
        plan.steps,
        plan.epochs,
        schedule=plan.schedule,
        rates=layer_rates(encoder, work.model, settings.layer_decay),
    )
    model.compile(optimizer, jit_compile=stage.JIT_COMPILE)
    return model
