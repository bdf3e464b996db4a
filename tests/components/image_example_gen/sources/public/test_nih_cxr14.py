import pytest

from schemas.errors import InputError


def _open(opened, root, labels=("cardiomegaly", "pleural_effusion"), **more):
    return opened(labels, kind="multilabel", source="nih_cxr14", root=root, **more)


def _change(root, old, new):
    path = root / "Data_Entry_2017.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_rows_of_the_table(opened, nih_cxr14):
    rows = list(_open(opened, nih_cxr14, subgroups=("sex", "age", "view")).rows())
    assert [row.labels for row in rows] == [(1, 0), (1, 0), (0, 0), (0, 1), (0, 0)]
    assert [row.patient_id for row in rows] == ["1", "1", "2", "3", "4"]
    assert [row.split for row in rows] == ["train"] * 3 + ["test"] * 2
    assert rows[0].image == "images_001/images/00000001_000.png"
    assert rows[4].image == "images_002/images/00000004_000.png"
    assert [row.subgroups for row in rows[2:]] == [
        ("M", "81", "PA"), ("F", "unknown", "AP"), ("F", "0", "AP")
    ]  # fmt: skip
    assert {row.site for row in rows} == {"nih"}


def test_images_load(opened, nih_cxr14):
    source = _open(opened, nih_cxr14)
    assert [source.load(row.image, 10**6).pixels.shape for row in source.rows()] == [(10, 12)] * 5


def test_names_of_findings(opened, nih_cxr14):
    source = _open(opened, nih_cxr14, ("effusion", "pleural_thickening", "no_finding", "hernia"))
    assert [row.labels for row in source.rows()][2:] == [(0, 0, 1, 0), (1, 0, 0, 1), (0, 1, 0, 0)]


def test_table_of_2020_and_flat_images(opened, nih_cxr14):
    _change(nih_cxr14, "Patient Gender", "Patient Sex")
    (nih_cxr14 / "Data_Entry_2017.csv").rename(nih_cxr14 / "Data_Entry_2017_v2020.csv")
    (nih_cxr14 / "images").mkdir()
    for path in nih_cxr14.glob("images_*/images/*.png"):
        path.rename(nih_cxr14 / "images" / path.name)
    source = _open(opened, nih_cxr14, subgroups=("sex",))
    assert [row.subgroups[0] for row in source.rows()] == ["M", "M", "M", "F", "F"]
    assert next(source.rows()).image == "images/00000001_000.png"


def test_without_lists_patients_are_divided(opened, nih_cxr14):
    for name in ("train_val_list.txt", "test_list.txt"):
        (nih_cxr14 / name).unlink()
    assert {row.split for row in _open(opened, nih_cxr14).rows()} == {None}


def test_missing_image_is_left_to_quarantine(opened, nih_cxr14):
    (nih_cxr14 / "images_002/images/00000004_000.png").unlink()
    rows = list(_open(opened, nih_cxr14).rows())
    assert rows[4].image == "images/00000004_000.png"


def test_lateral_films_there_are_none(opened, nih_cxr14):
    with pytest.raises(InputError, match="no rows"):
        _open(opened, nih_cxr14, view="lateral")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Hernia|Effusion", "Hernia|Water", "row 4: column 'Finding Labels' is 'Hernia|Water'"),
        ("Hernia|Effusion", "No Finding|Effusion", "No Finding, or findings, not both"),
        ("00000002_000.png", "../00000002_000.png", "row 3: Image Index is not a file name"),
        ("00000002_000.png", "00000009_000.png", "row 3: Image Index is in neither"),
        ("Finding Labels", "Findings", "has no column 'Finding Labels'"),
    ],
)
def test_bad_tables_are_refused(opened, nih_cxr14, old, new, message):
    _change(nih_cxr14, old, new)
    with pytest.raises(InputError, match=message.replace("|", r"\|")):
        _open(opened, nih_cxr14)


def test_half_a_split_and_two_tables(opened, nih_cxr14):
    (nih_cxr14 / "test_list.txt").rename(nih_cxr14 / "old.txt")
    with pytest.raises(InputError, match=r"no 'test_list.txt'"):
        _open(opened, nih_cxr14)
    (nih_cxr14 / "old.txt").rename(nih_cxr14 / "test_list.txt")
    (nih_cxr14 / "Data_Entry_2017_v2020.csv").write_text("x\n")
    with pytest.raises(InputError, match="keep only the one"):
        _open(opened, nih_cxr14)
    with pytest.raises(InputError, match=r"contains no 'Data_Entry_2017.csv'"):
        _open(opened, nih_cxr14 / "images_001")
