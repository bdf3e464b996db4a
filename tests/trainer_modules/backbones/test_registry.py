"""What families declare holds for their networks; and a new family, in this file alone, trains."""

import itertools
import json
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.config.config import load_config
from schemas.errors import InputError
from tests.trainer_modules import tiny_data
from trainer_modules import finetune, pretrain
from trainer_modules.backbones import registry
from trainer_modules.backbones.backbone import Backbone, Part
from trainer_modules.settings import FinetuneSettings, ModelSettings, families
from trainer_modules.supervised import classifier

SMALL = {
    "bit": ModelSettings(units=(1, 2), root_filters=8),
    "simclr": ModelSettings(family="simclr", units=(2, 1), root_filters=8),
}
# Where each source's weights can go, from the formats alone: BiT's files hold BiT, `encoder` and
# the variables of a SavedModel whatever was exported, and the SavedModel as it is only itself.
INITS = {
    "bit": {"random", "bit_npz", "encoder", "saved_model"},
    "simclr": {"random", "encoder", "saved_model"},
    "saved_model": {"saved_model"},
}


@pytest.mark.parametrize("model", SMALL.values(), ids=SMALL)
def test_parts_hold_every_variable_once_in_order(model):
    network = registry.build_backbone(model)
    parts = registry.parts(network, model)
    paths = [v.path for part in parts for layer in part.layers for v in layer.variables]
    assert sorted(paths) == sorted(variable.path for variable in network.variables)
    units = itertools.chain.from_iterable(
        [block] * count for block, count in enumerate(model.units, 1)
    )
    assert [part.block for part in parts] == [0, *units]


@pytest.mark.parametrize("model", SMALL.values(), ids=SMALL)
def test_batch_norm_is_declared_where_there_is_one(model):
    layers = registry.build_backbone(model)._flatten_layers()
    found = any(isinstance(layer, keras.layers.BatchNormalization) for layer in layers)
    assert found == model.traits.batch_norm


@pytest.mark.parametrize("source", ["random", "bit_npz", "encoder", "saved_model"])
@pytest.mark.parametrize("family", INITS)
def test_settings_take_the_first_weights_that_fit_the_family(family, source):
    init = {"source": source, "path": "" if source == "random" else "/weights"}
    if source in INITS[family]:
        assert ModelSettings(family=family, init=init).init.source == source
    else:
        with pytest.raises(
            ValueError, match=rf"'{family}' with init.source '{source}': accepted: "
        ):
            ModelSettings(family=family, init=init)


def test_unknown_family_is_refused_with_those_there_are():
    with pytest.raises(InputError, match="should be 'bit', 'simclr' or 'saved_model'"):
        load_config(preset="demo", overrides=["model.family=vit"])


@pytest.mark.parametrize(
    ("family", "depth", "blocks"), [("bit", 50, 4), ("simclr", 18, 4), ("saved_model", 50, 0)]
)
def test_blocks_of_a_family(family, depth, blocks):
    source = "saved_model" if family == "saved_model" else "random"
    init = {"source": source, "path": "" if source == "random" else "/weights"}
    assert len(ModelSettings(family=family, depth=depth, init=init).unit_counts) == blocks


def test_depth_that_a_family_has_not_is_refused_unless_units_are_given():
    with pytest.raises(ValueError, match="depth 18 with family 'bit': accepted: 50, 101, 152"):
        ModelSettings(depth=18)
    assert ModelSettings(depth=18, units=(1, 2)).unit_counts == (1, 2)


# --- A new family ---------------------------------------------------------------------------------

WIDTH = 12


def build_toy(images, model, synchronized):
    """A convolution and as many dense layers over pixels as `units` says, without any norm."""
    outputs = keras.layers.Conv2D(WIDTH, 4, strides=4, activation="relu", name="patches")(images)
    for number, count in enumerate(model.unit_counts):
        for unit in range(count):
            dense = keras.layers.Dense(WIDTH, "relu", name=f"mixer_{'abc'[number]}{unit}")
            outputs = dense(outputs)
    return keras.layers.GlobalMaxPooling2D(dtype="float32")(outputs)


def toy_parts(network, model):
    found = [Part(0, [network.get_layer("patches")])]
    for number, count in enumerate(model.unit_counts):
        names = [f"mixer_{'abc'[number]}{unit}" for unit in range(count)]
        found += [Part(number + 1, [network.get_layer(name)]) for name in names]
    return found


TOY = Backbone(
    families.Traits("toy", depths={50: (1, 2, 1)}, batch_norm=False, inits=("random", "encoder")),
    build_toy,
    toy_parts,
    pixels=(-2.0, 2.0),
)


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setattr(families, "FAMILIES", dict(families.FAMILIES))
    monkeypatch.setattr(registry, "_BACKBONES", dict(registry._BACKBONES))
    registry.register(TOY)
    return ModelSettings(family="toy", image_size=tiny_data.SIZE)


def test_a_registered_family_is_known_to_the_settings(toy):
    overrides = ["model.family=toy", "finetune.mode=after_block", "pretrain.micro_batch=8"]
    config = load_config(preset="demo", overrides=[*overrides, "finetune.after_block=2"])
    assert config.model.traits is TOY.traits
    with pytest.raises(InputError, match=r"after_block 3: the backbone has 3 blocks"):
        load_config(
            preset="demo",
            overrides=[*overrides, "model.units=[1,2,1]", "finetune.after_block=3"],
        )
    with pytest.raises(InputError, match=r"with init\.source 'bit_npz': accepted: random, enc"):
        load_config(
            preset="demo",
            overrides=["model.family=toy", "model.init={source: bit_npz, path: /weights.npz}"],
        )


def test_pixels_are_rescaled_to_the_declared_range(toy):
    network = registry.build_backbone(toy)
    rescaled = keras.Model(network.input, network.get_layer("patches").input)
    images = np.array([0.0, 0.25, 1.0], np.float32).reshape(3, 1, 1, 1) * np.ones((3, 32, 32, 3))
    np.testing.assert_allclose(np.array(rescaled(images))[:, 0, 0, 0], [-2, -1, 2], atol=1e-6)


def test_layers_and_rates_of_a_registered_family(toy):
    network = registry.build_backbone(toy)
    rates = classifier.layer_rates(network, toy, 0.5)
    kernels = {path.split("/")[0]: rate for path, rate in rates.items() if path.endswith("/kernel")}
    assert kernels == {
        "mixer_c0": 0.5,
        "mixer_b1": 0.25,
        "mixer_b0": 0.125,
        "mixer_a0": 0.0625,
        "patches": 0.03125,
    }
    choice = FinetuneSettings(mode="after_block", after_block=2)
    classifier.choose_trained_layers(network, toy, choice)
    assert {v.path for v in network.trainable_variables} == {"mixer_c0/kernel", "mixer_c0/bias"}


def test_a_variable_outside_the_parts_is_refused(toy, monkeypatch):
    lacking = Backbone(TOY.traits, build_toy, lambda network, model: toy_parts(network, model)[1:])
    registry.register(lacking)
    with pytest.raises(ValueError, match=r"'toy': \['patches/kernel', 'patches/bias'\] must each"):
        registry.parts(registry.build_backbone(toy), toy)


@pytest.mark.slow
def test_a_registered_family_is_pretrained_finetuned_and_exported(toy, tmp_path):
    def arguments(stage, settings, base_model=None):
        args = tiny_data.fn_args(
            tmp_path, stage, tiny_data.BINARY, settings, train, validation, base_model
        )
        args.custom_config["settings"]["model"] = toy.model_dump(mode="json")
        return args

    train = tiny_data.write_split(tmp_path / "Split-train", tiny_data.BINARY, 48)
    validation = tiny_data.write_split(tmp_path / "Split-validation", tiny_data.BINARY, 36, seed=1)
    args = arguments("pretrain", tiny_data.PRETRAIN | {"micro_batch": 8})
    pretrain.run_fn(args)
    encoder = pathlib.Path(args.serving_model_dir)
    frozen = {"mode": "after_block", "after_block": 1, "layer_decay": 0.5}
    args = arguments("finetune", tiny_data.FINETUNE | frozen, str(encoder))
    finetune.run_fn(args)
    finetuned = pathlib.Path(args.serving_model_dir)

    card = json.loads((finetuned / "assets.extra" / "card.json").read_text())
    assert (card["model"]["family"], card["feature_dim"]) == ("toy", WIDTH)
    before, after = registry.build_backbone(toy), registry.build_backbone(toy)
    before.load_weights(encoder / "assets.extra" / "encoder.weights.h5")
    after.load_weights(finetuned / "assets.extra" / "encoder.weights.h5")
    moved = {
        old.path.split("/")[0]
        for old, new in zip(before.variables, after.variables, strict=True)
        if not np.array_equal(old, new)
    }
    assert moved == {"mixer_b0", "mixer_b1", "mixer_c0"}
    images = np.random.default_rng(0).random((3, 32, 32, 3), np.float32)
    served = tf.saved_model.load(str(encoder))(tf.constant(images))
    np.testing.assert_allclose(served, before(images), rtol=1e-5, atol=1e-6)
    picture = tiny_data.image_bytes(True, np.random.default_rng(0))
    answer = tf.saved_model.load(str(finetuned)).signatures["serving_default"](
        images=tf.constant([picture])
    )
    assert 0 < float(answer["finding"][0, 0]) < 1
