import keras
import numpy as np
import pytest

from trainer_modules.contrastive.projection import build_projection_head


@pytest.mark.parametrize(
    ("layers", "shapes"),
    [
        (0, []),
        (1, [(6, 4), (4,)]),
        (2, [(6, 6), (6,), (6,), (6, 4), (4,)]),
        (3, [(6, 6), (6,), (6,), (6, 6), (6,), (6,), (6, 4), (4,)]),
    ],
)
def test_trainable_arrays(layers, shapes):
    head = build_projection_head(6, layers, 4)
    assert [tuple(weight.shape) for weight in head.trainable_weights] == shapes
    assert not any("bias" in weight.path for weight in head.weights)
    assert head.output_shape == (None, 4 if layers else 6)


def test_two_layers_match_numpy_in_training():
    head = build_projection_head(5, 2, 3)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, 5))

    def norm(values):
        return (values - values.mean(0)) / np.sqrt(values.var(0) + 1e-5)

    first, second = (head.get_layer(f"dense{i}").kernel for i in (1, 2))
    first.assign(rng.normal(size=(5, 5)))
    second.assign(rng.normal(size=(5, 3)))
    expected = norm(np.maximum(norm(x @ np.array(first)), 0) @ np.array(second))
    np.testing.assert_allclose(np.array(head(x, training=True)), expected, atol=2e-5)


def test_projections_are_float32_in_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        head = build_projection_head(5, 3, 3)
    finally:
        keras.config.set_dtype_policy("float32")
    assert keras.backend.standardize_dtype(head(np.ones((2, 5))).dtype) == "float32"


def test_first_weights_are_normal_with_the_width_of_the_reference():
    head = build_projection_head(200, 2, 150)
    for name, shape in (("dense1", (200, 200)), ("dense2", (200, 150))):
        kernel = np.array(head.get_layer(name).kernel)
        assert kernel.shape == shape
        assert kernel.std() == pytest.approx(0.01, rel=0.05)
        assert abs(kernel.mean()) < 5e-4
        # Normal, not uniform: the fourth moment is three times the squared variance.
        assert np.mean(kernel**4) / kernel.var() ** 2 == pytest.approx(3, rel=0.1)


def test_norms_are_the_references_and_shared_between_replicas():
    head = build_projection_head(6, 2, 4)
    for name, center in (("norm1", True), ("norm2", False)):
        norm = head.get_layer(name)
        assert (norm.momentum, norm.epsilon) == (0.9, 1e-5)
        assert (norm.center, norm.scale) == (center, True)
        assert norm.synchronized is True


def test_names_by_which_checkpoints_find_their_variables():
    head = build_projection_head(6, 2, 4)
    names = ["features", "dense1", "norm1", "relu1", "dense2", "norm2"]
    assert [layer.name for layer in head.layers] == names
    assert head.name == "projection_head"


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_projections_take_both_signs(layers):
    head = build_projection_head(8, layers, 5)
    found = np.array(head(np.random.default_rng(0).normal(size=(32, 8)), training=True))
    assert (found < 0).any()
    assert (found > 0).any()
