"""LARS and its relatives against hand-written NumPy, the schedule against a table."""

import keras
import numpy as np
import pytest

from trainer_modules.backbones import bit, registry
from trainer_modules.settings import ModelSettings, OptimizerSettings, TaskSettings
from trainer_modules.supervised import classifier
from trainer_modules.training import optimizers


def network():
    """Every kind of variable the rules tell apart, with non-trivial values."""
    model = keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            bit.StdConv2D(4, 3, name="conv"),
            bit.GroupNormRelu(name="group_norm"),
            keras.layers.BatchNormalization(name="batch_norm"),
            keras.layers.Flatten(),
            keras.layers.Dense(3, name="hidden"),
            keras.layers.Dense(2, name=optimizers.SUPERVISED_HEAD),
        ]
    )
    rng = np.random.default_rng(0)
    for weight in model.trainable_weights:
        weight.assign(rng.normal(size=weight.shape))
    return model


def numpy_steps(kind, weights, gradients, rates, momentum, decay, eeta=1e-3):
    """The update rules, written down again."""
    weights = {path: value.astype(np.float64) for path, value in weights.items()}
    velocity = {path: np.zeros_like(value) for path, value in weights.items()}
    for rate, gradient_of in zip(rates, gradients, strict=True):
        for path, w in weights.items():
            g = gradient_of[path].astype(np.float64)
            plain = path.endswith(("bias", "gamma", "beta"))
            trust = 1.0
            if not plain:
                g = g + decay * w
                if kind == "lars" and "supervised_head" not in path:
                    trust = eeta * np.linalg.norm(w) / np.linalg.norm(g)
            velocity[path] = momentum * velocity[path] + rate * trust * g
            weights[path] = w - velocity[path]
    return weights


@pytest.mark.parametrize("kind", ["lars", "sgd"])
def test_steps_match_numpy(kind):
    model = network()
    variables = model.trainable_weights
    settings = OptimizerSettings(
        name=kind, learning_rate=0.4, scaling="none", weight_decay=0.05, warmup_epochs=1
    )
    optimizer = optimizers.build_optimizer(settings, 64, steps_per_epoch=2, epochs=3)
    rng = np.random.default_rng(1)
    gradients = [{v.path: rng.normal(size=v.shape) for v in variables} for _ in range(4)]
    start = {v.path: np.array(v) for v in variables}
    rates = [0.0, 0.2, 0.4, 0.4 * 0.5 * (1 + np.cos(np.pi / 4))]
    expected = numpy_steps(kind, start, gradients, rates, 0.9, 0.05)
    for gradient_of in gradients:
        optimizer.apply([gradient_of[v.path].astype("float32") for v in variables], variables)
    for variable in variables:
        np.testing.assert_allclose(
            np.array(variable), expected[variable.path], rtol=2e-5, atol=1e-6, err_msg=variable.path
        )


def test_lars_does_not_adapt_where_a_norm_is_zero():
    zero, one = keras.Variable(np.zeros(3), name="kernel"), keras.Variable(np.ones(3), name="k")
    optimizer = optimizers.LARS(0.5, momentum=0.0)
    optimizer.apply([np.full(3, 2.0, "float32"), np.zeros(3, "float32")], [zero, one])
    np.testing.assert_allclose(np.array(zero), -1.0)
    np.testing.assert_allclose(np.array(one), 1.0)


def test_only_kernels_are_decayed_by_adamw():
    model = network()
    variables = model.trainable_weights
    settings = OptimizerSettings(
        name="adamw", learning_rate=0.1, scaling="none", weight_decay=0.5, warmup_epochs=0
    )
    optimizer = optimizers.build_optimizer(settings, 64, 10, 1)
    start = {v.path: np.array(v) for v in variables}
    optimizer.apply([np.zeros(v.shape, "float32") for v in variables], variables)
    for variable in variables:
        kernel = variable.path.endswith("kernel")
        factor = 1 - 0.1 * 0.5 if kernel else 1.0
        np.testing.assert_allclose(np.array(variable), factor * start[variable.path], rtol=1e-5)
    assert sum(v.path.endswith("kernel") for v in variables) == 3


def test_adamw_without_layer_decay_is_keras_own():
    model = network()
    variables = model.trainable_weights
    rng = np.random.default_rng(1)
    gradients = [[rng.normal(size=v.shape).astype("float32") for v in variables] for _ in range(3)]
    start = [np.array(v) for v in variables]
    settings = OptimizerSettings(
        name="adamw", learning_rate=0.1, scaling="none", weight_decay=0.2, warmup_epochs=0
    )
    ours = optimizers.build_optimizer(settings, 64, 10, 1)
    peer = keras.optimizers.AdamW(optimizers.build_schedule(settings, 64, 10, 1), weight_decay=0.2)
    peer.exclude_from_weight_decay(
        [v for v in variables if v.path.endswith(("bias", "gamma", "beta"))]
    )
    results = []
    for optimizer in (ours, peer):
        for variable, value in zip(variables, start, strict=True):
            variable.assign(value)
        for gradient in gradients:
            optimizer.apply(gradient, variables)
        results.append([np.array(v) for v in variables])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


# Distance from the head of the layers of a network with two blocks of one and two units.
DISTANCES = {
    "root_block": 4,
    "block1/unit01": 3,
    "block2/unit01": 2,
    "block2/unit02": 1,
    "group_norm": 1,
    optimizers.SUPERVISED_HEAD: 0,
}


DEEP = ModelSettings(units=(1, 2), root_filters=8, image_size=32, stem="cifar")


def deep_network():
    """A finetuned network, with head weights that are not zero."""
    encoder = registry.build_backbone(DEEP)
    model = classifier.Classifier(encoder, TaskSettings(labels=("a", "b"), kind="multilabel"))
    rng = np.random.default_rng(0)
    for weight in model.trainable_weights:
        weight.assign(rng.normal(size=weight.shape))
    return model


def distance(path):
    (found,) = [far for start, far in DISTANCES.items() if path.startswith(start)]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lars", "sgd", "adamw"])
def test_layer_decay_scales_the_step_of_each_layer(kind):
    """Two steps of the decayed optimizer, layer by layer, are those at that layer's own rate."""
    decay = 0.7
    settings = OptimizerSettings(
        name=kind,
        scaling="none",
        weight_decay=0.1,
        schedule="constant",
        warmup_epochs=0,
    )
    model = deep_network()
    variables = model.trainable_weights
    rng = np.random.default_rng(1)
    gradients = [[rng.normal(size=v.shape).astype("float32") for v in variables] for _ in "ab"]
    start = [np.array(v) for v in variables]

    def stepped(layer_decay, rate):
        for variable, value in zip(variables, start, strict=True):
            variable.assign(value)
        scaled = settings.model_copy(update={"learning_rate": rate})
        rates = classifier.layer_rates(model.encoder, DEEP, layer_decay)
        optimizer = optimizers.build_optimizer(scaled, 64, 5, 2, rates=rates)
        for gradient in gradients:
            optimizer.apply(gradient, variables)
        return {v.path: np.array(v) for v in variables}

    found = stepped(decay, 0.01)
    plain = {far: stepped(1.0, 0.01 * decay**far) for far in range(5)}
    assert {distance(path) for path in found} == set(range(5))
    for path, value in found.items():
        expected = plain[distance(path)][path]
        np.testing.assert_allclose(value, expected, rtol=2e-5, atol=1e-6, err_msg=path)


def test_layers_of_the_simclr_resnet_are_its_units():
    paths = ["root_conv/kernel", "root_norm/gamma", "block1_unit01_conv1/kernel"]
    paths += ["block1_unit01_norm1/gamma", "block2_unit01_conv1/kernel", "supervised_head/bias"]
    simclr = ModelSettings(family="simclr", depth=18, units=(1, 1), root_filters=8)
    rates = classifier.layer_rates(registry.build_backbone(simclr), simclr, 0.5)
    found = [rates.get(path, 1.0) for path in paths]
    assert found == [0.125, 0.125, 0.25, 0.25, 0.5, 1.0]


@pytest.mark.parametrize(
    ("scaling", "batch", "peak"),
    [("linear", 512, 0.6), ("linear", 64, 0.075), ("sqrt", 4096, 19.2), ("none", 512, 0.3)],
)
def test_peak_learning_rate(scaling, batch, peak):
    settings = OptimizerSettings(learning_rate=0.3, scaling=scaling)
    assert optimizers.peak_learning_rate(settings, batch) == pytest.approx(peak)


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("cosine", {0: 0.0, 5: 0.5, 10: 1.0, 15: 0.8535534, 20: 0.5, 30: 0.0, 99: 0.0}),
        ("constant", {0: 0.0, 5: 0.5, 10: 1.0, 20: 1.0, 30: 1.0}),
    ],
)
def test_schedule(schedule, rates):
    settings = OptimizerSettings(
        learning_rate=1.0, scaling="none", warmup_epochs=2, schedule=schedule
    )
    found = optimizers.build_schedule(settings, 32, steps_per_epoch=5, epochs=6)
    for step, rate in rates.items():
        assert float(found(step)) == pytest.approx(rate, abs=1e-6), step


def test_schedule_without_warmup_starts_at_the_peak_and_a_long_warmup_is_cut():
    settings = OptimizerSettings(learning_rate=2.0, scaling="none", warmup_epochs=0)
    assert float(optimizers.build_schedule(settings, 1, 5, 2)(0)) == 2.0
    settings = OptimizerSettings(learning_rate=2.0, scaling="none", warmup_epochs=10)
    schedule = optimizers.build_schedule(settings, 1, 5, 2)
    assert schedule.warmup_steps == 10
    assert float(schedule(5)) == pytest.approx(1.0)


def test_the_cifar10_recipe_of_simclr_peaks_at_two():
    # 512 images a step, 1000 epochs of 50,000: 97 steps an epoch here, where leftovers are dropped.
    settings = OptimizerSettings(learning_rate=1.0, weight_decay=1e-4)
    schedule = optimizers.build_schedule(settings, 512, 50_000 // 512, 1000)
    assert schedule.peak == 2.0
    assert schedule.total_steps == 97_000


@pytest.mark.parametrize("name", ["lars", "sgd", "adamw"])
def test_optimizer_survives_serialization(name):
    settings = OptimizerSettings(name=name, weight_decay=0.1, momentum=0.8)
    first = optimizers.build_optimizer(settings, 256, 7, 20, rates={"root_block/kernel": 0.9})
    second = keras.optimizers.deserialize(keras.optimizers.serialize(first))
    assert type(second) is type(first)
    assert second.rates == {"root_block/kernel": 0.9}
    if name != "adamw":
        assert (second.momentum, second.l2) == (0.8, 0.1)
    assert second.get_config() == first.get_config()


@pytest.mark.parametrize("kind", [optimizers.LARS, optimizers.DecayedSGD, optimizers.AdamW])
def test_what_every_optimizer_takes_is_taken_and_kept(kind):
    first = kind(0.5, clipnorm=2.0, name="mine")
    second = kind.from_config(first.get_config())
    assert (second.clipnorm, second.name) == (2.0, "mine")
    assert float(second.learning_rate) == 0.5


def test_a_step_schedule_divides_by_ten_unless_told_otherwise():
    assert [float(optimizers.StepSchedule(2.0, 0, [3, 5])(step)) for step in (2, 3, 4, 5)] == (
        pytest.approx([2.0, 0.2, 0.2, 0.02])
    )
    half = optimizers.StepSchedule(2.0, 4, [6], factor=0.5)
    assert [float(half(step)) for step in (0, 1, 4, 6)] == pytest.approx([0.0, 0.5, 2.0, 1.0])
    at_the_end_of_warmup = optimizers.StepSchedule(2.0, 4, [4])
    assert [float(at_the_end_of_warmup(step)) for step in (3, 4)] == pytest.approx([1.5, 0.2])


@pytest.mark.parametrize(
    "schedule",
    [
        optimizers.WarmupSchedule(0.3, 5, 20, "constant"),
        optimizers.StepSchedule(0.3, 5, (10, 15), 0.25),
    ],
)
def test_schedules_survive_serialization(schedule):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert type(again) is type(schedule)
    for step in (0, 3, 5, 9, 12, 18, 20):
        assert float(again(step)) == float(schedule(step))
