"""The Upstream Trainer: an encoder of natural images, from which pretraining starts."""

import dataclasses
import json
import pathlib

import h5py
import numpy as np
import pytest
import tensorflow as tf

from tests.trainer_modules import tiny_data
from trainer_modules import pretrain, upstream
from trainer_modules.training import stage

pytestmark = pytest.mark.slow

SETTINGS = {
    "epochs": 2,
    "batch_size": 16,
    "image_size": 40,
    "optimizer": {"name": "adamw", "learning_rate": 3e-3, "scaling": "none", "warmup_epochs": 0},
}
EXPORT = "Format-Serving"
# Steps so small that float32 weights stay as they are.
STILL = {"name": "sgd", "learning_rate": 1e-30, "scaling": "none", "warmup_epochs": 0}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Folder of an upstream training on three classes."""
    root = tmp_path_factory.mktemp("upstream")
    task = tiny_data.MULTICLASS
    train = tiny_data.write_split(root / "Split-train", task, 48)
    validation = tiny_data.write_split(root / "Split-validation", task, 36, seed=1)
    upstream.run_fn(tiny_data.fn_args(root, "upstream", task, SETTINGS, train, validation))
    return root


def card(folder: pathlib.Path) -> dict:
    return json.loads((folder / EXPORT / "assets.extra" / "card.json").read_text())


def weights(folder: pathlib.Path) -> dict[str, np.ndarray]:
    found = {}
    with h5py.File(folder / EXPORT / "assets.extra" / "encoder.weights.h5") as file:
        file.visititems(
            lambda name, item: (
                found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
            )
        )
    return found


def test_it_exports_an_encoder_of_the_epoch_that_was_best_on_validation(trained):
    made = card(trained / "upstream")
    assert (made["kind"], made["feature_dim"], made["image_size"]) == ("encoder", 64, 32)
    told = made["trained_on"]
    assert told["images"] == 48
    assert told["targets"] == tiny_data.MULTICLASS["classes"]
    assert told["initialised"] == {"source": "random"}
    history = json.loads((trained / "upstream" / "run" / "history.json").read_text())
    best = max(history["epochs"], key=lambda e: (e["validation_auc"], -e["validation_loss"]))
    assert told["best_epoch"] == history["best_epoch"] == best["epoch"]
    assert 0 <= told["validation_accuracy"] <= 1
    encoder = tf.saved_model.load(str(trained / "upstream" / EXPORT))
    assert encoder(tf.zeros([2, 47, 64, 3])).shape == (2, 64)
    assert not list((trained / "checkpoints").iterdir())


def test_pretraining_starts_from_it_and_its_card_says_so(trained, tmp_path):
    images = tiny_data.write_split(tmp_path / "Split-unlabeled", tiny_data.BINARY, 16)
    settings = tiny_data.PRETRAIN | {"epochs": 1, "pairs": "patient", "optimizer": STILL}
    folder = str(trained / "upstream" / EXPORT)
    args = tiny_data.fn_args(
        tmp_path, "pretrain", tiny_data.BINARY, settings, images, images, base_model=folder
    )
    pretrain.run_fn(args)
    first, still = weights(trained / "upstream"), weights(tmp_path / "pretrain")
    assert first.keys() == still.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], still[name])
    told = card(tmp_path / "pretrain")["trained_on"]
    assert told["initialised"]["source"] == "upstream"
    assert told["initialised"]["trained_on"] == card(trained / "upstream")["trained_on"]
    assert (told["images"], told["patients"], told["patients_with_several_images"]) == (16, 8, 8)


def test_another_start_is_another_training(trained, tmp_path):
    """A checkpoint of a training that began elsewhere must not be continued."""
    args = tiny_data.fn_args(
        tmp_path, "pretrain", tiny_data.BINARY, tiny_data.PRETRAIN, "none", "none"
    )
    extra = tmp_path / "base" / "assets.extra"
    extra.mkdir(parents=True)
    folders = []
    for content in (b"one", b"two", b"one"):
        (extra / "encoder.weights.h5").write_bytes(content)
        work = stage.read(args, "pretrain")
        work = dataclasses.replace(work, base_model=str(tmp_path / "base"))
        folders.append(work.checkpoints()._folder)
    assert folders[0] == folders[2] != folders[1]
