"""BiT against NumPy float64 and the published shapes."""

import keras
import numpy as np
import pytest
from keras import ops

from trainer_modules.backbones import bit
from trainer_modules.backbones.registry import build_backbone
from trainer_modules.settings import ModelSettings

TINY = ModelSettings(units=(1, 2), root_filters=16)


def numpy_standardize(kernel):
    flat = kernel.astype(np.float64).reshape(-1, kernel.shape[-1])
    return ((flat - flat.mean(0)) / np.sqrt(flat.var(0) + 1e-10)).reshape(kernel.shape)


def numpy_group_norm_relu(x, gamma, beta, groups):
    b, h, w, c = x.shape
    split = x.astype(np.float64).reshape(b, h, w, groups, c // groups)
    mean = split.mean((1, 2, 4), keepdims=True)
    var = split.var((1, 2, 4), keepdims=True)
    normal = ((split - mean) / np.sqrt(var + 1e-5)).reshape(x.shape)
    return np.maximum(normal * gamma + beta, 0)


def numpy_conv(x, kernel, stride):
    """Zero padding of half the kernel, then every stride-th window."""
    size = kernel.shape[0]
    pad = size // 2
    x = np.pad(x.astype(np.float64), ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), (1, 2))
    return np.einsum("bhwcij,ijco->bhwo", windows[:, ::stride, ::stride], kernel)


def numpy_bit(images, weights, units, root):
    """The network as method papers write it, unit by unit, from a dict of npz-like keys."""

    def conv(x, key, stride=1):
        return numpy_conv(
            x, numpy_standardize(weights[f"{key}/standardized_conv2d/kernel"]), stride
        )

    def norm(x, key):
        gamma, beta = weights[f"{key}group_norm/gamma"], weights[f"{key}group_norm/beta"]
        return numpy_group_norm_relu(x, gamma, beta, bit.norm_groups(x.shape[-1]))

    x = conv(images * 2 - 1, "root_block", 2)
    x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    x = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (1, 2))[:, ::2, ::2].max((-1, -2))
    for block, count in enumerate(units, 1):
        for unit in range(1, count + 1):
            key = f"block{block}/unit{unit:02d}"
            stride = 2 if unit == 1 and block > 1 else 1
            o = norm(x, f"{key}/a/")
            shortcut = conv(o, f"{key}/a/proj", stride) if unit == 1 else x
            o = conv(o, f"{key}/a")
            o = conv(norm(o, f"{key}/b/"), f"{key}/b", stride)
            x = shortcut + conv(norm(o, f"{key}/c/"), f"{key}/c")
    return norm(x, "").mean((1, 2))


def randomize(backbone, seed=0):
    rng = np.random.default_rng(seed)
    for weight in backbone.weights:
        center = 1.0 if weight.path.endswith("gamma") else 0.0
        weight.assign(center + 0.3 * rng.standard_normal(weight.shape))
    return {weight.path: np.array(weight) for weight in backbone.weights}


def test_standardize_is_the_biased_variance_over_height_width_input():
    kernel = np.random.default_rng(0).normal(0.5, 0.1, (3, 3, 5, 7)).astype("float32")
    found = np.array(bit.standardize(ops.convert_to_tensor(kernel)))
    np.testing.assert_allclose(found, numpy_standardize(kernel), rtol=2e-3, atol=2e-4)
    flat = found.reshape(-1, 7).astype(np.float64)
    np.testing.assert_allclose(flat.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(flat.std(0), 1, atol=1e-4)


def test_standardize_of_a_constant_filter_is_finite_zero():
    found = np.array(bit.standardize(ops.full((1, 1, 4, 2), 0.5)))
    np.testing.assert_array_equal(found, np.zeros((1, 1, 4, 2)))


@pytest.mark.parametrize("mean", [0.0, 20.0])
def test_group_norm_relu_matches_numpy(mean):
    rng = np.random.default_rng(1)
    x = rng.normal(mean, 2, (3, 6, 5, 64)).astype("float32")
    gamma, beta = rng.normal(1, 0.2, 64), rng.normal(0, 0.2, 64)
    found = bit.group_norm_relu(
        ops.convert_to_tensor(x), *(ops.convert_to_tensor(a, "float32") for a in (gamma, beta)), 32
    )
    np.testing.assert_allclose(
        np.array(found), numpy_group_norm_relu(x, gamma, beta, 32), atol=2e-4
    )


@pytest.mark.parametrize(
    ("channels", "groups"), [(2048, 32), (192, 32), (64, 32), (32, 16), (24, 4), (16, 8), (8, 4)]
)
def test_norm_groups_divide_and_hold_at_least_two_channels(channels, groups):
    assert bit.norm_groups(channels) == groups
    assert channels % groups == 0


@pytest.mark.parametrize("side", [(32, 32), (33, 47)])
def test_network_matches_numpy(side):
    backbone = build_backbone(TINY)
    weights = randomize(backbone)
    images = np.random.default_rng(2).random((2, *side, 3)).astype("float32")
    expected = numpy_bit(images, weights, TINY.units, TINY.root_filters)
    found = np.array(backbone(images))
    assert found.shape == (2, 128)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_max_pool_pads_with_zero_not_minus_infinity():
    root = bit.BitRoot(8)
    root.build((None, 4, 4, 3))
    root.conv.kernel.assign(-np.random.default_rng(0).random(root.conv.kernel.shape))
    images = np.ones((1, 4, 4, 3), "float32")
    convolved = np.array(root.conv(images))
    expected = np.maximum(convolved[:, :2, :2].max((1, 2)), 0)  # the window touches the padding
    np.testing.assert_allclose(np.array(root(images))[:, 0, 0], expected, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "parameters", "arrays", "width"),
    [
        ({"depth": 50}, 23_500_352, 151, 2048),
        pytest.param({"depth": 101}, 42_492_480, 304, 2048, marks=pytest.mark.slow),
        ({"depth": 50, "stem": "cifar"}, 23_500_352 - (49 - 9) * 3 * 64, 151, 2048),
    ],
)
def test_published_sizes(settings, parameters, arrays, width):
    model = ModelSettings(**settings)
    backbone = build_backbone(model)
    assert backbone.count_params() == parameters
    assert len(backbone.weights) == arrays  # a released file has these and its head's two
    assert backbone.output_shape == (None, width)


def test_variable_paths_are_the_keys_of_the_released_files():
    paths = {weight.path for weight in build_backbone(TINY).weights}
    for key in (
        "root_block/standardized_conv2d/kernel",
        "block1/unit01/a/proj/standardized_conv2d/kernel",
        "block2/unit02/b/group_norm/gamma",
        "block2/unit01/c/standardized_conv2d/kernel",
        "group_norm/beta",
    ):
        assert key in paths
    assert not any("unit02/a/proj" in path for path in paths)


def test_features_are_float32_and_close_in_mixed_precision():
    images = np.random.default_rng(3).random((2, 32, 32, 3)).astype("float32")
    plain = build_backbone(TINY)
    randomize(plain)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = build_backbone(TINY)
    finally:
        keras.config.set_dtype_policy("float32")
    mixed.set_weights(plain.get_weights())
    found, expected = mixed(images), np.array(plain(images))
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    assert np.abs(np.array(found) - expected).mean() < 0.03 * np.abs(expected).mean()


def test_weights_survive_a_file(tmp_path):
    first, second = build_backbone(TINY), build_backbone(TINY)
    randomize(first)
    first.save_weights(tmp_path / "encoder.weights.h5")
    second.load_weights(tmp_path / "encoder.weights.h5")
    images = np.random.default_rng(4).random((1, 40, 40, 3))
    np.testing.assert_array_equal(np.array(first(images)), np.array(second(images)))
