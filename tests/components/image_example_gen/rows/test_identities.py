"""Every source's patients: required, or said to be images; doubtful ids named before the run."""

import pytest
from pydantic import ValidationError

from schemas.errors import InputError
from tests.components.image_example_gen.data_sets import write_csv, write_png
from tests.components.image_example_gen.sources.conftest import opened
from tests.components.image_example_gen.sources.made_formats import write_dicom

__all__ = ["opened"]


@pytest.fixture
def manifest(opened, tmp_path):
    """Opens a manifest of images that exist, with a column of ids."""

    def open_(ids, header="patient_id", **settings):
        rows = [["image", header, "x"]]
        for number, identity in enumerate(ids):
            write_png(tmp_path / f"scan{number}.png", number)
            rows.append([f"scan{number}.png", identity, number % 2])
        write_csv(tmp_path / "manifest.csv", rows)
        return opened(source="manifest", root=tmp_path, **settings)

    return open_


def patients(source):
    return [row.patient_id for row in source.rows()]


@pytest.mark.parametrize("header", ["PatientID", "subject_id", "PID", "Patient"])
def test_a_near_name_is_suggested_and_its_mapping_accepted(manifest, header):
    with pytest.raises(InputError) as refused:
        manifest(["p1", "p1", "p2"], header)
    assert f"data.columns={{patient_id: {header}}}" in str(refused.value)
    assert "3 of 3 images have no patient id" in str(refused.value)
    assert "data.patients=per_image" in str(refused.value)
    assert "p1" not in str(refused.value)
    source = manifest(["p1", "p1", "p2"], header, columns={"patient_id": header})
    assert patients(source) == ["p1", "p1", "p2"]


def test_no_column_at_all(opened, tmp_path):
    write_png(tmp_path / "Doe^Jane.png", 1)
    write_csv(tmp_path / "manifest.csv", [["image", "x"], ["Doe^Jane.png", 1]])
    with pytest.raises(InputError, match="no column 'patient_id'; add it") as refused:
        opened(source="manifest", root=tmp_path)
    # Only the terminal of the user shows the name of the image's file.
    assert "Doe" not in str(refused.value)
    assert "image 'Doe^Jane.png'" in refused.value.on_terminal()


def test_images_as_patients_are_marked_and_ids_not_used(manifest):
    source = manifest(["p1", "p1", "p2"], patients="per_image")
    assert patients(source) == ["scan0.png", "scan1.png", "scan2.png"]
    assert all(row.own_patient for row in source.rows())
    assert source.counts() == {"patient_ids_not_used": 3}
    # Then nothing is doubtful about them either.
    manifest(["7", "007", "nan"], patients="per_image")


def test_images_of_a_study_stay_together_where_patients_are_not_known(opened, tmp_path):
    rows = [["image", "x", "study_id", "slide_id"]]
    for number, (study, slide) in enumerate([("e1", "s1"), ("e1", "s2"), ("", "s3"), ("", "")]):
        write_png(tmp_path / f"{number}.png", number)
        rows.append([f"{number}.png", 1, study, slide])
    write_csv(tmp_path / "manifest.csv", rows)
    source = opened(source="manifest", root=tmp_path, patients="per_image")
    assert patients(source) == ["e1", "e1", "s3", "3.png"]


def test_ids_are_composed(manifest):
    assert patients(manifest(["Mu\u0308ller", "M\u00fcller"])) == ["M\u00fcller"] * 2


@pytest.mark.parametrize(
    ("ids", "rows", "how"),
    [
        (["7", "8", "007"], ("line 2, row 1", "line 4, row 3"), "leading zeros"),
        (["a1", "b", "A1"], ("line 2, row 1", "line 4, row 3"), "upper and lower case"),
        (["b", "12", "1\u200b2"], ("line 3, row 2", "line 4, row 3"), "invisible characters"),
        (["3", "12.0", "12"], ("line 3, row 2", "line 4, row 3"), "a decimal point"),
    ],
)
def test_similar_ids_are_named_by_row(manifest, ids, rows, how):
    with pytest.raises(InputError) as refused:
        manifest(ids)
    for words in (*rows, how, "data.similar_ids=merge", "manifest.csv"):
        assert words in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "and 'scan" in refused.value.on_terminal()


def test_similar_ids_are_counted(manifest):
    with pytest.raises(InputError, match="as 2 more patients' ids do"):
        manifest(["1", "01", "2", "02", "3", "003", "4"])


def test_similar_ids_can_be_merged_or_kept(manifest):
    ids = ["P7", "p007", "P8"]
    assert patients(manifest(ids, similar_ids="merge")) == ["p7", "p7", "p8"]
    assert patients(manifest(ids, similar_ids="distinct")) == ids


@pytest.mark.parametrize("identity", ["nan", "1.23E+05", "None"])
@pytest.mark.parametrize("similar", ["refuse", "merge"])
def test_ids_that_are_none(manifest, identity, similar):
    with pytest.raises(InputError, match=r"line 3, row 2: the patient id is a .*that: 2\)"):
        manifest(["1", identity, identity], similar_ids=similar)
    kept = manifest(["1", identity], similar_ids="distinct")
    assert patients(kept) == ["1", identity]


def test_parts_share_the_check(opened, tmp_path):
    parts = []
    for place, identity in enumerate(("07", "7")):
        write_png(tmp_path / f"{place}/a.png", place)
        rows = [["image", "patient_id", "x"], ["a.png", identity, 1]]
        write_csv(tmp_path / f"{place}/manifest.csv", rows)
        part = {"source": "manifest", "root": str(tmp_path / str(place)), "name": "north"}
        parts.append({**part, "role": "in_distribution"})
    with pytest.raises(InputError, match="row 1 of all parts and row 2 of all parts: patient ids"):
        opened(source="combined", parts=parts)
    source = opened(source="combined", parts=parts, similar_ids="merge")
    assert patients(source) == ["north\x1f7"] * 2
    # Under another name it is another hospital's patient 7.
    parts[1]["name"] = "south"
    assert len(set(patients(opened(source="combined", parts=parts)))) == 2


def test_images_of_equal_path_in_two_parts_are_two_patients(opened, tmp_path):
    for place in "ab":
        write_png(tmp_path / place / "x/1.png", ord(place))
    part = {"source": "image_folder", "role": "in_distribution"}
    parts = [{**part, "root": str(tmp_path / place)} for place in "ab"]
    source = opened(source="combined", parts=parts)
    assert len(set(patients(source))) == 2
    assert all(row.own_patient for row in source.rows())


def test_patient_of_dicom_files_in_a_manifest(opened, tmp_path):
    for number, patient in enumerate(("MRN-1", "MRN-1", "MRN-2")):
        write_dicom(tmp_path / f"{number}.dcm", number, PatientID=patient)
    rows = [["image", "x"], *([f"{number}.dcm", 1] for number in range(3)), ["gone.dcm", 0]]
    write_csv(tmp_path / "manifest.csv", rows)
    found = list(opened(source="manifest", root=tmp_path).rows())
    assert [row.patient_id for row in found[:3]] == ["MRN-1", "MRN-1", "MRN-2"]
    # A file that isn't there can't tell, and is quarantined.
    assert [row.own_patient for row in found] == [False, False, False, True]
    write_dicom(tmp_path / "2.dcm", 2, PatientID="")
    with pytest.raises(InputError, match=r"1 of 4 images have no patient id.*line 4, row 3"):
        opened(source="manifest", root=tmp_path)


def test_dicom_folder_without_an_id(opened, tmp_path):
    write_dicom(tmp_path / "a", 1, PatientID="MRN-1")
    write_dicom(tmp_path / "b", 2, PatientID="")
    (tmp_path / "t.csv").write_text("path,x\na,1\nb,0\n")
    data = {"source": "dicom", "root": tmp_path, "dicom": {"table": "t.csv"}}
    with pytest.raises(InputError, match=r"1 of 2 images .*image 2 of data.root.*PatientID is emp"):
        opened(**data)
    # Studies keep their images together.
    assert patients(opened(**data, patients="per_image")) == ["1.2.1", "1.2.2"]


def test_class_folders_of_dicom_files(opened, tmp_path):
    for number, patient in enumerate(("MRN-1", "MRN-1", "MRN-2")):
        write_dicom(tmp_path / f"{'ab'[number % 2]}/{number}", number, PatientID=patient)
    source = opened(("a",), source="image_folder", root=tmp_path)
    assert patients(source) == ["MRN-1", "MRN-2", "MRN-1"]
    write_png(tmp_path / "b/9.png", 9)
    with pytest.raises(InputError, match=r"1 of 4 images .*image 4 of data.root.*patient_pattern"):
        opened(("a",), source="image_folder", root=tmp_path)


def test_a_part_may_know_its_ids_better(opened, tmp_path):
    parts = []
    for place, ids in enumerate((("07", "7"), ("8", "9"))):
        rows = [["image", "patient_id", "x"]]
        for number, identity in enumerate(ids):
            write_png(tmp_path / f"{place}/{number}.png", 2 * place + number)
            rows.append([f"{number}.png", identity, 1])
        write_csv(tmp_path / f"{place}/manifest.csv", rows)
        root = str(tmp_path / str(place))
        parts.append({"source": "manifest", "root": root, "role": "in_distribution"})
    with pytest.raises(InputError, match=r"data.parts\[0\] \(manifest\): manifest.csv, line 2"):
        opened(source="combined", parts=parts)
    parts[0]["similar_ids"] = "distinct"
    assert len(set(patients(opened(source="combined", parts=parts)))) == 4


@pytest.mark.parametrize("kind", ["study", "slide"])
def test_words_for_nothing_join_no_images_to_a_study(opened, tmp_path, kind):
    rows = [["image", "x", f"{kind}_id"], *([f"{n}.png", 1, "nan"] for n in range(3))]
    for number in range(3):
        write_png(tmp_path / f"{number}.png", number)
    write_csv(tmp_path / "manifest.csv", rows)
    with pytest.raises(InputError, match=rf"line 2, row 1: the {kind} id is a word .*that: 3\)"):
        opened(source="manifest", root=tmp_path, patients="per_image")


@pytest.mark.parametrize(
    "name", ["patient_id", "image", "PatientID", "file_path", "study_id", "MRN"]
)
def test_names_of_ids_are_no_subgroups(manifest, name):
    with pytest.raises(ValidationError, match="can't be subgroups"):
        manifest(["p1", "p2"], subgroups=(name,))


def test_mapped_ids_are_no_subgroups(manifest):
    columns = {"patient_id": "PNR"}
    with pytest.raises(ValidationError, match="can't be subgroups"):
        manifest(["p1", "p2"], "PNR", columns=columns, subgroups=("PNR",))
    with pytest.raises(ValidationError, match="can't be subgroups"):
        manifest(["p1"], "PNR", columns={**columns, "group": "PNR"}, subgroups=("group",))


def test_a_subgroup_that_holds_ids_under_another_name(opened, tmp_path):
    rows = [["image", "patient_id", "x", "ward"]]
    for number in range(4):
        write_png(tmp_path / f"{number}.png", number)
        rows.append([f"{number}.png", f"p{number}", 1, f"p{number}"])
    write_csv(tmp_path / "manifest.csv", rows)
    data = {"source": "manifest", "root": tmp_path, "subgroups": ("ward",)}
    with pytest.raises(InputError, match="'ward', whose values are the ids or paths of 4 of 4"):
        opened(**data)
    for row in rows[2:]:
        row[3] = "3B"
    write_csv(tmp_path / "manifest.csv", rows)
    assert [row.subgroups for row in opened(**data).rows()][1:] == [("3B",)] * 3


def test_paths_of_images_are_not_patients(manifest):
    """They would make every image its own patient, and DataGate say that none is in two splits."""
    with pytest.raises(InputError, match=r"3 of 3 rows are the paths.*per_image"):
        manifest([f"scan{n}.png" for n in range(3)])
    with pytest.raises(InputError, match="3 of 3 rows are the paths"):
        manifest(["p1", "p1", "p2"], columns={"patient_id": "image"})
    manifest([f"scan{n}.png" for n in range(3)], patients="per_image")
    # A patient of one image may give it its name.
    manifest(["scan0", "scan1", "scan2"])


@pytest.mark.parametrize("column", ["patient_id", "image"])
def test_ids_are_not_sites(manifest, column):
    with pytest.raises(InputError, match="sites of 3 of 3 rows are their ids"):
        manifest(["p1", "p1", "p2"], columns={"site": column})


@pytest.mark.parametrize(
    "copied",
    [
        ["71", "72", "73"],
        ["0071 ", "0072", "\uff1773"],
        ["scan0", "scan1", "scan2"],
    ],
)
def test_ids_in_another_spelling_are_no_subgroup(opened, tmp_path, copied):
    rows = [["image", "patient_id", "x", "grp"]]
    for number, value in enumerate(copied):
        write_png(tmp_path / f"scan{number}.png", number)
        rows.append([f"scan{number}.png", f"007{number + 1}", number % 2, value])
    write_csv(tmp_path / "manifest.csv", rows)
    with pytest.raises(InputError, match="'grp', whose values are the ids or paths of"):
        opened(source="manifest", root=tmp_path, subgroups=("grp",))


@pytest.mark.parametrize("other", ["'0012", '="0012"', "00\u200b12"])
def test_ids_that_a_spreadsheet_kept_as_text(manifest, other):
    with pytest.raises(InputError, match="differ only in"):
        manifest([other, "0012", "p"])


@pytest.mark.parametrize("word", ["N.A.", "#NV", "(null)", "\\N", "\u2014", "########", "***"])
def test_more_words_for_nothing(manifest, word):
    with pytest.raises(InputError, match="word for a missing or removed value"):
        manifest([word, "p1", "p2"])


def test_dashes_of_several_kinds(manifest):
    with pytest.raises(InputError, match="dashes"):
        manifest(["p\u20111", "p-1", "q"])


@pytest.mark.parametrize("name", ["name", "Last Name", "surname", "e-mail", "SSN"])
def test_columns_of_persons_are_no_subgroups(manifest, name):
    with pytest.raises(ValidationError, match="ids, names and paths can't be subgroups"):
        manifest(["p1", "p2"], subgroups=(name,))
