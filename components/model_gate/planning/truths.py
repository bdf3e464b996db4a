"""What a domain's patients and the model's scores are assumed to be, and records drawn from it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy import special

from components.model_gate.planning.patients import Population, noise, records
from components.statistics.judged_rows import JudgedRows
from schemas import features

# An AUC of 1 has no finite distance between the classes; this one orders millions of pairs right.
_HIGHEST_AUC = 1 - 1e-6
REST = "other"
# Quantiles that stand for the distribution of the images of a patient, and its spread.
_QUANTILES = 200
_SPREAD = 0.95


class Size(NamedTuple):
    """Patients with and without the finding."""

    positive: int
    negative: int

    @property
    def patients(self) -> int:
        """All of them."""
        return self.positive + self.negative


@dataclasses.dataclass(frozen=True)
class Truth:
    """One domain, as it is assumed to be.

    Scores are binormal, with a term of the patient, and probabilities are calibrated.

    Attributes:
        auc: Between images of different patients.
        sensitivity: Of the decisions.
        specificity: Of the decisions.
        prevalence: Share of the patients with the finding.
        positive_images: Share of their images that show it; one at least does.
        correlation: Of the scores of two images of a patient.
        images: Images of a patient, to draw from.
        groups: By subgroup column, the share of the patients of each value.
        baseline_auc: Of the model to compare with; None: there is none.
        shared: Share of the noise that both models have.
    """

    auc: float
    sensitivity: float
    specificity: float
    prevalence: float
    positive_images: float = 1.0
    correlation: float = 0.8
    images: tuple[int, ...] = (1,)
    groups: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    baseline_auc: float | None = None
    shared: float = 0.9

    def size(self, patients: int) -> Size:
        """So many patients, as the prevalence parts them: of the rarer class no more than that."""
        rarer = max(1, math.floor(patients * min(self.prevalence, 1 - self.prevalence) + 1e-9))
        others = patients - rarer
        return Size(rarer, others) if self.prevalence <= 0.5 else Size(others, rarer)

    def least(self, per_class: int, patients: int) -> int:
        """The fewest patients with so many of each class, and so many in all."""
        rarer = min(self.prevalence, 1 - self.prevalence)
        return max(patients, math.ceil(per_class / rarer - 1e-9))

    @property
    def mean_images(self) -> float:
        """Images of a patient."""
        return float(np.mean(self.images))

    @property
    def effective(self) -> float:
        """How many patients of one image say as much as one of these, of one class."""
        sizes = np.asarray(self.images, np.float64)
        own = (1 - self.correlation) / sizes.mean()
        return 1 / (own + self.correlation * (sizes**2).mean() / sizes.mean() ** 2)

    @property
    def metrics(self) -> dict[str, float]:
        """What the gate's metrics are in this truth, by name."""
        share = self.prevalence * self.positive_images
        called = share * self.sensitivity + (1 - share) * (1 - self.specificity)
        found = {
            "auc": self.auc,
            "sensitivity": self.sensitivity,
            "specificity": self.specificity,
            "balanced_accuracy": (self.sensitivity + self.specificity) / 2,
            "calibration_slope": 1.0,
            "calibration_intercept": 0.0,
            "calibration_error": 0.0,
        }
        if 0 < called < 1:
            found["ppv"] = share * self.sensitivity / called
            found["npv"] = (1 - share) * self.specificity / (1 - called)
        by_patient = ("auc", "sensitivity", "specificity")
        return found | {f"{name}_by_patient": found[name] for name in by_patient}


Truths = Mapping[features.Domain, Truth]
Patients = Mapping[features.Domain, int]


def distance(auc: float) -> float:
    """Between the means of the classes in the binormal model."""
    within = min(max(auc, 1 - _HIGHEST_AUC), _HIGHEST_AUC)
    return math.sqrt(2) * float(special.ndtri(within))


def skewed(mean: float) -> tuple[int, ...]:
    """Images of patients of whom most have few, as in hospitals; one each for a mean of 1."""
    if mean <= 1:
        return (1,)
    at = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    shape = np.exp(_SPREAD * special.ndtri(at))

    def of(scale: float) -> np.ndarray:
        return np.maximum(1, np.round(scale * shape))

    low, high = 0.0, mean
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if of(middle).mean() < mean else (low, middle)
    return tuple(of(high).astype(int).tolist())


@dataclasses.dataclass(frozen=True, eq=False)
class Drawn:
    """Records of a domain.

    Attributes:
        model: With the model's scores.
        other: The same with the other model's; None without one.
        groups: Each record's group by subgroup column.
    """

    model: JudgedRows
    other: JudgedRows | None
    groups: Mapping[str, np.ndarray]


def draw(truth: Truth, size: Size, random: np.random.Generator) -> Drawn:
    """Records of so many patients."""
    images = random.choice(np.asarray(truth.images), size.patients)
    patient = np.repeat(np.arange(size.patients), images)
    first = np.zeros(len(patient), bool)
    first[np.cumsum(images) - images] = True
    shows = first | (random.random(len(patient)) < truth.positive_images)
    label = ((patient < size.positive) & shows).astype(np.float64)
    groups = {
        column: _values(shares, size.patients, random)[patient]
        for column, shares in truth.groups.items()
    }
    population = Population(
        size.patients, float(label.mean()), truth.auc, correlation=truth.correlation
    )
    common = noise(population, patient, random)
    # Each class has its own limit, so that both rates are as they are assumed to be.
    limit = np.where(
        label == 1, -special.ndtri(truth.sensitivity), special.ndtri(truth.specificity)
    )

    def scored(auc: float, own: np.ndarray) -> JudgedRows:
        shift = distance(auc)
        of_model = dataclasses.replace(population, auc=float(special.ndtr(shift / math.sqrt(2))))
        found = records(of_model, patient, label, shift * label + own)
        return dataclasses.replace(found, decision=(own > limit).astype(np.float64)[:, None])

    if truth.baseline_auc is None:
        return Drawn(scored(truth.auc, common), None, groups)
    own, other = (
        math.sqrt(truth.shared) * common
        + math.sqrt(1 - truth.shared) * noise(population, patient, random)
        for _ in range(2)
    )
    return Drawn(scored(truth.auc, own), scored(truth.baseline_auc, other), groups)


def _values(shares: Mapping[str, float], patients: int, random: np.random.Generator) -> np.ndarray:
    """Each patient's value of a column; the share that is left has a value of its own."""
    names, parts = list(shares), list(shares.values())
    if (left := 1 - sum(parts)) > 1e-9:
        names, parts = [*names, REST], [*parts, left]
    weights = np.asarray(parts) / sum(parts)
    return np.asarray(names, object)[random.choice(len(names), patients, p=weights)]
