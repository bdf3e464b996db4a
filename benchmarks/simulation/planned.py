"""How often the gate blesses SYNTHETIC models that are as good as planned, at the planned size."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pandas as pd

from benchmarks.simulation.verdicts import GROUP, Scenario, Tables, policy
from components.model_gate.planning import power, search, truths
from components.model_gate.planning.patients import as_table
from components.model_gate.planning.truths import Patients, Truth, Truths
from components.model_gate.policy.settings import GateSettings
from schemas import features


@dataclasses.dataclass(frozen=True)
class AsPlanned:
    """Patients as they were assumed when they were planned for."""

    assumed: Truths
    patients: Patients

    def __call__(self, random: np.random.Generator) -> Tables:
        drawn = {
            domain: truths.draw(truth, truth.size(self.patients[domain]), random)
            for domain, truth in self.assumed.items()
        }
        models = [as_table(one.model, domain, {GROUP: "all"}) for domain, one in drawn.items()]
        others = [
            as_table(one.other, domain, {GROUP: "all"})
            for domain, one in drawn.items()
            if one.other is not None
        ]
        other = pd.concat(others, ignore_index=True) if others else None
        return pd.concat(models, ignore_index=True), other


def planned() -> Iterator[Scenario]:
    """Good models with as many patients as `python -m components.model_gate plan` says."""
    one = Truth(0.9, 0.9, 0.85, 0.35)
    rare = Truth(0.95, 0.9, 0.9, 0.05, images=truths.skewed(4))
    both = features.DOMAINS
    default = GateSettings(require_evaluator=False, require_serving=False, resamples=300)
    made: tuple[tuple[str, Truths, GateSettings], ...] = (
        ("default policy, AUC 0.9", dict.fromkeys(both, one), default),
        (
            "default policy, AUC 0.95, 5% positive, 4 images each",
            dict.fromkeys(both, rare),
            default,
        ),
        (
            "sensitivity 0.9 and specificity 0.85, floors 0.8 and 0.75",
            {features.IN_DISTRIBUTION: one},
            policy({"min_sensitivity": 0.8, "min_specificity": 0.75}),
        ),
        (
            "equal to the baseline, margin 0.05",
            {features.IN_DISTRIBUTION: dataclasses.replace(one, baseline_auc=0.9)},
            policy(max_regression=0.05),
        ),
    )
    for name, assumed, rules in made:
        with power.simulation(power.Design(assumed, rules)) as simulated:
            found = search.search(simulated, 0.8, lambda line: None)
        sizes = " and ".join(str(number) for number in found.patients.values())
        scenario = AsPlanned(assumed, found.patients)
        yield Scenario(f"planned: {name}: {sizes} patients", True, scenario, rules)
