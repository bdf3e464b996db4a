"""What an embedding encodes about the domain, and whether it is entangled with the label.

An embedding that tells the domains apart is not a fault by itself. It is one if the direction that
separates the domains also orders the patients of one domain by their label: the model can then
mistake one for the other.
"""

from __future__ import annotations

import math

import numpy as np

from schemas import features
from schemas.documents.shift import DomainAndLabel
from trainer_modules.decisions.auc import auc
from trainer_modules.probes.logistic import FOLDS, fit_folds

MIN_PATIENTS = 10  # of each class, or a fold could have none
MAX_IMAGES = 20_000


def domain_and_label(
    embedding: np.ndarray,
    domain: np.ndarray,
    label: np.ndarray,
    weight: np.ndarray,
    patient: np.ndarray,
) -> DomainAndLabel:
    """Linear probes on a frozen embedding, scored on patients that they were not fitted on.

    Args:
        embedding: Shape [N, D]; rows that are not finite are excluded.
        domain: `in_distribution` or `shifted`, shape [N].
        label: 0 or 1 of one target, shape [N].
        weight: 0 where the label is unknown.
        patient: Whose image it is.

    Returns:
        AUCs, which are near 0.5 if one probe says nothing about what the other was fitted to.
    """
    rows = _some(np.flatnonzero(np.isfinite(embedding).all(axis=1)))
    embedding, domain, label = embedding[rows].astype(np.float64), domain[rows], label[rows]
    weight, patient = weight[rows], patient[rows]
    shifted = (domain == features.SHIFTED).astype(int)
    known = weight > 0
    inside = known & (shifted == 0)
    by_domain = _out_of_fold(embedding, shifted, patient, np.ones(len(rows), bool))
    by_label = _out_of_fold(embedding, label.astype(int), patient, inside)
    tangled = [
        _auc(by_label, shifted, known & (label == value) & np.isfinite(by_label))
        for value in (0, 1)
    ]
    scored = [one for one in tangled if one is not None]
    domain_by_label = float(np.mean(scored)) if len(scored) == 2 else None
    label_by_domain = _auc(by_domain, label, inside)
    distances = [2 * abs(a - 0.5) for a in (domain_by_label, label_by_domain) if a is not None]
    return DomainAndLabel(
        images=len(rows),
        domain=_auc(by_domain, shifted, np.isfinite(by_domain)),
        label_in_distribution=_auc(by_label, label, inside),
        label_shifted=_auc(by_label, label, known & (shifted == 1)),
        domain_by_label_probe=domain_by_label,
        label_by_domain_probe=label_by_domain,
        confusion=max(distances) if distances else None,
    )


def _some(rows: np.ndarray) -> np.ndarray:
    """Thins the rows evenly if there are too many."""
    return rows[:: -(-len(rows) // MAX_IMAGES) or 1]


def _out_of_fold(
    embedding: np.ndarray, truth: np.ndarray, patient: np.ndarray, fitted: np.ndarray
) -> np.ndarray:
    """Scores of a logistic regression; NaN if a class has too few patients to fit one.

    Rows outside `fitted` get the mean score of the folds' models.
    """
    scores = np.full(len(embedding), np.nan)
    places = np.flatnonzero(fitted)
    for value in (0, 1):
        if len(np.unique(patient[places][truth[places] == value])) < MIN_PATIENTS:
            return scores
    scores[~fitted] = 0.0
    for model, held_out in fit_folds(embedding[places], truth[places], patient[places]):
        scores[places[held_out]] = model.decision_function(embedding[places[held_out]])
        if (~fitted).any():
            scores[~fitted] += model.decision_function(embedding[~fitted]) / FOLDS
    return scores


def _auc(scores: np.ndarray, truth: np.ndarray, rows: np.ndarray) -> float | None:
    if not np.isfinite(scores[rows]).all():
        return None
    value = auc(truth[rows], scores[rows])
    return None if math.isnan(value) else value
