import pytest

from schemas.errors import InputError


def _open(opened, root, **more):
    settings = {"tile_size": 64, "mpp": 0.5}
    return opened(("tumor",), source="camelyon17", root=root, slides=settings, **more)


def _labels(rows, name):
    return {row.labels[0] for row in rows if name in row.image}


def test_patients_centers_and_labels(opened, camelyon17):
    rows = list(_open(opened, camelyon17).rows())
    assert len(rows) == 5 * 15
    sites = {row.patient_id: row.site for row in rows}
    assert sites == {
        "patient_000": "center_0",
        "patient_020": "center_1",
        "patient_099": "center_4",
        "patient_145": "center_2",
    }
    assert _labels(rows, "patient_000_node_0") == {0.0}
    assert _labels(rows, "patient_000_node_1") == {None}
    assert _labels(rows, "patient_020_node_2") == {0.0, 1.0, None}
    assert _labels(rows, "patient_099_node_4") == {1.0, None}
    assert _labels(rows, "patient_145") == {None}
    assert {row.split for row in rows if row.patient_id == "patient_145"} == {"unlabeled"}
    assert {row.split for row in rows if row.patient_id != "patient_145"} == {None}


def test_hospital_as_the_shift(opened, camelyon17):
    rows = list(_open(opened, camelyon17, shifted_sites=("center_4",)).rows())
    assert {row.patient_id for row in rows if row.domain == "shifted"} == {"patient_099"}


def test_flat_folder_and_other_table(opened, camelyon17):
    (camelyon17 / "images").mkdir()
    for path in list(camelyon17.glob("t*/**/*.tif")):
        path.rename(camelyon17 / "images" / path.name)
    (camelyon17 / "stage_labels.csv").rename(camelyon17 / "stages.csv")
    rows = list(_open(opened, camelyon17).rows())
    assert len(rows) == 75
    assert _labels(rows, "patient_000_node_0") == {0.0}


def test_wrong_contents_are_refused(opened, camelyon17, tmp_path):
    path = camelyon17 / "stage_labels.csv"
    path.write_text(path.read_text().replace(",macro", ",huge"))
    with pytest.raises(InputError, match="row 5: column 'stage' is 'huge'"):
        _open(opened, camelyon17)
    path.write_text("patient;stage\n")
    with pytest.raises(InputError, match="it looks separated by ';'"):
        _open(opened, camelyon17)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no slide named patient_NNN"):
        _open(opened, tmp_path / "empty")
