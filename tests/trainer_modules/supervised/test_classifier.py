"""Which variables each mode trains, and the loss of partly known labels."""

import numpy as np
import pytest

from tests.trainer_modules import tiny_data
from trainer_modules.backbones import registry
from trainer_modules.settings import FinetuneSettings, ModelSettings, TaskSettings
from trainer_modules.supervised import classifier

BIT = ModelSettings.model_validate(tiny_data.MODEL | {"units": [1, 2, 1]})
SIMCLR = BIT.model_copy(update={"family": "simclr", "depth": 18})
HEAD = {"supervised_head"}


def trained(model: ModelSettings, **settings) -> set[str]:
    """First parts of the trained variables' paths."""
    network = registry.build_backbone(model)
    classifier.choose_trained_layers(network, model, FinetuneSettings(**settings))
    task = TaskSettings(labels=("finding",))
    variables = classifier.Classifier(network, task).trainable_variables
    return {variable.path.split("/")[0].split("_unit")[0] for variable in variables}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"mode": "full"}, {"root_block", "block1", "block2", "block3", "group_norm"}),
        (
            {"mode": "after_block", "after_block": 0},
            {"block1", "block2", "block3", "group_norm"},
        ),
        ({"mode": "after_block", "after_block": 2}, {"block3", "group_norm"}),
        ({"mode": "linear_probe"}, set()),
    ],
)
def test_trained_parts_of_bit(settings, expected):
    assert trained(BIT, **settings) == expected | HEAD


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"mode": "full"}, {"root_conv", "root_norm", "block1", "block2", "block3"}),
        ({"mode": "after_block", "after_block": 1}, {"block2", "block3"}),
    ],
)
def test_trained_parts_of_the_simclr_resnet(settings, expected):
    assert trained(SIMCLR, **settings) == expected | HEAD


def test_a_frozen_batch_norm_keeps_its_statistics():
    network = registry.build_backbone(SIMCLR)
    choice = FinetuneSettings(mode="after_block", after_block=1)
    classifier.choose_trained_layers(network, SIMCLR, choice)
    before = {variable.path: np.array(variable) for variable in network.variables}
    network(np.random.default_rng(0).random((4, 32, 32, 3), np.float32), training=True)
    moved = {
        variable.path.split("_unit")[0]
        for variable in network.variables
        if not np.array_equal(before[variable.path], np.array(variable))
    }
    assert moved == {"block2", "block3"}


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (
            BIT,
            # By distance from the head: its last unit, with the norm at the end, has 1.
            {
                "group_norm": 0.5,
                "block3/unit01": 0.5,
                "block2/unit02": 0.25,
                "block2/unit01": 0.125,
                "block1/unit01": 0.0625,
                "root_block": 0.03125,
            },
        ),
        (
            SIMCLR,
            {
                "block3_unit01": 0.5,
                "block2_unit02": 0.25,
                "block2_unit01": 0.125,
                "block1_unit01": 0.0625,
                "root_conv": 0.03125,
                "root_norm": 0.03125,
            },
        ),
    ],
)
def test_rates_fall_from_unit_to_unit_away_from_the_head(model, expected):
    network = registry.build_backbone(model)
    found = classifier.layer_rates(network, model, 0.5)
    assert set(found) == {variable.path for variable in network.variables}
    for path, rate in found.items():
        assert [rate] == [value for start, value in expected.items() if path.startswith(start)]
    assert classifier.layer_rates(network, model, 1.0) == {}


@pytest.mark.parametrize("settings", [{"mode": "after_block"}, {"after_block": 1}])
def test_the_frozen_block_and_the_mode_belong_together(settings):
    with pytest.raises(ValueError, match="after_block"):
        FinetuneSettings(**settings)
