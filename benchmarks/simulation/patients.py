"""SYNTHETIC patients whose truth is known: what intervals and verdicts are measured on.

A patient has 1 to 30 images, 4 on average, most of them few. A score is binormal: the label's part,
a patient's, an image's. Labels are drawn for each image, or once for a patient, or for each image
with a patient's own prevalence.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
from scipy import special

from components.statistics.judged_rows import JudgedRows

Labels = Literal["image", "patient", "mixed"]

# How far a patient's own prevalence is from that of all: the correlation of two images' labels.
_LABEL_CORRELATION = 0.4


@dataclasses.dataclass(frozen=True)
class Population:
    """Patients to draw from.

    Attributes:
        patients: How many.
        prevalence: Of the label, among images.
        auc: Of the score, between images of two patients.
        labels: What has a label of its own.
        correlation: Of the scores of two images of a patient.
        images: Of a patient: 0 for 1 to 30, skewed; else exactly so many.
    """

    patients: int
    prevalence: float
    auc: float
    labels: Labels = "image"
    correlation: float = 0.8
    images: int = 0


def draw(population: Population, random: np.random.Generator) -> JudgedRows:
    """Records of one sample; scores are probabilities, calibrated, decisions at the prevalence."""
    patient = _patients(population, random)
    label = _labels(population, patient, random)
    shift = float(np.sqrt(2) * special.ndtri(population.auc))
    score = shift * label + noise(population, patient, random)
    return records(population, patient, label, score)


def records(
    population: Population, patient: np.ndarray, label: np.ndarray, score: np.ndarray
) -> JudgedRows:
    """Records of binormal scores, as probabilities that are calibrated at the population's AUC."""
    shift = float(np.sqrt(2) * special.ndtri(population.auc))
    log_odds = shift * score - shift**2 / 2 + special.logit(population.prevalence)
    probability = special.expit(log_odds)[:, None]
    return JudgedRows(
        targets=("finding",),
        exclusive=False,
        patient=patient,
        patients=population.patients,
        label=label[:, None],
        weight=np.ones((len(label), 1)),
        score=probability,
        decision=(probability >= population.prevalence).astype(np.float64),
    )


def noise(population: Population, patient: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A patient's and an image's part of a score, of variance 1 together."""
    of_patient = random.normal(size=population.patients)[patient]
    of_image = random.normal(size=len(patient))
    shared = population.correlation
    return np.sqrt(shared) * of_patient + np.sqrt(1 - shared) * of_image


def two_models(
    population: Population, other_auc: float, shared: float, random: np.random.Generator
) -> tuple[JudgedRows, JudgedRows]:
    """A model and another of its own AUC on the same images, `shared` of their noise in common."""
    patient = _patients(population, random)
    label = _labels(population, patient, random)
    common = noise(population, patient, random)
    found = []
    for auc in (population.auc, other_auc):
        own = np.sqrt(shared) * common + np.sqrt(1 - shared) * noise(population, patient, random)
        shift = float(np.sqrt(2) * special.ndtri(auc))
        of_model = dataclasses.replace(population, auc=auc)
        found.append(records(of_model, patient, label, shift * label + own))
    return found[0], found[1]


def _patients(population: Population, random: np.random.Generator) -> np.ndarray:
    """The number of each image's patient."""
    if population.images:
        sizes = np.full(population.patients, population.images)
    else:
        drawn = random.lognormal(0.95, 0.95, population.patients)
        sizes = np.clip(np.round(drawn), 1, 30).astype(np.int64)
    return np.repeat(np.arange(population.patients), sizes)


def _labels(population: Population, patient: np.ndarray, random: np.random.Generator) -> np.ndarray:
    prevalence, number = population.prevalence, population.patients
    if population.labels == "patient":
        return (random.random(number) < prevalence)[patient].astype(np.float64)
    own: np.ndarray | float = prevalence
    if population.labels == "mixed":
        spread = (1 - _LABEL_CORRELATION) / _LABEL_CORRELATION
        own = random.beta(prevalence * spread, (1 - prevalence) * spread, number)[patient]
    return (random.random(len(patient)) < own).astype(np.float64)
