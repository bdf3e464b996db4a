"""Flags are flags, and numbers are numbers."""

import pytest
import yaml

from components.model_gate.policy.settings import GateSettings
from schemas.errors import InputError
from trainer_modules.settings.files import validated


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max_gap: yes", "'max_gap': received True; true and false, which YAML also reads from"),
        ("max_gap: yes", "are not accepted; a number is"),
        ("shifted: {min_auc: no}", "setting 'shifted.min_auc': received False"),
        ("shifted: {min_patients: on}", "'shifted.min_patients': received True"),
        ("shifted: {min_patients: on}", "; a whole number is"),
        (
            "shifted: {calibration_slope: [off, 2]}",
            "setting 'shifted.calibration_slope': received [False, 2]",
        ),
        ("shifted: {required: 1}", "'shifted.required': received 1; true and false are accepted"),
        ("require_serving: 'no'", "'require_serving': received 'no'; true and false are accepted"),
        (
            "slices: [{domain: shifted, metric: auc, at_least: yes}]",
            "setting 'slices.0.at_least': received True",
        ),
    ],
)
def test_what_yaml_makes_of_yes_and_no(text, words):
    with pytest.raises(InputError) as caught:
        validated(GateSettings, yaml.safe_load(text), "policy")
    assert words in str(caught.value)


def test_every_wrong_flag_of_a_section_is_named():
    with pytest.raises(InputError) as caught:
        validated(GateSettings, {"max_gap": True, "resamples": False}, "policy 'p.yaml'")
    assert str(caught.value).startswith("policy 'p.yaml': setting 'max_gap': received True")
    assert "setting 'resamples': received False" in str(caught.value)


def test_numbers_may_be_written_in_any_way():
    """PyYAML reads 1e-3 as text, and 0 as a whole number."""
    given = yaml.safe_load("serving_tolerance: 1e-3\nmax_gap: 0\nshifted: {required: yes}")
    settings = validated(GateSettings, given, "policy")
    assert (settings.serving_tolerance, settings.max_gap) == (0.001, 0)
    assert settings.shifted.required is True
