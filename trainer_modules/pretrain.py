"""The Pretrainer's `run_fn`: SimCLR on images without labels.

It starts from the Upstream Trainer's encoder if there is one, else from `model.init`.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from schemas.documents.cards import Contrastive, FirstWeights, NotTrained
from trainer_modules import export
from trainer_modules.backbones import registry
from trainer_modules.contrastive import projection
from trainer_modules.contrastive.ntxent import nt_xent
from trainer_modules.input import batches as input_batches
from trainer_modules.input import patient_pairs, records
from trainer_modules.probes import linear
from trainer_modules.settings import PretrainSettings
from trainer_modules.training import loop, micro_batches, optimizers, stage
from trainer_modules.training.progress import progress
from trainer_modules.weights import initialization

_EMBED_BATCH = 256


class SimClr(keras.Model):
    """Two views of each image [B, 2, H, W, 3] to their projections [B, 2, P]."""

    def __init__(
        self, encoder: keras.Model, head: keras.Model, temperature: float, micro_batch: int = 0
    ) -> None:
        super().__init__()
        self.micro_batch = micro_batch
        self.encoder = encoder
        self.head = head
        self.temperature = temperature
        self.contrastive_top1 = keras.metrics.Mean("contrastive_top1")
        self.entropy = keras.metrics.Mean("entropy")
        self.built = True

    def call(self, views: Any, training: bool = False) -> Any:
        images = ops.reshape(views, (-1, *views.shape[2:]))
        if training:
            features = micro_batches.apply(self.encoder, images, 2 * self.micro_batch)
        else:
            features = self.encoder(images)
        projected = self.head(features, training=training)
        return ops.reshape(projected, (-1, 2, projected.shape[-1]))

    def compute_loss(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any, training: bool = True
    ) -> Any:
        loss, top1, entropy = nt_xent(y_pred[:, 0], y_pred[:, 1], self.temperature)
        self.contrastive_top1.update_state(top1)
        self.entropy.update_state(entropy)
        # The replicas' gradients are summed.
        return loss / tf.distribute.get_strategy().num_replicas_in_sync


def run_fn(fn_args: stage.FnArgs) -> None:
    """Entry point of TFX's Trainer."""
    work = stage.read(fn_args, "pretrain")
    if not work.model.traits.trained:
        _pass_on(work)
        return
    with stage.session(work) as strategy:
        settings: PretrainSettings = work.settings
        source = records.open_unlabeled(work.train_files, work.task, "pretraining splits")
        pairs = patient_pairs.open_cases(source) if settings.pairs == "patient" else source
        batch_size = stage.batch_size(settings.batch_size, pairs.count, strategy)
        steps = input_batches.steps_per_epoch(pairs, batch_size)
        with strategy.scope():
            model, initialized = _build(work, batch_size, steps)

        def batches(epochs: range, skipped: int) -> tf.data.Dataset:
            size, seed = work.model.image_size, work.seed
            return input_batches.pretraining_batches(
                pairs, settings.augment, size, batch_size, seed, epochs, skipped
            )

        probe = linear.open_probe(work.train_files, work.eval_files, work.task, work.seed)

        def measure(epoch: int) -> dict[str, float]:
            every = settings.probe_epochs or settings.epochs
            if probe is None or (epoch % every and epoch != settings.epochs):
                return {}
            return probe.metrics(lambda split: _embed(model.encoder, split, work))

        store = work.checkpoints()
        plan = loop.Plan("pretrain", settings.epochs, steps, batch_size, _selection_score)
        history = loop.fit(model, batches, plan, store, work.model_run_dir, measure)
        network = export.serving_network(model.encoder, work.model)
        trained_on = _trained_on(work, source.count, pairs, initialized, history)
        card = export.encoder_card(network, work.model, trained_on, work.ingestion)
        export.export_encoder(network, work.serving_model_dir, card)
        store.delete()


def _pass_on(work: stage.Stage) -> None:
    """Exports the SavedModel of the settings as the encoder, because it cannot be trained."""
    network = registry.build_backbone(work.model)
    progress(f"pretraining is skipped: model.family={work.model.family} is never trained")
    trained_on = NotTrained(initialised=initialization.describe(work.model.init))
    card = export.encoder_card(network, work.model, trained_on, work.ingestion)
    export.export_encoder(network, work.serving_model_dir, card)
    work.model_run_dir.mkdir(parents=True, exist_ok=True)
    loop.History("pretrain", 0).write(work.model_run_dir)


def _build(work: stage.Stage, batch_size: int, steps: int) -> tuple[SimClr, FirstWeights]:
    settings = work.settings
    encoder = registry.build_backbone(work.model, synchronized=True)
    if settings.micro_batch:
        micro_batches.check(encoder, f"pretrain.micro_batch {settings.micro_batch}")
    if work.base_model:
        initialized = initialization.initialize_from_upstream(encoder, work.base_model)
    else:
        initialized = initialization.initialize(encoder, work.model.init)
    head = projection.build_projection_head(
        encoder.output_shape[-1], settings.projection_layers, settings.projection_dim
    )
    model = SimClr(encoder, head, settings.temperature, settings.micro_batch)
    model.compile(
        optimizers.build_optimizer(settings.optimizer, batch_size, steps, settings.epochs),
        jit_compile=stage.JIT_COMPILE,
    )
    return model, initialized


def _selection_score(epoch: dict[str, float]) -> tuple[float, float] | None:
    """The linear probe's AUC; of equals, the later epoch; None if it was not measured."""
    auc = epoch.get(linear.LINEAR, math.nan)
    return None if math.isnan(auc) else (auc, epoch["epoch"])


def _embed(encoder: keras.Model, split: records.Records, work: stage.Stage) -> np.ndarray:
    batches = input_batches.evaluation_batches(split, work.model.image_size, _EMBED_BATCH)
    return encoder.predict(batches, verbose=0)


def _trained_on(
    work: stage.Stage,
    images: int,
    pairs: records.Records | patient_pairs.Cases,
    initialized: FirstWeights,
    history: loop.History,
) -> Contrastive:
    kept = history.kept
    cases = {}
    if isinstance(pairs, patient_pairs.Cases):
        cases = {"patients": pairs.count, "patients_with_several_images": pairs.several}
    return Contrastive(
        splits=work.settings.splits,
        images=images,
        pairs=work.settings.pairs,
        epochs=len(history.epochs),
        kept_epoch=kept["epoch"],
        seed=work.seed,
        initialised=initialized,
        probe_auc=kept.get(linear.LINEAR),
        neighbour_auc=kept.get(linear.NEIGHBORS),
        **cases,
    )
