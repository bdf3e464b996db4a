import gzip
import shutil

import h5py
import numpy as np
import pytest

from schemas.errors import InputError


def _open(opened, root, labels=("tumor",), **more):
    return opened(labels, source="patch_camelyon", root=root, **more)


def test_rows_of_the_three_files(opened, patches):
    rows = list(_open(opened, patches).rows())
    assert [row.number for row in rows] == list(range(1, 11))
    assert [row.image for row in rows[4:8]] == ["train/4", "valid/0", "valid/1", "test/0"]
    assert [row.split for row in rows] == ["train"] * 5 + ["validation"] * 2 + ["test"] * 3
    assert [row.labels[0] for row in rows] == [0, 1, 0, 1, 0, 0, 1, 0, 1, 0]
    assert [row.patient_id[-3:] for row in rows[:5]] == ["000", "000", "001", "001", "002"]
    assert rows[0].patient_id == "camelyon16_train_normal_000"


def test_patches_load_one_by_one(opened, patches):
    source = _open(opened, patches)
    with h5py.File(patches / "camelyonpatch_level_2_split_test_x.h5") as file:
        expected = file["x"][2]
    np.testing.assert_array_equal(source.load("test/2", 10**6).pixels, expected)
    assert source.load("test/2", 10**6).flags == ()


def test_without_tables_only_the_official_split(opened, patches):
    assert {row.split for row in _open(opened, patches, official_split=False).rows()} == {None}
    for path in patches.glob("*_meta.csv"):
        path.unlink()
    rows = list(_open(opened, patches).rows())
    assert len({row.patient_id for row in rows}) == 10
    with pytest.raises(InputError, match="tells slides apart"):
        _open(opened, patches, official_split=False)


def test_label_may_be_renamed(opened, patches):
    source = _open(opened, patches, ("metastasis",), label_columns={"metastasis": "tumor"})
    assert [row.labels[0] for row in source.rows()][:2] == [0, 1]
    with pytest.raises(InputError, match="names 'metastasis'"):
        _open(opened, patches, ("metastasis",))


def test_packed_file_is_to_be_unpacked(opened, patches):
    path = patches / "camelyonpatch_level_2_split_valid_x.h5"
    with open(path, "rb") as source, gzip.open(f"{path}.gz", "wb") as target:
        shutil.copyfileobj(source, target)
    path.unlink()
    with pytest.raises(InputError, match=r"no 'camelyonpatch_level_2_split_valid_x.h5': gunzip"):
        _open(opened, patches)


@pytest.mark.parametrize(
    ("end", "name", "values", "message"),
    [
        ("train_x.h5", "x", np.zeros((5, 8, 8), np.uint8), "uint8 of the shape"),
        ("train_x.h5", "x", np.zeros((4, 8, 8, 3), np.uint8), "has 4 patches, its labels are 5"),
        ("train_x.h5", "images", np.zeros((5, 8, 8, 3), np.uint8), "no.* data set 'x'|not an HDF5"),
        ("test_y.h5", "y", np.full((3, 1, 1, 1), 2, np.uint8), "labels must be 0 or 1"),
    ],
)
def test_wrong_contents_are_refused(opened, patches, end, name, values, message):
    with h5py.File(patches / f"camelyonpatch_level_2_split_{end}", "w") as file:
        file[name] = values
    with pytest.raises(InputError, match=message):
        _open(opened, patches)


def test_tables_of_another_length_are_refused(opened, patches):
    meta = patches / "camelyonpatch_level_2_split_test_meta.csv"
    meta.write_text("\n".join(meta.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(InputError, match="has 2 rows for 3 patches"):
        _open(opened, patches)


def test_what_is_no_hdf5_is_refused(opened, patches):
    (patches / "camelyonpatch_level_2_split_train_x.h5").write_bytes(b"no HDF5")
    with pytest.raises(InputError, match="not an HDF5 file"):
        _open(opened, patches)


def test_fingerprint_follows_the_files(opened, patches):
    before = _open(opened, patches).fingerprint()
    labels = patches / "camelyonpatch_level_2_split_test_y.h5"
    labels.unlink()
    with h5py.File(labels, "w") as file:
        file["y"] = np.ones((3, 1, 1, 1), np.uint8)
    assert _open(opened, patches).fingerprint() != before
