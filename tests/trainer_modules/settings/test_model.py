"""Which networks there are, and what is said of those that there are not."""

import pytest

from trainer_modules.settings import ModelSettings


@pytest.mark.parametrize(
    ("settings", "units"),
    [
        ({}, (3, 4, 6, 3)),
        ({"depth": 101}, (3, 4, 23, 3)),
        ({"depth": 152}, (3, 8, 36, 3)),
        ({"family": "simclr", "depth": 18}, (2, 2, 2, 2)),
        ({"family": "simclr", "depth": 34}, (3, 4, 6, 3)),
        ({"depth": 18, "units": (1, 2)}, (1, 2)),
        ({"family": "saved_model", "init": {"source": "saved_model", "path": "/m"}}, ()),
    ],
)
def test_units_of_the_published_networks(settings, units):
    assert ModelSettings.model_validate(settings).unit_counts == units


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"depth": 18}, "depth 18 with family 'bit': accepted: 50, 101, 152"),
        (
            {"family": "simclr", "init": {"source": "bit_npz", "path": "/w.npz"}},
            "family 'simclr' with init.source 'bit_npz': accepted: random, encoder, saved_model",
        ),
        ({"family": "resnet"}, "input should be 'bit', 'simclr' or 'saved_model'"),
        ({"units": (1, 0)}, r"model.units \(1, 0\): every block needs at least one unit"),
        (
            {
                "family": "saved_model",
                "init": {"source": "saved_model", "path": "/m"},
                "serving_precision": "mixed_bfloat16",
            },
            "leave it at float32",
        ),
    ],
)
def test_other_networks_are_refused_with_those_that_are_accepted(settings, said):
    with pytest.raises(ValueError, match=said):
        ModelSettings.model_validate(settings)
