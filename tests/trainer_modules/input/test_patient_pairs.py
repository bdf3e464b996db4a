"""Cases of MICLe: pairs of one patient's images, each patient once, by (seed, epoch) alone."""

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from schemas import features
from schemas.errors import InputError
from tests.trainer_modules import tiny_data
from trainer_modules.input import batches as input_batches
from trainer_modules.input import patient_pairs, records
from trainer_modules.settings import AugmentSettings, TaskSettings

TASK = TaskSettings(**tiny_data.BINARY)
# Crops of an even image keep its one value, by which a view tells where it comes from.
CROPS = AugmentSettings(jitter_probability=0.0, grayscale_probability=0.0, blur_probability=0.0)
SIZES = (1, 2, 3, 5, 1, 4, 2, 2)
OWNERS = np.repeat(np.arange(len(SIZES)), SIZES)


def write(folder, owners, shards=3):
    """Writes image n of the patient owners[n] as an even gray of value 10 * n, over shards."""
    folder.mkdir()
    for shard in range(shards):
        name = str(folder / f"data-{shard:05d}-of-{shards:05d}.gz")
        with tf.io.TFRecordWriter(name, "GZIP") as writer:
            for number in range(shard, len(owners), shards):
                pixels = np.full((40, 40, 1), 10 * number, np.uint8)
                values = {
                    features.IMAGE_ENCODED: tf.io.encode_png(pixels).numpy(),
                    features.IMAGE_ID: b"%d" % number,
                    features.PATIENT_ID: owners[number],
                }
                feature = {
                    key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                    for key, value in values.items()
                }
                example = tf.train.Example(features=tf.train.Features(feature=feature))
                writer.write(example.SerializeToString())
    return str(folder / "*")


@pytest.fixture(scope="module")
def pattern(tmp_path_factory):
    owners = [b"patient-%d" % owner for owner in OWNERS]
    return write(tmp_path_factory.mktemp("data") / "Split-unlabeled", owners)


@pytest.fixture(params=["cached", "streamed"])
def cases(request, pattern, monkeypatch):
    if request.param == "streamed":
        monkeypatch.setattr(records, "CACHE_BYTES", 0)
    return patient_pairs.open_cases(records.open_unlabeled([pattern], TASK, "unlabeled"))


def drawn(cases, seed, epoch):
    """Numbers of the two images of each pair, [P, 2]."""
    pairs = list(cases.shuffled(seed, tf.constant(epoch)).as_numpy_iterator())
    return np.array(
        [
            [
                int(
                    tf.train.Example.FromString(one)
                    .features.feature["image/id"]
                    .bytes_list.value[0]
                )
                for one in pair
            ]
            for pair in pairs
        ]
    )


@pytest.mark.slow
def test_every_patient_once_an_epoch_with_two_of_its_images(cases):
    assert (cases.count, cases.several) == (8, 6)
    for epoch in range(4):
        pairs = drawn(cases, 3, epoch)
        owners = OWNERS[pairs]
        np.testing.assert_array_equal(owners[:, 0], owners[:, 1])
        assert sorted(owners[:, 0]) == list(range(8))
        several = np.array(SIZES)[owners[:, 0]] > 1
        np.testing.assert_array_equal(pairs[:, 0] != pairs[:, 1], several)


@pytest.mark.slow
def test_pairs_depend_on_seed_and_epoch_alone(cases, pattern):
    first = drawn(cases, 3, 0)
    np.testing.assert_array_equal(first, drawn(cases, 3, 0))
    # The same whether the records are in memory or not.
    kept = patient_pairs.open_cases(records.open_unlabeled([pattern], TASK, "unlabeled"))
    np.testing.assert_array_equal(first, drawn(kept, 3, 0))
    for other in (drawn(cases, 3, 1), drawn(cases, 4, 0)):
        assert not np.array_equal(first, other)
        assert {tuple(pair) for pair in first} != {tuple(pair) for pair in other}


@pytest.mark.slow
def test_every_pair_of_a_patient_is_as_likely():
    draw = tf.function(patient_pairs._two_of)
    size, patient = tf.constant(3, tf.int64), tf.constant(5, tf.int64)
    seen = Counter(
        tuple(draw(size, tf.constant([7, epoch], tf.int64), patient).numpy())
        for epoch in range(1200)
    )
    assert set(seen) == {(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)}
    # 200 each; chi-square with 5 degrees of freedom passes 20.5 with probability 0.001.
    assert sum((count - 200) ** 2 / 200 for count in seen.values()) < 20.5


@pytest.mark.slow
def test_views_of_a_pair_are_of_its_two_images_and_continue_where_told(cases):
    def batches(epochs, skipped=0):
        made = input_batches.pretraining_batches(cases, CROPS, 32, 3, 1, epochs, skipped)
        return np.stack(list(made.as_numpy_iterator()))

    assert input_batches.steps_per_epoch(cases, 3) == 2
    whole = batches(range(3))
    assert whole.shape == (6, 3, 2, 32, 32, 3)
    images = np.round(whole.mean(axis=(3, 4, 5)) * 25.5).astype(int)
    for epoch in range(3):
        pairs = {tuple(pair) for pair in images[2 * epoch : 2 * epoch + 2].reshape(-1, 2)}
        assert pairs == {tuple(pair) for pair in drawn(cases, 1, epoch)[:6]}
    np.testing.assert_array_equal(whole[3:], batches(range(1, 3), skipped=1))


def test_images_without_a_patient_are_cases_of_their_own(tmp_path):
    pattern = write(tmp_path / "Split-unlabeled", [b"", b"p", b"", b"p"])
    cases = patient_pairs.open_cases(records.open_unlabeled([pattern], TASK, "unlabeled"))
    assert sorted(map(tuple, np.sort(drawn(cases, 0, 0)))) == [(0, 0), (1, 3), (2, 2)]


def test_patients_of_one_image_each_are_refused(tmp_path):
    pattern = write(tmp_path / "Split-unlabeled", [b"p", b"q"])
    source = records.open_unlabeled([pattern], TASK, "unlabeled")
    with pytest.raises(InputError, match=r"pretrain\.pairs 'patient': none of 2 patients"):
        patient_pairs.open_cases(source)
