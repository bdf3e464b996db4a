"""Floors at operating points: simulated validation patients choose their thresholds."""

from components.model_gate.planning.plan import plan
from components.model_gate.planning.truths import Truth
from components.model_gate.policy.settings import GateSettings

POINT = {"name": "screen", "at_sensitivity": 0.9, "in_distribution": {"min_sensitivity": 0.99}}


def planned(**settings):
    truth = Truth(auc=0.6, sensitivity=0.9, specificity=0.9, prevalence=0.3)
    policy = GateSettings(shifted={"required": False}, **settings)
    return plan({"in_distribution": truth}, (), policy, 0.8, 0, 200, lambda _: None)


def test_a_floor_above_the_points_own_value_is_not_met():
    slices = [
        {"domain": "in_distribution", "metric": "auc/edema", "at_least": 0.9},
        {"domain": "in_distribution", "metric": "sensitivity", "at_least": 0.95},
    ]
    found = planned(operating_points=[POINT], slices=slices)
    assert any("slices of auc/edema are left out" in note for note in found.notes)
    # The assumed model does not meet the AUC, the point's sensitivity, nor that of the slice.
    assert found.outcome == "unreachable"
    assert len(found.reasons) == 3
    assert sum("screen: sensitivity 0.9 is assumed" in reason for reason in found.reasons) == 1


def test_without_points_nothing_is_said_of_them():
    assert not any("screen" in reason for reason in planned().reasons)
