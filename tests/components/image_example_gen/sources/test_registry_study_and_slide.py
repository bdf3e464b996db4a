"""Sources that know studies or slides name them, so that DataGate can find them in two splits."""

import re

import pytest

SLIDES = {"slides": {"tile_size": 64, "most_tiles": 2}}
CASES = [
    ("chexpert", "edema", {}, "study_id", r"patient\d{5}/study\d+"),
    ("mimic_cxr", "edema", {}, "study_id", r"\d{8}"),
    ("camelyon16", "tumor", SLIDES, "slide_id", r"(normal|tumor|test)_\d{3}"),
    ("camelyon17", "tumor", SLIDES, "slide_id", r"patient_\d{3}_node_\d"),
    ("camelyon17_wilds", "tumor", {}, "slide_id", r"patient_\d{3}_node_\d"),
    ("patches", "tumor", {"source": "patch_camelyon"}, "slide_id", r"camelyon16_.+"),
]


@pytest.mark.parametrize(("name", "label", "more", "column", "pattern"), CASES)
def test_public_layouts(name, label, more, column, pattern, opened, request):
    data = {"source": name, "root": request.getfixturevalue(name), **more}
    found = [getattr(row, column) for row in opened((label,), **data).rows()]
    assert found
    assert all(re.fullmatch(pattern, identity) for identity in found), found


def test_dicom_studies(opened, archive):
    part = {"source": "dicom", "root": str(archive), "role": "in_distribution", "name": "pacs"}
    part["dicom"] = {"table": "labels.csv"}
    (archive / "S2/damaged.dcm").write_bytes(b"x")
    data = {"parts": [part], "max_unmatched_fraction": 1}
    rows = opened(("effusion",), source="combined", **data).rows()
    studies = {row.study_id for row in rows}
    # A file that can't be read has none; another part's studies are others.
    assert studies == {"", "pacs\x1f1.2.1", "pacs\x1f1.2.2", "pacs\x1f1.2.3"}


def test_records_and_tables_through_their_columns(opened, tmp_path, write_examples, write_image):
    record = {"image/encoded": b"x", "label/x": 1.0, "exam": b"E7", "slide_id": b"S9"}
    write_examples(tmp_path / "records/a.tfrecord", [record])
    keys = {"keys": {"study_id": "exam"}}
    (row,) = opened(
        source="tfrecord", root=tmp_path / "records", tfrecord=keys, patients="per_image"
    ).rows()
    assert (row.study_id, row.slide_id) == ("E7", "S9")
    write_image(tmp_path / "table/a.png", 1)
    text = "image,x,study_id,slide_id\na.png,1,E7,\n"
    (tmp_path / "table/manifest.csv").write_text(text)
    (row,) = opened(source="manifest", root=tmp_path / "table", patients="per_image").rows()
    assert (row.study_id, row.slide_id) == ("E7", "")
