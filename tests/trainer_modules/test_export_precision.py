"""Exported models compute in `model.serving_precision`, from the same float32 weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from schemas import features
from tests.made_documents import encoder_card
from trainer_modules import export
from trainer_modules.backbones import registry
from trainer_modules.settings import ModelSettings


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Encoders of one network in both precisions, by precision."""
    trained = registry.build_backbone(ModelSettings(units=(1, 1), root_filters=16))
    found = {}
    for precision in ("float32", "mixed_bfloat16"):
        model = ModelSettings(units=(1, 1), root_filters=16, serving_precision=precision)
        folder = tmp_path_factory.mktemp(precision)
        network = export.serving_network(trained, model)
        export.export_encoder(network, folder, encoder_card())
        found[precision] = (tf.saved_model.load(str(folder)), network)
    return found


def test_images_and_features_are_float32_and_agree_as_bfloat16_allows(exported):
    images = tf.constant(np.random.default_rng(0).random((4, 48, 48, 3)), tf.float32)
    exact, rounded = (
        model.signatures[features.EMBED_SIGNATURE](images=images)["embedding"]
        for model, _ in exported.values()
    )
    assert exact.dtype == rounded.dtype == tf.float32
    error = np.linalg.norm(exact - rounded) / np.linalg.norm(exact)
    assert 1e-5 < error < 0.03  # eight bits of a value


def test_convolutions_are_of_the_precision_and_weights_are_not(exported):
    for precision, kind in (("float32", tf.float32), ("mixed_bfloat16", tf.bfloat16)):
        model, network = exported[precision]
        graph = model.signatures[features.EMBED_SIGNATURE].graph.as_graph_def()
        nodes = [*graph.node, *(node for each in graph.library.function for node in each.node_def)]
        found = {node.attr["T"].type for node in nodes if node.op == "Conv2D"}
        assert found == {kind.as_datatype_enum}
        assert {variable.dtype for variable in network.variables} == {"float32"}
    for first, second in zip(
        *(network.get_weights() for _, network in exported.values()), strict=True
    ):
        np.testing.assert_array_equal(first, second)
    assert keras.config.dtype_policy().name == "float32"
