"""SavedModels with the variable names of the released ones, and those that are something else."""

import numpy as np
import pytest
import tensorflow as tf

from schemas.errors import InputError
from trainer_modules.backbones.registry import build_backbone
from trainer_modules.settings import InitSettings, ModelSettings
from trainer_modules.weights.initialization import initialize

pytestmark = pytest.mark.slow

TINY = ModelSettings(units=(1, 2), root_filters=8)


def written(folder, arrays, prefix):
    """A stand-in for a released module: an object with `variables`, as TF-Hub's layout asks."""
    module = tf.Module()
    module.held = [tf.Variable(array, name=prefix + name) for name, array in arrays.items()]
    saved = tf.train.Checkpoint()
    saved.variables = module.held
    saved.call = tf.function(
        lambda images: tf.reduce_mean(images, (1, 2)),
        input_signature=[tf.TensorSpec([None, None, None, 3])],
    )
    tf.saved_model.save(saved, str(folder))
    return folder


def arrays_for(backbone):
    rng = np.random.default_rng(0)
    arrays = {w.path: rng.normal(size=w.shape).astype("float32") for w in backbone.weights}
    return arrays | {"head/conv2d/kernel": np.zeros((1, 1, 4, 2), "float32")}


def load(backbone, folder):
    return initialize(backbone, InitSettings(source="saved_model", path=str(folder)))


@pytest.mark.parametrize("prefix", ["", "resnet/", "bit/resnet/"])
def test_variables_are_matched_by_name(tmp_path, prefix):
    backbone = build_backbone(TINY)
    arrays = arrays_for(backbone)
    found = load(backbone, written(tmp_path / "module", arrays, prefix))
    assert found.arrays == len(backbone.weights)
    assert found.file == "module"
    assert len(found.sha256) == 64
    for weight in backbone.weights:
        np.testing.assert_array_equal(np.array(weight), arrays[weight.path])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"units": (1, 1)}, "which the backbone lacks"),
        ({"units": (1, 3)}, "lacks block2/unit03"),
        ({"root_filters": 16}, "expected float32"),
    ],
)
def test_other_networks_are_refused_with_the_differences(tmp_path, change, message):
    folder = written(tmp_path / "module", arrays_for(build_backbone(TINY)), "resnet/")
    other = build_backbone(TINY.model_copy(update=change))
    with pytest.raises(InputError, match=message) as caught:
        load(other, folder)
    assert "differences" in str(caught.value)


def test_folders_that_hold_no_saved_model(tmp_path):
    backbone = build_backbone(TINY)
    with pytest.raises(InputError, match="the folder of a TF2 SavedModel"):
        load(backbone, tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"not one")
    with pytest.raises(InputError, match="not a complete TF2 SavedModel"):
        load(backbone, tmp_path)
