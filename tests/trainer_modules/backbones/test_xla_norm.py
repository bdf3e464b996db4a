"""The compiled norms against the plain ones of `bit`, values and gradients, and their limits."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer_modules.backbones import bit, xla_norm


def values_and_gradients(function, arguments, upstream):
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        outputs = function(*arguments)
    return [outputs, *tape.gradient(outputs, arguments, upstream)]


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-6), ("bfloat16", 1e-2)])
@pytest.mark.parametrize("mean", [0.0, 5.0])
def test_group_norm_relu_and_its_gradient(dtype, tolerance, mean):
    rng = np.random.default_rng(0)
    inputs, upstream = (
        tf.cast(rng.normal(center, 2, (3, 5, 4, 12)), dtype) for center in (mean, 0)
    )
    gamma, beta = (tf.constant(rng.normal(c, 0.5, 12), tf.float32) for c in (1, 0))
    groups = 4
    found = values_and_gradients(
        lambda *a: xla_norm.group_norm_relu(*a, groups, bit.NORM_EPSILON),
        [inputs, gamma, beta],
        upstream,
    )
    # The plain formula, differentiated by TensorFlow in float64.
    wide = [tf.cast(each, tf.float64) for each in (inputs, gamma, beta)]

    def plain(inputs, gamma, beta):
        split = tf.reshape(inputs, (3, 20, groups, 3))
        mean, variance = tf.nn.moments(split, (1, 3), keepdims=True)
        normal = (split - mean) * tf.math.rsqrt(variance + bit.NORM_EPSILON)
        return tf.nn.relu(tf.reshape(normal, inputs.shape) * gamma + beta)

    expected = values_and_gradients(plain, wide, tf.cast(upstream, tf.float64))
    assert found[0].dtype == inputs.dtype
    for one, other in zip(found, expected, strict=True):
        scale = np.abs(other.numpy()).max()
        np.testing.assert_allclose(
            tf.cast(one, tf.float64).numpy(), other.numpy(), atol=5 * tolerance * scale
        )


def test_standardize_and_its_gradient():
    rng = np.random.default_rng(1)
    kernel = tf.constant(rng.normal(0.1, 0.3, (3, 3, 4, 6)), tf.float32)
    upstream = tf.constant(rng.normal(size=kernel.shape), tf.float32)
    found = values_and_gradients(
        lambda k: xla_norm.standardize(k, bit.STD_EPSILON, "float32"), [kernel], upstream
    )
    expected = values_and_gradients(bit.standardize, [kernel], upstream)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-4, atol=1e-5)


def unit(fused):
    layer = bit.BitUnit(4, 2)
    layer.build((None, 8, 8, 8))
    if fused:
        bit.fuse_norms(layer)
    rng = np.random.default_rng(2)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    return layer


@pytest.mark.slow
def test_a_fused_unit_trains_as_a_plain_one():
    images = tf.constant(np.random.default_rng(3).normal(size=(2, 8, 8, 8)), tf.float32)
    results = []
    for fused in (False, True):
        layer = unit(fused)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(layer(images, training=True)))
        gradients = tape.gradient(loss, [v.value for v in layer.trainable_variables])
        results.append([loss, *gradients])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(
            one.numpy(), other.numpy(), rtol=1e-3, atol=1e-4 * np.abs(other.numpy()).max()
        )


def compiled_calls(layer, training):
    traced = tf.function(lambda images: layer(images, training=training)).get_concrete_function(
        tf.TensorSpec((1, 8, 8, 8))
    )
    functions = traced.graph.as_graph_def().library.function
    return [f.signature.name for f in functions if f.attr["_XlaMustCompile"].b]


def test_only_training_is_compiled():
    layer = unit(fused=True)
    assert compiled_calls(layer, training=True)
    assert not compiled_calls(layer, training=False)


@pytest.mark.parametrize(("root_filters", "fused"), [(16, False), (64, True)])
def test_networks_of_published_width_are_fused(root_filters, fused):
    images = keras.Input((32, 32, 3))
    features = bit.bit_features(images, (1,), root_filters)
    network = keras.Model(images, features)
    assert network.get_layer("block1").units[0].conv_b.fused is fused
    norms = [layer for layer in network._flatten_layers() if hasattr(layer, "fused")]
    # The root's convolution; three norms and four convolutions of a unit; the norm at the end.
    assert [layer.fused for layer in norms] == [fused] * 9
    copy = keras.layers.deserialize(keras.layers.serialize(network.get_layer("block1")))
    assert (copy.filters, len(copy.units)) == (root_filters, 1)
