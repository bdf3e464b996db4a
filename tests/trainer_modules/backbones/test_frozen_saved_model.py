"""SavedModels as frozen embeddings: what is called, what is refused, what the exports hold."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from schemas.errors import InputError
from tests.trainer_modules import tiny_data
from trainer_modules import finetune, pretrain
from trainer_modules.backbones.frozen_saved_model import load_frozen

SIDE = tiny_data.SIZE


class Released(tf.Module):
    """A module in TF-Hub's layout whose layers are none of ours; `kind` says what it answers."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kernel = tf.Variable(tf.random.stateless_normal([4, 4, 3, 6], seed=[1, 2]))
        self.kind = kind

    @tf.function(input_signature=[tf.TensorSpec([None, SIDE, SIDE, 3], tf.float32)])
    def __call__(self, images):
        features = tf.nn.relu(tf.nn.conv2d(images, self.kernel, 4, "SAME"))
        return {
            "map": features,
            "vector": tf.reduce_mean(features, axis=(1, 2)),
            "dictionary": {"features": features},
            "numbers": tf.cast(features, tf.int32),
            "row": tf.reduce_mean(features, axis=(1, 2, 3)),
        }[self.kind]


def save(folder, kind="map"):
    tf.saved_model.save(Released(kind), str(folder))
    return folder


def expected(images, kernel):
    """Convolution with stride 4 of 4 x 4 patches, ReLU, mean; in NumPy float64."""
    count = SIDE // 4
    patches = images.reshape(-1, count, 4, count, 4, 3).astype(np.float64)
    answers = np.einsum("nyixjc,ijcf->nyxf", patches, kernel.astype(np.float64))
    return np.maximum(answers, 0).mean(axis=(1, 2))


@pytest.mark.parametrize("kind", ["map", "vector"])
def test_features_are_the_modules_own_averaged_over_the_map(tmp_path, kind):
    layer = load_frozen(str(save(tmp_path / "released", kind)), SIDE)
    images = np.random.default_rng(0).random((3, SIDE, SIDE, 3), "float32")
    answer = layer(images).numpy()
    np.testing.assert_allclose(answer, expected(images, layer.module.kernel.numpy()), rtol=1e-4)
    assert layer.trainable_variables == []


@pytest.mark.parametrize(
    ("kind", "size", "said"),
    [
        ("dictionary", SIDE, r"returns .*for images \(2, 32, 32, 3\); accepted are features"),
        ("numbers", SIDE, "accepted are features"),
        ("row", SIDE, r"returns \(2,\)"),
        ("map", 64, r"can't be called on float images \(2, 64, 64, 3\).*model.image_size"),
    ],
)
def test_modules_that_are_no_embedding_are_refused(tmp_path, kind, size, said):
    folder = save(tmp_path / "released", kind)
    with pytest.raises(InputError, match=said) as caught:
        load_frozen(str(folder), size)
    assert str(folder) in str(caught.value)


def test_missing_damaged_and_uncallable_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"no file .*nowhere/saved_model\.pb"):
        load_frozen(str(tmp_path / "nowhere"), SIDE)
    damaged = save(tmp_path / "damaged")
    shutil.rmtree(damaged / "variables")
    with pytest.raises(InputError, match="not a complete TF2 SavedModel"):
        load_frozen(str(damaged), SIDE)
    silent = tf.Module()
    silent.kernel = tf.Variable(1.0)
    tf.saved_model.save(silent, str(tmp_path / "silent"))
    with pytest.raises(InputError, match="can't be called \\("):
        load_frozen(str(tmp_path / "silent"), SIDE)


@pytest.mark.slow
def test_the_classifier_holds_the_module_and_pretraining_is_skipped(tmp_path, capsys):
    released = save(tmp_path / "released")
    kernel = tf.saved_model.load(str(released)).kernel.numpy()
    train = tiny_data.write_split(tmp_path / "Split-train", tiny_data.BINARY, 48)
    validation = tiny_data.write_split(tmp_path / "Split-validation", tiny_data.BINARY, 36, 1)
    init = {"source": "saved_model", "path": str(released)}
    model = {"family": "saved_model", "image_size": SIDE, "init": init}

    def arguments(stage, settings, base_model=None):
        args = tiny_data.fn_args(
            tmp_path, stage, tiny_data.BINARY, settings, train, validation, base_model
        )
        args.custom_config["settings"]["model"] = model
        return args

    first = arguments("pretrain", tiny_data.PRETRAIN)
    pretrain.run_fn(first)
    assert "pretraining is skipped" in capsys.readouterr().out
    encoder = first.serving_model_dir
    told = json.loads((tmp_path / "pretrain/Format-Serving/assets.extra/card.json").read_text())
    assert told["feature_dim"] == 6
    assert told["trained_on"]["initialised"]["source"] == "saved_model"
    probe = tiny_data.FINETUNE | {"mode": "linear_probe"}
    second = arguments("finetune", probe, encoder)
    finetune.run_fn(second)
    # What was released may go: the exports hold it.
    shutil.rmtree(released)
    pixels = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3)).astype(np.uint8)
    features = expected(pixels.astype(np.float32) / 255, kernel)
    encoded = tf.constant([tf.io.encode_png(one).numpy() for one in pixels])
    classifier = tf.saved_model.load(second.serving_model_dir)
    embedded = classifier.signatures["embed"](images=encoded)["embedding"]
    np.testing.assert_allclose(embedded, features, rtol=1e-4)
    alone = tf.saved_model.load(encoder)(tf.cast(pixels, tf.float32) / 255)
    np.testing.assert_allclose(alone, features, rtol=1e-4)
