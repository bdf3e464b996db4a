import shutil

import pytest

from schemas.errors import InputError
from tests.components.image_example_gen.sources.made_cxr import write_test_labels

FIVE = ("atelectasis", "cardiomegaly", "consolidation", "edema", "pleural_effusion")


def _open(opened, root, labels=("edema", "pleural_effusion"), **more):
    kind = "multilabel" if len(labels) > 1 else "binary"
    return opened(labels, kind=kind, source="chexpert", root=root, **more)


def test_rows_of_the_tables(opened, chexpert):
    rows = list(_open(opened, chexpert, subgroups=("sex", "age", "view")).rows())
    assert [row.number for row in rows] == [1, 2, 4, 5, 6, 7]  # 3 is lateral
    assert rows[0].image == "train/patient00001/study1/view1_frontal.jpg"
    assert [row.patient_id for row in rows] == [
        "patient00001", "patient00002", "patient00003", "patient00004", "patient64541",
        "patient64542",
    ]  # fmt: skip
    assert [row.labels for row in rows] == [
        (None, None), (None, None), (1.0, 1.0), (0.0, 0.0), (0.0, 0.0), (1.0, 1.0)
    ]  # fmt: skip
    assert [row.split for row in rows] == ["train"] * 4 + ["test"] * 2
    assert [row.subgroups for row in rows[:4]] == [
        ("F", "68", "AP"), ("F", "87", "AP"), ("M", "41", "PA"), ("unknown", "0", "AP")
    ]  # fmt: skip
    assert {row.site for row in rows} == {"stanford"}
    assert {row.domain for row in rows} == {"in_distribution"}


def test_images_load(opened, chexpert):
    source = _open(opened, chexpert)
    assert source.load(next(source.rows()).image, 10**6).pixels.shape == (10, 12)


@pytest.mark.parametrize(
    ("more", "second"),
    [
        ({"uncertain": "zeros"}, (0.0, 0.0)),
        ({"uncertain": "ones"}, (1.0, 1.0)),
        ({"uncertain": "ones", "by_label": {"edema": "zeros"}}, (0.0, 1.0)),
        ({"by_label": {"pleural_effusion": "ones"}}, (None, 1.0)),
    ],
)
def test_uncertain_policy_of_each_finding(opened, chexpert, more, second):
    assert list(_open(opened, chexpert, **more).rows())[1].labels == second


def test_unmentioned_findings_can_be_negative(opened, chexpert):
    rows = list(_open(opened, chexpert, unmentioned="zeros").rows())
    assert [row.labels for row in rows[:3]] == [(0.0, 0.0), (None, None), (1.0, 1.0)]


@pytest.mark.parametrize(("view", "numbers"), [("lateral", [3]), ("all", [1, 2, 3, 4, 5, 6, 7])])
def test_views(opened, chexpert, view, numbers):
    rows = list(_open(opened, chexpert, view=view, subgroups=("view",)).rows())
    assert [row.number for row in rows] == numbers
    assert next(row for row in rows if row.number == 3).subgroups == ("LATERAL",)


def test_test_table_makes_valid_the_validation_split(opened, chexpert):
    text = (chexpert / "valid.csv").read_text().replace("/valid/", "/test/")
    (chexpert / "test.csv").write_text(text)
    shutil.copytree(chexpert / "valid", chexpert / "test")
    splits = [row.split for row in _open(opened, chexpert).rows()]
    assert splits == ["train"] * 4 + ["validation"] * 2 + ["test"] * 2


def test_test_labels_that_were_published_later(opened, chexpert, write_image):
    image = write_test_labels(chexpert, write_image)
    # Some copies have a list of the test images beside it, without labels.
    (chexpert / "test.csv").write_text("Path\n" + image + "\n")
    rows = list(opened(("edema",), source="chexpert", root=chexpert, subgroups=("sex",)).rows())
    assert [row.split for row in rows] == ["train"] * 4 + ["validation"] * 2 + ["test"] * 2
    assert [row.patient_id for row in rows][-2:] == ["patient64741", "patient64742"]
    assert [(row.labels, row.subgroups) for row in rows][-2:] == [((1.0,), ("unknown",))] * 2


@pytest.mark.slow
def test_test_labels_are_ingested(ingested, chexpert, write_image):
    write_test_labels(chexpert, write_image)
    splits = ingested("edema", source="chexpert", root=chexpert)["splits"]
    # Frontal films: four of train.csv, of which the first two say nothing sure of edema; two of
    # valid.csv; two of test_labels.csv, both with edema.
    labels = {name: splits[name]["labels"]["edema"] for name in ("train", "validation", "test")}
    assert labels == {
        "train": {"0": 1, "1": 1, "unknown": 2},
        "validation": {"0": 1, "1": 1, "unknown": 0},
        "test": {"0": 0, "1": 2, "unknown": 0},
    }
    assert splits["test"]["patients"] == 2


def test_official_split_can_be_left_aside(opened, chexpert):
    rows = _open(opened, chexpert, official_split=False).rows()
    assert {row.split for row in rows} == {None}


def test_renamed_folder_and_full_size_batches(opened, chexpert, tmp_path):
    # The full-size release: tables beside folders that hold the patients, `train` in several.
    batch = chexpert / "CheXpert-v1.0 batch 2 (train 1)"
    batch.mkdir()
    shutil.move(chexpert / "train" / "patient00003", batch / "patient00003")
    root = chexpert.rename(tmp_path / "my copy")
    source = _open(opened, root)
    images = [row.image for row in source.rows()]
    assert images[2] == "CheXpert-v1.0 batch 2 (train 1)/patient00003/study1/view1_frontal.jpg"
    assert images[0] == "train/patient00001/study1/view1_frontal.jpg"
    assert all(source.load(image, 10**6).pixels.size for image in images)


def test_fingerprint_follows_tables_and_images(opened, chexpert, write_image):
    first = _open(opened, chexpert).fingerprint()
    assert _open(opened, chexpert).fingerprint() == first
    write_image(chexpert / "train/patient00001/study1/view1_frontal.jpg", 99, size=(20, 20))
    second = _open(opened, chexpert).fingerprint()
    (chexpert / "valid.csv").write_text((chexpert / "valid.csv").read_text() + "\n")
    assert len({first, second, _open(opened, chexpert).fingerprint()}) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("Edema", "Oedema"), "train.csv has no column 'Edema'"),
        ((",68,Frontal", ",68,Oblique"), "Frontal, Lateral"),
        (("patient00001", "person1"), "row 1: Path is not like"),
        (("CheXpert-v1.0-small/train/patient00001", "../train/patient00001"), "holds '..'"),
        (("1.0,,,,,,,,0.0", "maybe,,,,,maybe,,,0.0"), "row 1: column 'Edema' is 'maybe'"),
        (("patient00001/study1/view1_frontal.jpg,Female", "patient00001,Fe,male"), "cells"),
    ],
)
def test_bad_tables_are_refused(opened, chexpert, change, message):
    text = (chexpert / "train.csv").read_text()
    assert change[0] in text
    (chexpert / "train.csv").write_text(text.replace(*change))
    with pytest.raises(InputError, match=message.replace(".", r"\.")) as error:
        _open(opened, chexpert)
    assert "patient00001" not in str(error.value)


def test_missing_table_unknown_label_and_subgroup(opened, chexpert):
    with pytest.raises(InputError, match=r"did you mean 'pleural_effusion'"):
        _open(opened, chexpert, labels=("pleural_efusion",))
    with pytest.raises(InputError, match=r"data.subgroups names 'race', chexpert has sex, age"):
        _open(opened, chexpert, subgroups=("race",))
    with pytest.raises(InputError, match="multiclass"):
        opened(("edema",), kind="multiclass", classes=("a", "b"), source="chexpert", root=chexpert)
    (chexpert / "valid.csv").unlink()
    with pytest.raises(InputError, match=r"contains no 'valid.csv'"):
        _open(opened, chexpert)


def test_label_columns_rename(opened, chexpert):
    source = _open(opened, chexpert, labels=("fluid",), label_columns={"fluid": "Pleural Effusion"})
    assert [row.labels[0] for row in source.rows()][2:] == [1.0, 0.0, 0.0, 1.0]


def test_all_fourteen_findings_have_names(opened, chexpert):
    source = _open(opened, chexpert, labels=FIVE)
    assert source.offers().labels >= {*FIVE, "no_finding", "lung_opacity", "support_devices"}
