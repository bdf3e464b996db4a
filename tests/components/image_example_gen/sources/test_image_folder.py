import os

import pytest

from schemas.errors import InputError


def _open(opened, root, labels=("pneumonia",), **more):
    return opened(labels, source="image_folder", root=root, **more)


def test_binary_task_in_split_folders(opened, folders):
    source = _open(opened, folders)
    assert [(row.image, row.split, row.labels[0]) for row in source.rows()] == [
        ("test/NORMAL/IM-0001-0001.jpeg", "test", 0.0),
        ("test/PNEUMONIA/deep/person3_virus_15.jpeg", "test", 1.0),
        ("train/NORMAL/IM-0115-0001.jpeg", "train", 0.0),
        ("train/PNEUMONIA/person1_bacteria_1.jpeg", "train", 1.0),
        ("train/PNEUMONIA/person1_bacteria_2.jpeg", "train", 1.0),
        ("val/NORMAL/NORMAL2-IM-1427-0001.jpeg", "validation", 0.0),
    ]
    assert len({row.patient_id for row in source.rows()}) == 6
    assert source.load("train/NORMAL/IM-0115-0001.jpeg", 10**6).pixels.shape == (10, 12)


def test_patient_pattern(opened, folders):
    pattern = r"/(?:NORMAL2-)?(person\d+|IM-\d+)"
    source = _open(opened, folders, image_folder={"patient_pattern": pattern})
    assert [row.patient_id for row in source.rows()] == [
        "IM-0001", "person3", "IM-0115", "person1", "person1", "IM-1427"
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"image 1 of data.root.* finds no patient"):
        _open(opened, folders, image_folder={"patient_pattern": r"(person\d+)"})


@pytest.mark.parametrize("pattern", ["person", "(person"])
def test_wrong_patterns_are_refused(opened, folders, pattern):
    with pytest.raises(ValueError, match="patient_pattern"):
        _open(opened, folders, image_folder={"patient_pattern": pattern})


def test_multiclass_task(opened, tmp_path, write_image):
    for seed, name in enumerate(["Lung Opacity", "normal", "normal"]):
        write_image(tmp_path / name / f"{seed}.png", 500 + seed)
    more = {"source": "image_folder", "root": tmp_path, "kind": "multiclass"}
    rows = list(opened(("finding",), classes=("normal", "lung_opacity"), **more).rows())
    assert [row.labels[0] for row in rows] == [1.0, 0.0, 0.0]
    assert {row.split for row in rows} == {None}
    with pytest.raises(InputError, match=r"folder 'Lung Opacity' is not one of task.classes"):
        opened(("finding",), classes=("normal", "nodule"), **more)


def test_unlabeled_folder_needs_no_class(opened, folders, write_image):
    write_image(folders / "unlabeled" / "a.png", 7)
    rows = list(_open(opened, folders).rows())
    row = next(row for row in rows if row.image.startswith("unlab"))
    assert (row.image, row.split, row.labels) == ("unlabeled/a.png", "unlabeled", (None,))


def test_label_folder_can_be_named(opened, folders):
    source = _open(opened, folders, ("sick",), label_columns={"sick": "PNEUMONIA"})
    assert [row.labels[0] for row in source.rows()] == [0, 1, 0, 1, 1, 0]
    with pytest.raises(InputError, match=r"none of the folders NORMAL, PNEUMONIA has this name"):
        _open(opened, folders, ("sick",))


def test_names_that_are_no_text(opened, folders):
    name = os.fsencode(folders / "train/NORMAL") + b"/caf\xe9.jpeg"
    with open(os.fsencode(folders / "train/NORMAL/IM-0115-0001.jpeg"), "rb") as source:
        data = source.read()
    try:
        with open(name, "wb") as target:
            target.write(data)
    except OSError as error:
        pytest.skip(f"this file system takes UTF-8 names only: {error}")
    source = _open(opened, folders)
    row = next(row for row in source.rows() if "caf" in row.image)
    assert source.load(row.image, 10**6).pixels.shape == (10, 12)
    source.fingerprint()


def test_links_out_of_the_root_are_refused(opened, folders, tmp_path, write_image):
    outside = write_image(tmp_path / "outside.png", 3)
    (folders / "train/NORMAL/link.png").symlink_to(outside)
    with pytest.raises(InputError, match=r"link that leads out of data.root"):
        _open(opened, folders)


def test_empty_and_wrong_folders(opened, tmp_path, folders):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="contains no folder"):
        _open(opened, tmp_path / "empty")
    with pytest.raises(InputError, match="is not a folder"):
        _open(opened, tmp_path / "nothing")
    with pytest.raises(InputError, match="class folders have none"):
        _open(opened, folders, subgroups=("sex",))
    with pytest.raises(InputError, match="multilabel"):
        opened(("a", "b"), kind="multilabel", source="image_folder", root=folders)


def test_fingerprint_sees_a_renamed_class(opened, folders):
    before = _open(opened, folders).fingerprint()
    os.rename(folders / "train/NORMAL", folders / "train/NO_PNEUMONIA")
    assert _open(opened, folders).fingerprint() != before
