"""What a plan leaves out is named: operating points are judged on validation patients, too."""

from components.model_gate.planning.plan import plan
from components.model_gate.planning.truths import Truth
from components.model_gate.policy.settings import GateSettings

POINT = {"name": "screen", "at_sensitivity": 0.9, "in_distribution": {"min_sensitivity": 0.99}}


def planned(**settings):
    truth = Truth(auc=0.6, sensitivity=0.9, specificity=0.9, prevalence=0.3)
    policy = GateSettings(shifted={"required": False}, **settings)
    return plan({"in_distribution": truth}, (), policy, 0.8, 0, lambda _: None)


def test_points_and_their_slices_are_left_out_and_named():
    slices = [
        {"domain": "in_distribution", "metric": "ppv_at_0.02@screen", "at_least": 0.9},
        {"domain": "in_distribution", "metric": "auc/edema", "at_least": 0.9},
        {"domain": "in_distribution", "metric": "sensitivity", "at_least": 0.95},
    ]
    found = planned(operating_points=[POINT], prevalences=[0.02], slices=slices)
    assert any(
        "operating points, and metrics at a prevalence, are left out" in n for n in found.notes
    )
    assert any("slices of auc/edema are left out" in note for note in found.notes)
    # The assumed model does not meet the AUC, nor the slice of the sensitivity, which stay.
    assert found.outcome == "unreachable"
    assert len(found.reasons) == 2
    assert not any("screen" in reason for reason in found.reasons)


def test_without_points_nothing_is_said_of_them():
    assert not any("operating points" in note for note in planned().notes)
