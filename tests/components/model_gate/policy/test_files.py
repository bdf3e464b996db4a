"""Policy files: what they say, what is refused, and the one that applies without one."""

import re

import pytest

from components.model_gate.policy import files
from components.model_gate.policy.files import load_policy
from components.model_gate.policy.settings import GateSettings
from schemas.errors import InputError
from trainer_modules.settings.files import read_mapping


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


class TestLibrary:
    """The policies that come with the gate."""

    def test_a_name_means_the_policy_of_that_name(self):
        found = {name: load_policy(name, serves=False) for name in files.names()}
        assert sorted(found) == ["clinical", "smoke"]
        assert found["smoke"] == load_policy("", serves=False)
        by_path = files.LIBRARY / "clinical.yaml"
        assert found["clinical"] == load_policy(str(by_path), serves=False)

    @pytest.mark.parametrize("name", ["smoke", "clinical"])
    def test_a_file_of_that_name_is_not_mistaken_for_it(self, name, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / name).mkdir()
        assert load_policy(name, serves=False).max_gap in (0.1, 0.2)
        (tmp_path / name).rmdir()
        (tmp_path / name).write_text("max_gap: 0.9")
        with pytest.raises(InputError, match=rf"give '\./{name}' for the file"):
            load_policy(name, serves=False)
        assert load_policy(f"./{name}", serves=False).max_gap == 0.9
        assert load_policy("", serves=False).max_gap == 0.2

    def test_a_misspelled_name_is_told_what_there_is(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(InputError) as caught:
            load_policy("clincal", serves=False)
        assert "policy 'clincal' can't be read" in str(caught.value)
        assert "clinical, smoke; nearest valid name: 'clinical'" in str(caught.value)

    def test_clinical_asks_for_no_less_than_smoke_anywhere(self):
        clinical, smoke = (load_policy(name, serves=False) for name in ("clinical", "smoke"))
        for domain in ("in_distribution", "shifted"):
            strict, lax = getattr(clinical, domain), getattr(smoke, domain)
            for name in ("min_auc", "min_sensitivity", "min_specificity", "min_patients"):
                assert getattr(strict, name) > getattr(lax, name), name
            for name in ("max_calibration_error", "max_unlabelled"):
                assert getattr(strict, name) < getattr(lax, name), name
            for name in ("calibration_slope", "calibration_intercept"):
                (low, high), (lower, higher) = getattr(strict, name), getattr(lax, name)
                assert lower < low < high < higher, name
            assert strict.required
        assert clinical.min_patients_per_class == 30
        for name in ("max_gap", "max_regression"):
            assert getattr(clinical, name) < getattr(smoke, name)
        assert clinical.subgroups.min_auc > smoke.subgroups.min_auc
        assert clinical.subgroups.max_regression < smoke.subgroups.max_regression
        assert set(clinical.inconclusive.model_dump().values()) == {"refuse"}
        assert clinical.confidence >= smoke.confidence

    def test_clinical_gives_every_setting_that_is_no_matter_of_serving(self):
        given = set(_leaves(read_mapping(files.LIBRARY / "clinical.yaml", "policy")))
        asked = set(_leaves(GateSettings().model_dump()))
        # A ledger is a place.
        rules = asked - {"require_evaluator", "ledger"}
        assert given == {name for name in rules if "serving" not in name}

    def test_each_says_first_what_it_is_for(self):
        said = files.described()
        assert re.findall(r"(?m)^(\w+)\n  For ", said) == ["clinical", "smoke"]
        assert "no clinical evidence" in said
        assert "#" not in said


def _leaves(tree, prefix=""):
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"
