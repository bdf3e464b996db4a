import numpy as np
import pytest

from schemas.errors import InputError


def _open(opened, root, labels, tfds=None, **more):
    return opened(labels, source="tfds", root=root, tfds=tfds or {}, **more)


CLASSES = {"kind": "multiclass", "classes": ("cat", "small_dog")}


def test_multiclass_from_a_prepared_folder(opened, prepared):
    root = prepared / "tiny_pets" / "1.0.0"
    source = _open(opened, root, ("pet",), {"keys": {"patient_id": "owner"}}, **CLASSES)
    rows = list(source.rows())
    assert [row.split for row in rows] == ["test"] * 2 + ["train"] * 4
    # TensorFlow Datasets shuffles what it writes: the pets keep their owners, two each.
    assert sorted(row.patient_id for row in rows) == ["test0"] * 2 + ["train0"] * 2 + ["train1"] * 2
    assert sorted(row.labels[0] for row in rows) == [0.0] * 3 + [1.0] * 3
    import tensorflow_datasets as tfds

    stored = tfds.builder_from_directory(str(root)).as_dataset(split="test")
    for row, example in zip(rows, tfds.as_numpy(stored), strict=False):
        np.testing.assert_array_equal(source.load(row.image, 10**6).pixels, example["image"])
        assert row.labels[0] == example["label"]


def test_builder_by_name_and_binary_label(opened, prepared):
    source = _open(opened, prepared, ("small_dog",), {"name": "tiny_pets"})
    assert sorted(row.labels[0] for row in source.rows()) == [0.0] * 3 + [1.0] * 3
    source = _open(
        opened, prepared, ("ill",), {"name": "tiny_pets:1.0.0"}, label_columns={"ill": "cat"}
    )
    assert sum(row.labels[0] for row in source.rows()) == 3


def test_multilabel_and_splits_of_its_own(opened, prepared):
    root = prepared / "tiny_findings" / "1.0.0"
    settings = {"splits": {"pool": "train"}, "keys": {"edema": "findings", "mass": "findings"}}
    source = _open(opened, root, ("edema", "mass"), settings, kind="multilabel")
    by_image = {
        int(source.load(row.image, 10**6).pixels.max()): row.labels for row in source.rows()
    }
    assert by_image == {0: (1.0, 0.0), 1: (0.0, 0.0), 2: (1.0, 1.0)}
    settings = {"splits": {"pool": "train"}, "keys": {"ill": "target"}}
    source = _open(opened, root, ("ill",), settings)
    by_image = {
        int(source.load(row.image, 10**6).pixels.max()): row.labels[0] for row in source.rows()
    }
    assert by_image == {0: 0.0, 1: 1.0, 2: 0.0}


@pytest.mark.parametrize(
    ("root", "labels", "settings", "more", "message"),
    [
        ("", ("pet",), {}, CLASSES, "contains no dataset_info.json"),
        ("", ("pet",), {"name": "no_such_set"}, CLASSES, "tfds.name 'no_such_set'"),
        ("", ("pet",), {"name": "cifar10"}, CLASSES, "'cifar10' is not prepared.*prepare=true"),
        ("tiny_findings/1.0.0", ("mass",), {}, {}, "has no feature 'mass'"),
        ("tiny_findings/1.0.0", ("x",), {"keys": {"x": "target"}}, {}, "builder's split 'pool'"),
        ("tiny_pets/1.0.0", ("horse",), {}, {}, "not a class of the builder's 'label'"),
        ("tiny_pets/1.0.0", ("pet",), {}, {**CLASSES, "classes": ("cat", "x")}, "'Small Dog'"),
        ("tiny_pets/1.0.0", ("cat",), {"keys": {"image": "owner"}}, {}, "image features are image"),
        ("tiny_pets/1.0.0", ("cat",), {"keys": {"site": "city"}}, {}, "feature 'city'"),
    ],
)  # fmt: skip
def test_wrong_settings_are_refused(opened, prepared, root, labels, settings, more, message):
    with pytest.raises(InputError, match=message):
        _open(opened, prepared / root, labels, settings, **more)
