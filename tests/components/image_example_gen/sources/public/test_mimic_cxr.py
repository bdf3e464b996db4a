import gzip

import pytest

from schemas.errors import InputError

LABELS = ("edema", "pleural_effusion")


def _open(opened, root, labels=LABELS, **more):
    return opened(labels, kind="multilabel", source="mimic_cxr", root=root, **more)


def _change(path, old, new):
    text = gzip.decompress(path.read_bytes()).decode()
    assert old in text
    path.write_bytes(gzip.compress(text.replace(old, new).encode()))


def test_tables_are_joined(opened, mimic_cxr):
    rows = list(_open(opened, mimic_cxr, subgroups=("view", "sex")).rows())
    # Row 2 is lateral, row 5 has no view.
    assert [row.number for row in rows] == [1, 3, 4, 6]
    source = _open(opened, mimic_cxr)
    assert source.counts() == {"rows_with_an_unknown_view": 1}
    assert _open(opened, mimic_cxr, view="all").counts() == {}
    assert rows[0].image == (
        "files/p10/p10000032/s50414267/02aa804e-bde0afdd-112c0b34-7bc16630-4e384014.jpg"
    )
    assert [row.patient_id for row in rows] == ["10000032", "10000032", "10000764", "10000898"]
    assert [row.labels for row in rows] == [(None, None), (None, 1.0), (0.0, None), (None, None)]
    assert [row.split for row in rows] == ["train", "train", "validation", "test"]
    assert rows[0].subgroups == ("PA", "unknown")
    assert {row.site for row in rows} == {"bidmc"}


def test_images_load(opened, mimic_cxr):
    source = _open(opened, mimic_cxr, view="all")
    assert [source.load(row.image, 10**6).pixels.shape for row in source.rows()] == [(10, 12)] * 6


def test_views(opened, mimic_cxr):
    assert [r.number for r in _open(opened, mimic_cxr, view="lateral").rows()] == [2]
    rows = list(_open(opened, mimic_cxr, ("atelectasis", "edema"), view="all").rows())
    assert [r.number for r in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[4].labels == (1.0, None)


def test_people_of_mimic_iv(opened, mimic_cxr):
    (mimic_cxr / "patients.csv").write_text(
        "subject_id,gender,anchor_age,anchor_year,anchor_year_group,dod\n"
        "10000032,F,52,2180,2014 - 2016,2180-09-09\n10000898,M,80,2188,2008 - 2010,\n"
    )
    source = _open(opened, mimic_cxr, subgroups=("sex", "age"), subgroup_bins={"age": (40, 65)})
    assert [row.subgroups for row in source.rows()] == [
        ("F", "40-<65"), ("F", "40-<65"), ("unknown", "unknown"), ("M", ">=65")
    ]  # fmt: skip


def test_uncertain_and_unmentioned(opened, mimic_cxr):
    rows = list(_open(opened, mimic_cxr, uncertain="ones", unmentioned="zeros").rows())
    # The last study has no row in the label table: that is unknown, not unmentioned.
    assert [row.labels for row in rows] == [(0.0, 0.0), (1.0, 1.0), (0.0, 0.0), (None, None)]


def test_unpacked_and_later_version(opened, mimic_cxr):
    for kind in ("split", "metadata", "chexpert"):
        packed = mimic_cxr / f"mimic-cxr-2.0.0-{kind}.csv.gz"
        unpacked = mimic_cxr / f"mimic-cxr-2.1.0-{kind}.csv"
        unpacked.write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    assert len(list(_open(opened, mimic_cxr).rows())) == 4


@pytest.mark.parametrize(
    ("table", "old", "new", "message"),
    [
        ("split", "validate", "dev", "column 'split' is 'dev'"),
        ("split", "10000764", "../../etc", "row 4: subject_id is not an id"),
        ("metadata", "096052b7", "deadbeef", "row 4: its dicom_id is not in"),
        ("metadata", "ViewPosition", "View", "has no column 'ViewPosition'"),
        ("chexpert", "50414267,,,,,", "50414267,,,,often,", "row 1: column 'Edema' is 'often'"),
        ("chexpert", "56522600", "53189527", "row 2 and .*, row 3: same key"),
    ],
)
def test_bad_tables_are_refused(opened, mimic_cxr, table, old, new, message):
    _change(mimic_cxr / f"mimic-cxr-2.0.0-{table}.csv.gz", old, new)
    with pytest.raises(InputError, match=message) as error:
        _open(opened, mimic_cxr)
    assert "10000" not in str(error.value)


def test_missing_or_truncated_table(opened, mimic_cxr):
    path = mimic_cxr / "mimic-cxr-2.0.0-chexpert.csv.gz"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match="not readable as CSV"):
        _open(opened, mimic_cxr)
    path.unlink()
    with pytest.raises(InputError, match=r"contains no 'mimic-cxr-2\.0\.0-chexpert\.csv\.gz'"):
        _open(opened, mimic_cxr)
