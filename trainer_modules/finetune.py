"""The Finetuner's `run_fn`: supervised training from the pretrained encoder.

Only in-distribution validation examples choose the epoch, the calibration and the thresholds. A
multiclass model has no thresholds: it decides for the class of the highest probability.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from absl import logging
from scipy import special

from schemas import features
from schemas.documents.cards import (
    CalibrationMetrics,
    CardCalibration,
    ClassifierCard,
    Finetuning,
)
from trainer_modules import export
from trainer_modules.decisions import calibration, calibration_metrics, operating_point
from trainer_modules.input import records
from trainer_modules.settings import TaskSettings
from trainer_modules.supervised.fit_classifier import Finetuned, fit_classifier
from trainer_modules.supervised.selection import AUC
from trainer_modules.training import stage

Metrics = dict[str, CalibrationMetrics]  # by target


def run_fn(fn_args: stage.FnArgs) -> None:
    """Entry point of TFX's Trainer."""
    work = stage.read(fn_args, "finetune")
    chosen = _chosen(fn_args.hyperparameters)
    # They affect the result, so they are part of the checkpoints' digest.
    sections = work.custom_config["settings"] | {"chosen": chosen}
    work = dataclasses.replace(work, custom_config=work.custom_config | {"settings": sections})
    with stage.session(work) as strategy:
        result = fit_classifier(work, strategy, chosen=chosen)
        head, metrics = _calibrated_head(result)
        export.export_classifier(
            export.serving_network(result.model.encoder, result.work.model),
            head,
            work.task,
            result.work.model.image_size,
            work.serving_model_dir,
            _card(result, head, metrics, chosen),
        )
        result.store.delete()


def _chosen(hyperparameters: Mapping[str, Any] | None) -> dict[str, float]:
    """Returns what the Tuner found best; empty if the graph has no Tuner."""
    if not hyperparameters:
        return {}
    import keras_tuner

    found = keras_tuner.HyperParameters.from_config(hyperparameters).values
    logging.info("Finetuning with the best candidate of the search: %s", found)
    return dict(found)


def _calibrated_head(result: Finetuned) -> tuple[export.Head, dict[str, Metrics]]:
    task, settings = result.work.task, result.work.settings
    truth, logits = result.truth, result.logits
    fitted = calibration.fit(
        settings.calibration,
        truth.labels,
        truth.weights,
        logits,
        exclusive=task.kind == "multiclass",
    )
    before = _probabilities(logits, task)
    after = _probabilities(fitted.apply(logits), task)
    kernel, bias = result.model.head.get_weights()
    head = export.Head(kernel, bias, fitted, _thresholds(result, after))
    return head, {
        "before": _calibration_metrics(truth, before, task),
        "after": _calibration_metrics(truth, after, task),
    }


def _probabilities(logits: np.ndarray, task: TaskSettings) -> np.ndarray:
    multiclass = task.kind == "multiclass"
    return special.softmax(logits, axis=1) if multiclass else special.expit(logits)


def _calibration_metrics(
    truth: records.Index, probabilities: np.ndarray, task: TaskSettings
) -> Metrics:
    """Calibration of each target on the validation examples with a known label for it."""
    known = np.broadcast_to(truth.weights > 0, truth.labels.shape)
    found = {}
    for target, name in enumerate(task.targets):
        rows = known[:, target]
        one = calibration_metrics.measure(truth.labels[rows, target], probabilities[rows, target])
        found[name] = CalibrationMetrics(ece=one.ece, brier=one.brier, examples=one.examples)
    return found


def _thresholds(result: Finetuned, probabilities: np.ndarray) -> np.ndarray | None:
    truth, work = result.truth, result.work
    if work.task.kind == "multiclass":
        return None
    known = np.broadcast_to(truth.weights > 0, truth.labels.shape)
    thresholds = []
    for target, name in enumerate(work.task.targets):
        rows = known[:, target]
        point = operating_point.choose(
            truth.labels[rows, target], probabilities[rows, target], work.settings.operating_point
        )
        if point is None:
            logging.warning(
                "The threshold of '%s' is %g: its validation examples all have the same class.",
                name,
                operating_point.UNDETERMINED_THRESHOLD,
            )
        thresholds.append(point.threshold if point else operating_point.UNDETERMINED_THRESHOLD)
    return np.array(thresholds)


def _card(
    result: Finetuned,
    head: export.Head,
    metrics: Mapping[str, Metrics],
    chosen: Mapping[str, float],
) -> ClassifierCard:
    work, plan = result.work, result.recipe
    targets = work.task.targets

    def named(values: np.ndarray | None) -> dict[str, float]:
        if values is None:
            return {}
        return dict(zip(targets, values.tolist(), strict=True))

    fitted, method = head.calibration, work.settings.calibration
    return ClassifierCard(
        targets=targets,
        decision="highest" if head.thresholds is None else "threshold",
        thresholds=named(head.thresholds),
        temperature={} if method == "vector" else named(1 / fitted.scale),
        calibration=CardCalibration(
            method=method,
            scale=named(fitted.scale),
            offset=named(fitted.offset),
            split=features.VALIDATION,
            **metrics,
        ),
        model=work.model.model_dump(mode="json"),
        feature_dim=result.model.encoder.output_shape[-1],
        image_size=work.model.image_size,
        trained_on=Finetuning(
            method=f"supervised, {work.settings.mode}",
            splits=(features.TRAIN,),
            images=len(result.train),
            patients=len(np.unique(result.train.patients)),
            label_fraction=work.settings.label_fraction,
            recipe=work.settings.recipe,
            optimizer=plan.optimizer.model_dump(mode="json"),
            chosen_by_search=sorted(chosen),
            batch_size=plan.batch_size,
            mixup=plan.mixup,
            class_weights=work.settings.class_weights,
            epochs=len(result.history.epochs),
            best_epoch=result.best["epoch"],
            selected_by=work.settings.select_by,
            validation_auc=result.best[AUC],
            operating_point=work.settings.operating_point.model_dump(mode="json"),
            seed=work.seed,
        ),
        task=work.task.model_dump(mode="json"),
        ingestion=work.ingestion,
    )
