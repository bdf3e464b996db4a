"""A batch computed in parts has the loss and the gradients of the whole one."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from schemas.errors import InputError
from trainer_modules import pretrain
from trainer_modules.backbones import registry
from trainer_modules.contrastive import projection
from trainer_modules.settings import ModelSettings
from trainer_modules.training import micro_batches

BIT = {"units": (1, 1), "root_filters": 8, "image_size": 32, "stem": "cifar"}
EXAMPLES = 7


@pytest.fixture(scope="module")
def networks():
    """A backbone and a head with BatchNorm, which must see the whole batch."""
    keras.utils.set_random_seed(1)
    encoder = registry.build_backbone(ModelSettings(**BIT))
    return encoder, projection.build_projection_head(64, 2, 16)


def loss_and_gradients(networks, views, micro_batch):
    model = pretrain.SimClr(*networks, temperature=0.2, micro_batch=micro_batch)

    @tf.function
    def step(views):
        with tf.GradientTape() as tape:
            loss = model.compute_loss(None, None, model(views, training=True), None)
        return loss, tape.gradient(loss, model.trainable_variables)

    return step(tf.constant(views))


@pytest.mark.slow
@pytest.mark.parametrize("micro_batch", [1, 3, 7, 50])
def test_gradients_are_those_of_the_undivided_batch(networks, micro_batch):
    views = np.random.default_rng(0).random((EXAMPLES, 2, 32, 32, 3), np.float32)
    loss, gradients = loss_and_gradients(networks, views, 0)
    found, in_parts = loss_and_gradients(networks, views, micro_batch)
    assert float(found) == pytest.approx(float(loss), rel=2e-5)
    assert len(in_parts) == len(gradients) > 15
    for one, other in zip(gradients, in_parts, strict=True):
        assert np.linalg.norm(one) > 0
        assert np.linalg.norm(other - one) < 1e-3 * np.linalg.norm(one)


def test_batch_norm_is_refused():
    network = registry.build_backbone(ModelSettings(family="simclr", depth=18, root_filters=8))
    with pytest.raises(InputError, match=r"pretrain\.micro_batch 4: .* has BatchNorm"):
        micro_batches.check(network, "pretrain.micro_batch 4")
    micro_batches.check(registry.build_backbone(ModelSettings(**BIT)), "pretrain.micro_batch 4")
