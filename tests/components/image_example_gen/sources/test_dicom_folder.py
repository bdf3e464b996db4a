import numpy as np
import pytest

from schemas.errors import InputError
from tests.components.image_example_gen.sources.made_formats import write_dicom


def _open(opened, root, labels=("effusion",), **more):
    dicom = {"table": "labels.csv", **more.pop("dicom", {})}
    more = {"max_unmatched_fraction": 1, **more}
    return opened(labels, source="dicom", root=root, dicom=dicom, **more)


def test_rows_of_all_frames(opened, archive):
    source = _open(opened, archive, subgroups=("sex", "age", "view"))
    rows = list(source.rows())
    assert [(row.number, row.image, row.patient_id) for row in rows] == [
        (1, "S1/I0#0", "MRN-1"),
        (2, "S1/I1.dcm#0", "MRN-1"),
        (3, "S1/I1.dcm#1", "MRN-1"),
        (4, "S1/I1.dcm#2", "MRN-1"),
        (5, "S2/I0#0", "MRN-2"),
    ]
    assert [row.labels[0] for row in rows] == [1.0, 0.0, 0.0, 0.0, None]
    assert [row.split for row in rows] == ["train"] * 4 + ["test"]
    assert [row.site for row in rows] == ["north"] + ["unknown"] * 3 + ["south"]
    assert rows[0].subgroups == ("F", "90", "PA")
    assert rows[4].subgroups == ("unknown", "44", "unknown")
    assert list(source.rows()) == rows


def test_frames_load(opened, archive):
    values = write_dicom(archive / "S1/I1.dcm", 2, frames=3, PatientID="MRN-1")
    source = _open(opened, archive)
    np.testing.assert_array_equal(source.load("S1/I1.dcm#2", 10**6).pixels, values[2])


@pytest.mark.parametrize(("frames", "kept"), [("first", ["0"]), ("middle", ["1"])])
def test_one_frame_of_many(opened, archive, frames, kept):
    rows = _open(opened, archive, dicom={"frames": frames}).rows()
    assert [row.image[-1] for row in rows if "I1" in row.image] == kept


def test_burned_in_text_is_flagged(opened, archive):
    source = _open(opened, archive)
    assert source.load("S1/I1.dcm#1", 10**6).flags == ("burned_in_annotation",)
    assert source.load("S2/I0#0", 10**6).flags == ()
    assert source.load("S1/I0#0", 10**6).flags == ("burned_in_annotation_not_stated",)


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("path", ("S1/I0", "S1/I1.dcm")),
        ("PatientID", ("MRN-1", "nobody")),
        ("StudyInstanceUID", ("1.2.1", "1.2.2")),
    ],
)
def test_other_keys(opened, archive, key, values):
    lines = [f"{key},effusion", *(f"{value},1" for value in values)]
    (archive / "labels.csv").write_text("\n".join(lines) + "\n")
    assert [row.labels[0] for row in _open(opened, archive).rows()] == [1.0] * 4 + [None]


def test_unlabeled_pool_needs_no_table(opened, archive, nih_cxr14):
    parts = [
        {"source": "nih_cxr14", "root": str(nih_cxr14), "role": "in_distribution"},
        {"source": "dicom", "root": str(archive), "role": "unlabeled"},
    ]
    source = opened(("effusion",), source="combined", parts=parts)
    rows = list(source.rows())
    assert {row.split for row in rows[5:]} == {"unlabeled"}
    assert source.load(rows[7].image, 10**6).flags == ("burned_in_annotation",)
    with pytest.raises(InputError, match=r"data.dicom.table is empty"):
        opened(("effusion",), source="dicom", root=archive)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("uid,effusion\n1,1\n", "has none of the columns path, SOPInstanceUID"),
        ("SOPInstanceUID,edema\n1.2.3.1,1\n", "has no column 'effusion'"),
        ("SOPInstanceUID,effusion\n1.2.3.1,much\n", "row 1: column 'effusion' is 'much'"),
        ("SOPInstanceUID,effusion\n9.9,1\n", "none of its rows has the SOPInstanceUID"),
        ("SOPInstanceUID,effusion\n9.9,1\n9.9,0\n", "row 1 and .*, row 2: same key"),
        ("SOPInstanceUID,effusion,split\n1.2.3.1,1,dev\n", "column 'split' is 'dev'"),
    ],
)
def test_bad_tables_are_refused(opened, archive, text, message):
    (archive / "labels.csv").write_text(text)
    with pytest.raises(InputError, match=message) as error:
        _open(opened, archive)
    assert "MRN" not in str(error.value)


def test_wrong_names_are_refused(opened, archive):
    with pytest.raises(InputError, match=r"no file 'other.csv'"):
        _open(opened, archive, dicom={"table": "other.csv"})
    with pytest.raises(InputError, match="give a path inside"):
        _open(opened, archive, dicom={"table": "../labels.csv"})
    with pytest.raises(InputError, match="names 'ward', dicom has sex"):
        _open(opened, archive, subgroups=("ward",))
    (archive / "empty").mkdir()
    with pytest.raises(InputError, match=r"dicom.table: no file"):
        _open(opened, archive / "empty")


def test_manifest_rows_may_name_dicom(opened, archive):
    (archive / "manifest.csv").write_text("image,effusion\nS1/I0,1\nS2/I0,0\n")
    source = opened(("effusion",), source="manifest", root=archive)
    assert source.load("S1/I0", 10**6).pixels.shape == (10, 12)
    assert source.load("S1/I0", 10**6).flags == ("burned_in_annotation_not_stated",)


def test_what_lies_beside_the_images_is_left_aside_and_counted(opened, archive):
    assert _open(opened, archive).counts() == {
        "dicomdir": 1, "not_dicom": 1, "table_rows_without_a_file": 1,
    }  # fmt: skip
    write_dicom(archive / "S3/report", 9, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", Rows=None)
    (archive / "S3/old.tif").write_bytes(b"II*\0" + b"\0" * 200)
    write_dicom(archive / "S3/I7", 7)
    source = _open(opened, archive)
    assert source.counts() == {
        "dicomdir": 1, "not_dicom": 2, "no_image: Basic Text SR Storage": 1,
        "table_rows_without_a_file": 1, "files_without_a_table_row": 1,
    }  # fmt: skip
    assert [row.image for row in source.rows()][-1] == "S3/I7#0"


@pytest.mark.parametrize(("most", "message"), [(0.24, "1 of 4 rows"), (0.05, "1 of 4 rows")])
def test_too_many_unmatched_rows_end_the_run(opened, archive, most, message):
    with pytest.raises(InputError, match=message):
        _open(opened, archive, max_unmatched_fraction=most)
    _open(opened, archive, max_unmatched_fraction=0.25)


def test_too_many_files_without_a_row_end_the_run(opened, archive):
    (archive / "labels.csv").write_text("StudyInstanceUID,effusion\n1.2.1,1\n")
    with pytest.raises(InputError, match="2 of 3 files below data"):
        _open(opened, archive, max_unmatched_fraction=0.5)
    assert _open(opened, archive).counts()["files_without_a_table_row"] == 2


def test_the_table_is_no_file_beside_the_images(opened, archive):
    source = _open(opened, archive, dicom={"table": "./labels.csv"})
    assert source.counts() == _open(opened, archive).counts()


def test_series_may_be_labeled(opened, archive):
    write_dicom(archive / "S3/I7", 7, SeriesInstanceUID="1.2.77")
    (archive / "labels.csv").write_text("SeriesInstanceUID,effusion\n1.2.77,1\n")
    labels = {row.image: row.labels[0] for row in _open(opened, archive).rows()}
    assert labels["S3/I7#0"] == 1.0
    assert labels["S1/I0#0"] is None


def test_frames_that_are_not_there_are_no_rows(opened, archive):
    write_dicom(archive / "S1/I1.dcm", 2, frames=3, PatientID="MRN-1", NumberOfFrames=400)
    rows = [row.image for row in _open(opened, archive).rows()]
    assert [image for image in rows if "I1" in image] == [f"S1/I1.dcm#{n}" for n in range(3)]


def test_the_setting_of_gray_levels_reaches_every_frame(opened, archive):
    values = write_dicom(archive / "S1/I1.dcm", 2, frames=3, PatientID="MRN-1")
    source = _open(opened, archive, intensity={"rule": "fixed", "low": 0, "high": 510})
    np.testing.assert_array_equal(source.load("S1/I1.dcm#2", 10**6).pixels, np.rint(values[2] / 2))
