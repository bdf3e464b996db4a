"""Policy files: what they say, what is refused, and the one that applies without one."""

import pytest

from components.model_gate.policy.files import load_policy
from schemas.errors import InputError


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("max_gapp: 0.1", "setting 'max_gapp' does not exist; nearest valid name: 'max_gap'"),
        ("shifted: {min_acu: 1}", "nearest valid name: 'shifted.min_auc'"),
        ("max_gap: 2", "setting 'max_gap': received 2; input should be less than or equal to 1"),
        ("max_gap: .nan", "finite"),
        ("", "expected a mapping of settings"),
        ("a: [", "is not YAML"),
    ],
)
def test_wrong_policy_is_refused(tmp_path, policy, expected):
    path = tmp_path / "policy.yaml"
    path.write_text(policy)
    with pytest.raises(InputError, match="policy") as caught:
        load_policy(str(path), serves=False)
    assert expected in str(caught.value)


def test_default_policy_is_stricter_than_the_settings_without_one():
    default, bare = load_policy("", serves=True), load_policy("", serves=False)
    assert (default.require_serving, bare.require_serving) == (True, False)
    assert default.in_distribution.min_auc > default.shifted.min_auc > default.subgroups.min_auc
    assert default.in_distribution.required
    assert default.shifted.required
    assert default.in_distribution.max_calibration_error < 1
    assert default.in_distribution.calibration_slope == (0.5, 2.0)


@pytest.mark.parametrize("serves", [False, True])
def test_what_a_policy_does_not_say_is_as_outside_the_pipeline(tmp_path, serves):
    path = tmp_path / "mine.yaml"
    path.write_text("max_gap: 0.125")
    found = load_policy(str(path), serves=serves)
    assert (found.max_gap, found.require_evaluator, found.require_serving) == (0.125, False, serves)
    path.write_text("{require_evaluator: true, require_serving: true}")
    found = load_policy(str(path), serves=serves)
    assert (found.require_evaluator, found.require_serving) == (True, True)


def test_a_wrong_setting_is_told_with_the_name_of_its_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("max_gap: 2")
    with pytest.raises(InputError, match=r"^policy 'mine\.yaml': setting 'max_gap'"):
        load_policy(str(path), serves=True)


def test_a_file_that_cannot_be_read_is_said_to_be_a_policy(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("a: [")
    with pytest.raises(InputError, match=r"^policy '.*mine\.yaml' is not YAML"):
        load_policy(str(path), serves=True)
