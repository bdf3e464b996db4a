"""SYNTHETIC patients whose truth is known, to measure intervals and verdicts on.

A patient has 1 to 30 images, 4 on average; most patients have few. A score is binormal: a term of
the label, one of the patient and one of the image. Labels are drawn per image, per patient, or per
image with a patient's own prevalence.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd
from scipy import special

from components.statistics.judged_rows import JudgedRows
from schemas import features
from trainer_modules.settings import TaskSettings

TARGET = "finding"
TASK = TaskSettings(kind="binary", labels=(TARGET,))
Labels = Literal["image", "patient", "mixed"]

# Spread of the patients' own prevalences: the correlation of the labels of two images.
_LABEL_CORRELATION = 0.4


@dataclasses.dataclass(frozen=True)
class Population:
    """Patients to draw from.

    Attributes:
        patients: How many.
        prevalence: Prevalence of the label among images.
        auc: AUC of the score between images of different patients.
        labels: What has its own label.
        correlation: Correlation of the scores of two images of a patient.
        images: Images per patient; 0: 1 to 30, skewed.
    """

    patients: int
    prevalence: float
    auc: float
    labels: Labels = "image"
    correlation: float = 0.8
    images: int = 0


def draw(population: Population, random: np.random.Generator) -> JudgedRows:
    """Records of one sample, with calibrated probabilities and decisions at the prevalence."""
    patient = _patients(population, random)
    label = _labels(population, patient, random)
    shift = float(np.sqrt(2) * special.ndtri(population.auc))
    score = shift * label + noise(population, patient, random)
    return records(population, patient, label, score)


def records(
    population: Population, patient: np.ndarray, label: np.ndarray, score: np.ndarray
) -> JudgedRows:
    """Records of binormal scores, as probabilities calibrated at the population's AUC."""
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
    """The terms of the patient and of the image in a score; their sum has variance 1."""
    of_patient = random.normal(size=population.patients)[patient]
    of_image = random.normal(size=len(patient))
    shared = population.correlation
    return np.sqrt(shared) * of_patient + np.sqrt(1 - shared) * of_image


def two_models(
    population: Population, other_auc: float, shared: float, random: np.random.Generator
) -> tuple[JudgedRows, JudgedRows]:
    """Two models with their own AUC on the same images; `shared` is their common noise."""
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


def as_table(
    records: JudgedRows, domain: str, groups: Mapping[str, str | np.ndarray], prefix: str = ""
) -> pd.DataFrame:
    """Simulated records as the Predictor writes them: one row each.

    Args:
        records: Of one finding.
        domain: Of all of them.
        groups: Subgroup columns by name: a value, or one for each record; `site` is one, too.
        prefix: Precedes the numbers of patients and images, which are to differ between tables.
    """
    named = f"{domain} {prefix}"
    columns = {
        features.IMAGE_ID: [f"{named} {one}" for one in range(records.examples)],
        features.PATIENT_ID: [f"{named} {one}" for one in records.patient],
        features.SITE: None,
        features.DOMAIN: domain,
        features.label(TARGET): records.label[:, 0],
        features.label_weight(TARGET): records.weight[:, 0],
        features.prediction(TARGET): records.score[:, 0],
        features.decision(TARGET): records.decision[:, 0],
    }
    for name, values in groups.items():
        columns[name if name == features.SITE else features.subgroup(name)] = values
    return pd.DataFrame(columns)
