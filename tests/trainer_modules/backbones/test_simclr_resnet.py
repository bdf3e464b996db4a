"""The SimCLR ResNet: published sizes, stride conventions, start as identity, mixed precision."""

import keras
import numpy as np
import pytest

from trainer_modules.backbones.registry import build_backbone
from trainer_modules.settings import ModelSettings


@pytest.mark.slow
@pytest.mark.parametrize(
    ("depth", "stem", "trainable", "width"),
    [
        # torchvision's resnet18/34/50 have 11,689,512 / 21,797,672 / 25,557,032 parameters, of
        # which the 1000-way head has 513,000 / 513,000 / 2,049,000. The SimCLR reference projects
        # the first shortcut of every block, also where basic units keep the width (64 * 64 + 128).
        (18, "imagenet", 11_176_512 + 4_224, 512),
        (34, "imagenet", 21_284_672 + 4_224, 512),
        (50, "imagenet", 23_508_032, 2048),
        (18, "cifar", 11_176_512 + 4_224 - (49 - 9) * 3 * 64, 512),
    ],
)
def test_published_sizes(depth, stem, trainable, width):
    model = ModelSettings(family="simclr", depth=depth, stem=stem)
    backbone = build_backbone(model)
    assert sum(int(np.prod(w.shape)) for w in backbone.trainable_weights) == trainable
    assert backbone.output_shape == (None, width)


@pytest.mark.parametrize(("stem", "stride"), [("imagenet", 32), ("cifar", 8)])
def test_last_feature_map_is_the_image_divided_by_the_stride(stem, stride):
    model = ModelSettings(family="simclr", depth=18, root_filters=8, stem=stem)
    backbone = build_backbone(model)
    last_map = keras.Model(backbone.input, backbone.get_layer("features").input)
    assert last_map(np.zeros((1, 64, 96, 3))).shape[1:3] == (64 // stride, 96 // stride)


def test_units_start_as_their_shortcut():
    model = ModelSettings(family="simclr", depth=18, units=(2,), root_filters=8, stem="cifar")
    backbone = build_backbone(model)
    before = keras.Model(backbone.input, backbone.get_layer("block1_unit01_relu").output)
    after = keras.Model(backbone.input, backbone.get_layer("block1_unit02_relu").output)
    images = np.random.default_rng(0).random((2, 32, 32, 3))
    np.testing.assert_array_equal(np.array(before(images)), np.array(after(images)))


def test_batch_norm_has_the_reference_constants_and_can_be_synchronized():
    model = ModelSettings(family="simclr", depth=18, units=(1,), root_filters=8)
    norms = [
        layer
        for layer in build_backbone(model, synchronized=True).layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert norms
    assert all((n.momentum, n.epsilon, n.synchronized) == (0.9, 1e-5, True) for n in norms)


def test_features_are_float32_in_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        backbone = build_backbone(
            ModelSettings(family="simclr", depth=18, units=(1, 1), root_filters=8)
        )
    finally:
        keras.config.set_dtype_policy("float32")
    features = backbone(np.zeros((1, 32, 32, 3)))
    assert keras.backend.standardize_dtype(features.dtype) == "float32"
