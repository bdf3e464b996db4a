"""The HyperRule against a table written from the paper's description, and the Keras schedule."""

import pytest

from trainer_modules.settings import FinetuneSettings
from trainer_modules.supervised import bit_hyperrule, recipe


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [(32, 32, (160, 128)), (95, 96, (160, 128)), (96, 96, (512, 480)), (224, 224, (512, 480))],
)
def test_resolution(height, width, expected):
    assert bit_hyperrule.resolution(height, width) == expected


@pytest.mark.parametrize(
    ("examples", "steps", "warmup", "decays", "mixup"),
    [
        (1, 500, 100, (150, 300, 450), 0.0),
        (19_999, 500, 100, (150, 300, 450), 0.0),
        (20_000, 10_000, 500, (3000, 6000, 9000), 0.1),
        (499_999, 10_000, 500, (3000, 6000, 9000), 0.1),
        (500_000, 20_000, 500, (6000, 12_000, 18_000), 0.1),
    ],
)
def test_length_warmup_decays_and_mixup_by_size(examples, steps, warmup, decays, mixup):
    assert bit_hyperrule.steps(examples) == steps
    assert bit_hyperrule.decay_steps(examples) == decays
    assert bit_hyperrule.mixup_alpha(examples) == mixup
    assert bit_hyperrule.warmup_steps(examples) == warmup


RATES = [
    (1000, {0: 0.0, 50: 0.0015, 100: 3e-3, 149: 3e-3, 150: 3e-4, 300: 3e-5, 450: 3e-6, 499: 3e-6}),
    (50_000, {250: 0.0015, 500: 3e-3, 2999: 3e-3, 3000: 3e-4, 6000: 3e-5, 9000: 3e-6}),
]


@pytest.mark.parametrize(("examples", "rates"), RATES)
def test_learning_rate_and_its_keras_schedule(examples, rates):
    settings = FinetuneSettings(recipe="bit_hyperrule", epochs=7, batch_size=3, mixup=0.9)
    assert recipe.wanted_batch_size(settings) == 512
    found = recipe.resolve(settings, examples, 512, 5, {})
    for step, rate in rates.items():
        assert bit_hyperrule.learning_rate(step, 0.003, examples) == pytest.approx(rate), step
        assert float(found.schedule(step)) == pytest.approx(rate, rel=1e-5), step
    assert found.total_steps == bit_hyperrule.steps(examples)
    optimizer = found.optimizer
    assert (optimizer.name, optimizer.momentum, optimizer.weight_decay) == ("sgd", 0.9, 0.0)
    assert found.mixup == bit_hyperrule.mixup_alpha(examples)


def test_what_a_search_found_replaces_rate_and_decay_in_both_recipes():
    chosen = {"learning_rate": 0.1, "weight_decay": 0.02}
    for name in ("explicit", "bit_hyperrule"):
        found = recipe.resolve(FinetuneSettings(recipe=name), 100, 10, 10, chosen)
        assert found.optimizer.learning_rate == found.schedule.peak == 0.1
        assert found.optimizer.weight_decay == 0.02


def test_explicit_recipe_is_the_settings():
    found = recipe.resolve(FinetuneSettings(epochs=3, mixup=0.2), 100, 10, 10, {})
    assert (found.epochs, found.steps, found.mixup) == (3, 10, 0.2)
    assert found.schedule.total_steps == 30
