"""How often monitoring raises an alarm without drift, and how soon it does with some.

A SYNTHETIC hospital has a blessed table and a new one every month. Its patients have one to three
images, whose scores and brightness are alike. The first table shows how many of 100 hospitals had
any alarm in 24 months without drift, 5 of which are promised at most; nothing is tolerated. In the
second, drift begins after six quiet months and stays; it shows how many hospitals had an alarm in
the first month with drift, within three, and within twelve.
"""

from __future__ import annotations

import dataclasses
import multiprocessing

import numpy as np
import pandas as pd
from scipy import special

from components.model_gate.monitoring import history, monitor
from components.model_gate.monitoring.monitor import Blessed
from components.model_gate.monitoring.new_table import NewTable
from components.model_gate.policy.settings import GateSettings
from components.model_gate.reference import build
from components.model_gate.rules import domain_rules, verdict_document
from components.model_gate.rules.evidence import collect
from schemas import features
from trainer_modules.settings import TaskSettings

TARGET = "finding"
TASK = TaskSettings(kind="binary", labels=(TARGET,))
ALPHA = 0.05
MONTHS = 24
QUIET, WATCHED = 6, 12
_SHIFT = 2.0  # between the classes' scores, in standard deviations: an AUC of 0.92
_PREVALENCE = 0.3
_THRESHOLDS = {TARGET: 0.3}


@dataclasses.dataclass(frozen=True)
class Drifted:
    """What is other than in the blessed table.

    Attributes:
        log_odds: Added to all scores.
        brighter: Added to the brightness, in standard deviations.
        prevalence: Of positive patients.
        unrelated: Share of patients whose label has nothing to do with their score.
    """

    log_odds: float = 0.0
    brighter: float = 0.0
    prevalence: float = _PREVALENCE
    unrelated: float = 0.0


@dataclasses.dataclass(frozen=True)
class Hospital:
    """One that looks every month.

    Attributes:
        blessed: Patients of the blessed table.
        monthly: Of each new one.
        labelled: Whether the new ones have labels.
        drift: From which month on, and what; none: 24 quiet months.
        tolerance: Of the distance.
    """

    blessed: int
    monthly: int
    labelled: bool = False
    drift: Drifted | None = None
    tolerance: float = 0.0


def table(patients: int, random: np.random.Generator, drift: Drifted) -> pd.DataFrame:
    """Predictions of the finding, calibrated without drift."""
    images = random.integers(1, 4, patients)
    patient = np.repeat(np.arange(patients), images)
    label = random.random(patients) < drift.prevalence
    own, noise = random.normal(size=patients)[patient], random.normal(size=len(patient))
    score = _SHIFT * label[patient] + np.sqrt(0.8) * own + np.sqrt(0.2) * noise
    log_odds = _SHIFT * score - _SHIFT**2 / 2 + special.logit(_PREVALENCE) + drift.log_odds
    unrelated = random.random(patients) < drift.unrelated
    told = np.where(unrelated, random.random(patients) < drift.prevalence, label)[patient]
    bright = np.sqrt(0.8) * random.normal(size=patients)[patient]
    bright += np.sqrt(0.2) * random.normal(size=len(patient)) + drift.brighter
    probability = special.expit(log_odds)
    return pd.DataFrame(
        {
            features.IMAGE_ID: np.arange(len(patient)).astype(str),
            features.PATIENT_ID: patient.astype(str),
            features.SITE: "one",
            features.DOMAIN: features.IN_DISTRIBUTION,
            features.label(TARGET): told.astype(float),
            features.label_weight(TARGET): 1.0,
            features.prediction(TARGET): probability,
            features.decision(TARGET): (probability >= _THRESHOLDS[TARGET]).astype(float),
            features.statistic("mean"): bright,
        }
    )


def first_alarm(hospital: Hospital, seed: int) -> int | None:
    """The first month with an alarm, counted from the first with drift; None without any."""
    random = np.random.default_rng([seed, hospital.blessed, hospital.monthly])
    blessed = judged(hospital.blessed, random)
    before = 0 if hospital.drift is None else QUIET
    # Quiet months are looks, too; what they find is not of interest here.
    for month in range(1, (MONTHS if hospital.drift is None else WATCHED) + 1):
        drawn = table(hospital.monthly, random, hospital.drift or Drifted())
        if not hospital.labelled:
            drawn[features.label_weight(TARGET)] = 0.0
        new = NewTable(drawn, TASK, features.IN_DISTRIBUTION, True, ())
        spent = history.spent(ALPHA, before + month)
        if monitor.tested(blessed, new, spent, hospital.tolerance).alarms:
            return month
    return None


def judged(patients: int, random: np.random.Generator) -> Blessed:
    """A verdict's reference and policy, with floors that the model is well above."""
    rules = {"min_auc": 0.75, "min_sensitivity": 0.6, "min_specificity": 0.6}
    settings = GateSettings.model_validate(
        {"in_distribution": rules, "require_evaluator": False, "require_serving": False}
    )
    drawn = table(patients, random, Drifted())
    evidence = collect(drawn.iloc[:0], TASK, (), settings)
    evidence = dataclasses.replace(evidence, reference=build.of_table(drawn, TASK, _THRESHOLDS))
    verdict = domain_rules.judge(evidence, settings)
    return Blessed(verdict_document.verdict_document(verdict, evidence, settings), settings, "")


QUIET_HOSPITALS = (
    Hospital(60, 40),
    Hospital(150, 40),
    Hospital(150, 400),
    Hospital(1000, 200),
    Hospital(300, 60, labelled=True),
    Hospital(300, 300, labelled=True),
)
DRIFTS = (
    ("scores, log odds - 0.5", Drifted(log_odds=-0.5), False),
    ("scores, log odds - 1", Drifted(log_odds=-1.0), False),
    ("brightness + 0.25 SD", Drifted(brighter=0.25), False),
    ("brightness + 0.5 SD", Drifted(brighter=0.5), False),
    ("brightness + 1 SD", Drifted(brighter=1.0), False),
    ("prevalence 30 % -> 50 %", Drifted(prevalence=0.5), False),
    ("half of labels unrelated to scores", Drifted(unrelated=0.5), False),
    ("the same, labeled", Drifted(unrelated=0.5), True),
    ("all of them, labeled", Drifted(unrelated=1.0), True),
)
SIZES = ((150, 50), (300, 100), (1000, 400))


def print_table(repetitions: int) -> None:
    """Prints both tables."""
    with multiprocessing.Pool() as pool:
        print(f"\n{'without drift: blessed, monthly patients':44} any alarm in {MONTHS} months, %")
        for one in QUIET_HOSPITALS:
            found = pool.starmap(first_alarm, [(one, seed) for seed in range(repetitions)])
            rate = 100 * np.mean([month is not None for month in found])
            what = f"{one.blessed}, {one.monthly}{', labeled' if one.labelled else ''}"
            print(f"{what:44} {rate:.1f}", flush=True)
        heading = " ".join(f"{f'{first}, {monthly}':>14}" for first, monthly in SIZES)
        print(f"\n{'drift after 6 months: month 1 / 3 / 12, %':44} {heading}")
        for name, drift, labelled in DRIFTS:
            cells = []
            for blessed, monthly in SIZES:
                one = Hospital(blessed, monthly, labelled, drift, tolerance=0.05)
                jobs = [(one, seed) for seed in range(max(20, repetitions // 5))]
                months = [month or MONTHS for month in pool.starmap(first_alarm, jobs)]
                shares = [100 * np.mean([month <= end for month in months]) for end in (1, 3, 12)]
                cells.append(" / ".join(f"{share:.0f}" for share in shares))
            print(f"{name:44} " + " ".join(f"{cell:>14}" for cell in cells), flush=True)
