"""Which training patients keep their labels when only a fraction of the labels is used."""

from __future__ import annotations

import hashlib

import numpy as np


def choose_patients(
    patients: np.ndarray, labels: np.ndarray, weights: np.ndarray, fraction: float, seed: int
) -> frozenset[bytes]:
    """Draws patients so that smaller fractions are subsets of larger ones with the same seed.

    Patients are stratified by their rarest positive target (or none), and each stratum is cut at
    the same fraction of an order that depends only on the seed and the patient: neither the order
    of the files nor the other patients change it. At any fraction, every target keeps one patient
    with a known positive and one with a known negative, if there are such patients.

    Args:
        patients: Patient of each example, [N] bytes.
        labels: 0/1 per target, [N, T].
        weights: 0 where a label is unknown, [N, T].
        fraction: Of the patients, in (0, 1].
        seed: Another seed gives another draw.

    Returns:
        The patients drawn.
    """
    names = np.unique(patients)
    if fraction >= 1:
        return frozenset(names.tolist())
    positive, negative = _patient_classes(names, patients, labels, weights)
    keys = [_order_key(name, seed) for name in names.tolist()]
    ranked = sorted(range(len(names)), key=keys.__getitem__)
    strata: dict[int, list[int]] = {}
    rarity = positive.sum(axis=0)
    for index in ranked:
        held = np.flatnonzero(positive[index])
        stratum = int(held[np.argmin(rarity[held])]) if held.size else -1
        strata.setdefault(stratum, []).append(index)
    chosen: set[int] = set()
    for members in strata.values():
        chosen.update(members[: max(1, round(fraction * len(members)))])
    for known in (*positive.T, *negative.T):
        chosen.update(next(([index] for index in ranked if known[index]), []))
    return frozenset(names[index] for index in chosen)


def _order_key(patient: bytes, seed: int) -> bytes:
    return hashlib.sha256(b"%d:" % seed + patient).digest()


def _patient_classes(
    names: np.ndarray, patients: np.ndarray, labels: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Per patient and target: has a known positive, has a known negative ([P, T] each)."""
    rows = np.searchsorted(names, patients)
    shape = (len(names), labels.shape[1])
    positive, negative = np.zeros(shape, bool), np.zeros(shape, bool)
    known = np.broadcast_to(weights > 0, labels.shape)
    np.logical_or.at(positive, rows, known & (labels > 0.5))
    np.logical_or.at(negative, rows, known & (labels <= 0.5))
    return positive, negative
