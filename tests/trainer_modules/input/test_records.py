"""Reading of splits: empty shards, order by seed and epoch, streamed and cached alike."""

import numpy as np
import pytest
import tensorflow as tf

from schemas import features
from schemas.errors import InputError
from tests.trainer_modules import tiny_data
from trainer_modules.input import records
from trainer_modules.settings import TaskSettings

BINARY = TaskSettings(**tiny_data.BINARY)
MULTILABEL = TaskSettings(**tiny_data.MULTILABEL)
MULTICLASS = TaskSettings(**tiny_data.MULTICLASS)


@pytest.fixture(params=["cached", "streamed"])
def storage(request, monkeypatch):
    if request.param == "streamed":
        monkeypatch.setattr(records, "CACHE_BYTES", 0)
    return request.param


def names(dataset):
    found = [tf.train.Example.FromString(one) for one in dataset.as_numpy_iterator()]
    return [one.features.feature[features.IMAGE_ID].bytes_list.value[0] for one in found]


def test_every_example_once_an_epoch_in_an_order_of_seed_and_epoch(tmp_path, storage):
    pattern = tiny_data.write_split(tmp_path / "Split-train", tiny_data.BINARY, 20)
    opened = records.open_unlabeled([pattern], BINARY, "train")
    assert opened.count == 20
    assert (opened.cached is not None) == (storage == "cached")
    first = names(opened.shuffled(1, tf.constant(0)))
    assert sorted(first) == sorted(b"image-%d" % number for number in range(20))
    assert first == names(opened.shuffled(1, tf.constant(0)))
    assert first != names(opened.shuffled(1, tf.constant(1)))
    assert first != names(opened.shuffled(2, tf.constant(0)))


def test_index_follows_the_stored_order(tmp_path, storage):
    pattern = tiny_data.write_split(tmp_path / "Split-train", tiny_data.MULTILABEL, 12)
    opened, index = records.open_labeled([pattern], MULTILABEL, "train")
    stored = names(opened.stored_order())
    numbers = np.array([int(name.removeprefix(b"image-")) for name in stored])
    assert opened.count == len(index) == len(stored) == 12
    assert index.patients.tolist() == [b"patient-%d" % (number // 2) for number in numbers]
    np.testing.assert_array_equal(index.labels, np.stack([numbers % 2, (numbers + 1) % 2], 1))
    np.testing.assert_array_equal(index.weights, np.stack([numbers % 3 != 0, numbers % 3 != 1], 1))


def test_multiclass_labels_are_one_hot_with_one_weight(tmp_path):
    pattern = tiny_data.write_split(tmp_path / "Split-train", tiny_data.MULTICLASS, 6, shards=1)
    _, index = records.open_labeled([pattern], MULTICLASS, "train")
    np.testing.assert_array_equal(index.labels, np.eye(3)[np.arange(6) % 3])
    assert index.weights.shape == (6, 1)


def test_fraction_keeps_whole_patients_and_drops_unlabeled_images(tmp_path, storage):
    labeled = tiny_data.write_split(tmp_path / "Split-train", tiny_data.BINARY, 40)
    # Examples of another task: without this one's label.
    other = tiny_data.write_split(tmp_path / "Split-unlabeled", tiny_data.MULTICLASS, 10)
    opened, index = records.open_labeled([labeled, other], BINARY, "train", 0.3, 0)
    assert opened.count == len(index) == 2 * len(set(index.patients)) == 12
    assert len(names(opened.shuffled(0, tf.constant(0)))) == 12
    assert len(names(opened.stored_order())) == 12


def test_no_file_no_example_and_no_label_are_errors_that_say_so(tmp_path):
    with pytest.raises(InputError, match=r"train split: no file matches .*nowhere"):
        records.open_unlabeled([str(tmp_path / "nowhere*")], BINARY, "train split")
    empty = tiny_data.write_split(tmp_path / "Split-empty", tiny_data.BINARY, 0)
    with pytest.raises(InputError, match="hold no example"):
        records.open_unlabeled([empty], BINARY, "train split")
    with pytest.raises(InputError, match=r"none of 0 examples has a known label \(finding\)"):
        records.open_labeled([empty], BINARY, "train split")
    other = tiny_data.write_split(tmp_path / "Split-other", tiny_data.MULTICLASS, 4)
    with pytest.raises(InputError, match="none of 4 examples has a known label"):
        records.open_labeled([other], BINARY, "train split")
