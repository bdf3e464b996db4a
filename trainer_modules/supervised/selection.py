"""Metrics of a supervised training on validation examples, and the choice of its best epoch."""

from __future__ import annotations

import math

import numpy as np

from schemas.documents.history import VALIDATION
from trainer_modules.decisions import auc
from trainer_modules.input import records
from trainer_modules.settings import TaskSettings
from trainer_modules.supervised.classifier import entropy_of

AUC = f"{VALIDATION}auc"
PR_AUC = f"{VALIDATION}pr_auc"
LOSS = f"{VALIDATION}loss"
ACCURACY = f"{VALIDATION}accuracy"
_METRIC = {"auc": AUC, "pr_auc": PR_AUC, "loss": LOSS}


def validate(truth: records.Index, logits: np.ndarray, task: TaskSettings) -> dict[str, float]:
    """Computes an epoch's metrics on the validation examples from their logits [N, T]."""
    losses = np.asarray(entropy_of(task)(truth.labels.astype(np.float64), logits))
    labeled = (truth.labels, truth.weights, logits)
    return {
        AUC: auc.mean_auc(*labeled),
        PR_AUC: auc.mean_pr_auc(*labeled),
        LOSS: float(np.sum(losses * truth.weights) / np.sum(truth.weights)),
    }


def selection_score(metrics: dict[str, float], select_by: str = "auc") -> tuple[float, float]:
    """Score by which epochs are ranked, larger is better: the configured metric, then the loss.

    The loss also decides if the metric is undefined because a class is absent.
    """
    value = metrics[_METRIC[select_by]]
    value = -value if select_by == "loss" else value
    return -math.inf if math.isnan(value) else value, -metrics[LOSS]
