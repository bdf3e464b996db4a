"""Settings given in part: what is named changes, the rest is that of the very field."""

import pytest

from components.model_gate.policy.settings import GateSettings
from pipeline.config.config import RunConfig
from schemas.errors import InputError
from trainer_modules.settings import FinetuneSettings, UpstreamTraining
from trainer_modules.settings.merge import merged, merged_at


def test_part_of_a_section_keeps_the_rest_of_the_fields_default():
    settings = FinetuneSettings.model_validate({"augment": {"rotation_degrees": 10}})
    # As `finetune.augment` has it: crops of at least half an image, and no colors changed.
    augment = settings.augment
    assert (augment.rotation_degrees, augment.crop_area) == (10, (0.5, 1.0))
    assert augment.jitter_probability == augment.grayscale_probability == 0
    assert augment.blur_probability == 0
    # And what that default leaves open is the class's.
    assert augment.flip_probability == 0.5


def test_part_of_an_optimizer_keeps_its_kind():
    optimizer = UpstreamTraining.model_validate({"optimizer": {"learning_rate": 0.01}}).optimizer
    assert (optimizer.name, optimizer.learning_rate) == ("sgd", 0.01)
    assert (optimizer.weight_decay, optimizer.warmup_epochs) == (1e-4, 5)


def test_sections_inside_a_section_that_is_given_in_part():
    settings = RunConfig.model_validate(
        {
            "name": "x",
            "task": {"labels": ["a"]},
            "upstream": {"augment": {"stain": 0.1}},
            "gate": {"shifted": {"max_calibration_error": 0.3}},
        }
    )
    assert settings.upstream.augment.crop_area == (0.05, 1.0)
    assert settings.upstream.augment.stain == 0.1
    assert (settings.gate.shifted.max_calibration_error, settings.gate.shifted.min_auc) == (
        0.3,
        0.65,
    )


def test_a_section_as_an_object_is_taken_whole():
    rules = GateSettings().in_distribution
    assert GateSettings(shifted=rules).shifted == rules


def test_neither_tree_is_changed():
    base, given = {"model": {"init": {"path": "a"}}}, {"model": {"init": {"source": "encoder"}}}
    both = merged(RunConfig, base, given)
    assert both == {"model": {"init": {"path": "a", "source": "encoder"}}}
    assert base == {"model": {"init": {"path": "a"}}}
    assert given == {"model": {"init": {"source": "encoder"}}}


def test_lists_and_mappings_of_plain_values_are_replaced():
    base = {"data": {"subgroups": ["sex", "age"], "subgroup_bins": {"age": [40], "dose": [1]}}}
    given = {"data": {"subgroups": ["age"], "subgroup_bins": {"age": [18]}}}
    assert merged(RunConfig, base, given) == given


def test_one_entry_of_a_mapping_of_plain_values():
    base = {"data": {"subgroup_bins": {"age": [40], "dose": [1]}}}
    one = merged_at(RunConfig, base, ["data", "subgroup_bins", "age"], [18])
    assert one == {"data": {"subgroup_bins": {"age": [18], "dose": [1]}}}


def test_a_mapping_of_sections_is_merged_by_name():
    base = {"kubernetes": {"nodes": {"A": {"cpu": "4", "gpus": 1}, "B": {"gpus": 2}}}}
    given = {"kubernetes": {"nodes": {"A": {"gpus": 0}, "C": {"gpus": 3}}}}
    assert merged(RunConfig, base, given)["kubernetes"]["nodes"] == {
        "A": {"cpu": "4", "gpus": 0},
        "B": {"gpus": 2},
        "C": {"gpus": 3},
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # The kind stays: the rest of it does, too.
        ({"workers": 3}, {"runner": "flink", "master": "a:1", "workers": 3}),
        ({"runner": "flink", "workers": 3}, {"runner": "flink", "master": "a:1", "workers": 3}),
        # Another kind has defaults of its own.
        ({"runner": "multi_processing"}, {"runner": "multi_processing"}),
    ],
)
def test_a_section_of_several_kinds(given, expected):
    base = {"beam": {"runner": "flink", "master": "a:1", "workers": 9}}
    assert merged(RunConfig, base, {"beam": given}) == {"beam": expected}
    if list(given) == ["runner"]:
        assert merged_at(RunConfig, base, ["beam", "runner"], given["runner"]) == {"beam": expected}


def test_unknown_names_are_left_to_the_validation():
    both = merged_at(RunConfig, {"model": {"width": 2}}, ["model", "dept", "x"], 1)
    assert both == {"model": {"width": 2, "dept": {"x": 1}}}
    assert merged(RunConfig, {"modl": {"a": 1}}, {"modl": {"b": 2}}) == {"modl": {"b": 2}}


def test_a_path_through_a_value_is_refused():
    with pytest.raises(InputError, match="'seed' holds a value"):
        merged_at(RunConfig, {"seed": 3}, ["seed", "x"], 1)
