"""Manifests in their own words: other columns, other values, tables that are none."""

import pytest
import yaml
from pydantic import ValidationError

from components.image_example_gen.settings import DataSettings
from schemas.errors import InputError
from tests.components.image_example_gen.data_sets import write_csv, write_png
from tests.components.image_example_gen.sources.made_formats import write_dicom

HEADER = ["path", "PID", "hospital", "set", "dx", "Geschlecht"]
ROWS = [
    ["a.png", "p1", "north", "training", "Positive", "w"],
    ["b.png", "p2", "north", "hold-out", "negative", "m"],
    ["c.png", "p3", "south", "", "unclear", "x"],
    ["d.png", "p4", "south", "", "", ""],
]
SETTINGS = {
    "columns": {"image": "path", "patient_id": "PID", "site": "hospital", "split": "set",
                "sex": "Geschlecht"},
    "label_columns": {"finding": "dx"},
    "values": {
        "finding": {"Positive": 1, "Negative": 0, "Unclear": -1},
        "split": {"training": "train", "hold-out": "test"},
        "sex": {"w": "F", "m": "M"},
    },
    "subgroups": ("sex",),
}  # fmt: skip


@pytest.fixture
def opened_table(opened, tmp_path):
    def open_(rows, labels=("finding",), **settings):
        for seed, name in enumerate("abcd"):
            write_png(tmp_path / f"{name}.png", seed)
        write_csv(tmp_path / "manifest.csv", rows)
        return opened(labels, source="manifest", root=tmp_path, uncertain="ones", **settings)

    return open_


def test_columns_and_values_of_the_table_itself(opened_table):
    rows = list(opened_table([HEADER, *ROWS], **SETTINGS).rows())
    assert [row.image for row in rows] == ["a.png", "b.png", "c.png", "d.png"]
    assert [row.patient_id for row in rows] == ["p1", "p2", "p3", "p4"]
    assert [row.site for row in rows] == ["north", "north", "south", "south"]
    assert [row.split for row in rows] == ["train", "test", None, None]
    assert [row.labels[0] for row in rows] == [1.0, 0.0, 1.0, None]
    assert [row.subgroups[0] for row in rows] == ["F", "M", "x", "unknown"]


def test_values_are_read_from_yaml_as_the_table_writes_them():
    text = "{a: {Yes: 1, No: 0}, b: {1: 1, 2: 0, 3: null}, c: {true: 1, false: 0, ~: -1}}"
    data = DataSettings(source="manifest", root="/x", values=yaml.safe_load(text))
    assert data.values["a"] == {
        "yes": "1", "true": "1", "on": "1", "no": "0", "false": "0", "off": "0"
    }  # fmt: skip
    assert data.values["b"] == {"1": "1", "2": "0", "3": ""}
    assert data.values["c"][""] == "-1"
    assert DataSettings.model_validate_json(data.model_dump_json()) == data


def test_yes_and_no(opened_table):
    header = ["image", "patient_id", "finding"]
    rows = [header, ["a.png", "p", "Yes"], ["b.png", "q", "No"]]
    with pytest.raises(InputError, match=r"line 2, row 1.*'Yes'.*data.values=\{finding"):
        opened_table(rows)
    found = opened_table(rows, values={"finding": {True: 1, False: 0}}).rows()
    assert [row.labels[0] for row in found] == [1.0, 0.0]


def test_true_and_false(opened_table):
    rows = [["image", "patient_id", "finding"], ["a.png", "p", "True"], ["b.png", "q", "FALSE"]]
    assert [row.labels[0] for row in opened_table(rows).rows()] == [1.0, 0.0]


def test_wrong_maps_are_refused(opened_table):
    rows = [["image", "patient_id", "finding"], ["a.png", "p", "1"]]
    with pytest.raises(InputError, match=r"data.columns names 'finding'.*data.label_columns"):
        opened_table(rows, columns={"finding": "dx"})
    with pytest.raises(InputError, match=r"data.values names 'findings'; accepted are finding, "):
        opened_table(rows, values={"findings": {"x": 1}})
    with pytest.raises(InputError, match=r"no column 'PID'"):
        opened_table(rows, columns={"patient_id": "PID"})
    with pytest.raises(ValidationError, match="'A' has two meanings"):
        opened_table(rows, values={"finding": {"a": 1, "A": 0}})
    with pytest.raises(ValidationError, match="source 'chexpert' has columns of its own"):
        DataSettings(source="chexpert", root="/x", columns={"image": "Path"})
    with pytest.raises(ValidationError, match="source 'tfds' has columns of its own"):
        DataSettings(source="tfds", root="/x", values={"a": {"b": 1}})


@pytest.mark.parametrize("name", ["path", "filename", "File Name", "image_path", "Image"])
def test_the_column_of_images_is_suggested(opened_table, name):
    rows = [[name, "patient_id", "finding"], ["a.png", "p", 1]]
    with pytest.raises(InputError) as refused:
        opened_table(rows)
    assert f"Then say so: data.columns={{image: {name}}}" in str(refused.value)
    assert len(list(opened_table(rows, columns={"image": name}).rows())) == 1


def test_the_column_of_a_label_is_suggested(opened_table):
    rows = [["image", "patient_id", "Finding "], ["a.png", "p", 1]]
    with pytest.raises(InputError, match=r"data.label_columns=\{finding: Finding\}"):
        opened_table(rows)


def test_a_table_without_header_or_another_table_shows_none_of_its_cells(opened_table):
    for rows in (
        [["a.png", "Doe^Jane", "1"], ["b.png", "Roe^Max", "0"]],
        [["Doe^Jane", "1971-02-03", "Ward 3"], ["Roe^Max", "1980-01-01", "Ward 4"]],
    ):
        with pytest.raises(InputError) as refused:
            opened_table(rows)
        for cell in (cell for row in rows for cell in row if len(cell) > 1):
            assert cell not in refused.value.on_terminal()


def test_a_column_of_names_taken_for_a_label_is_not_shown(opened_table):
    rows = [["image", "patient_id", "name"], ["a.png", "p", "Jane Doe"]]
    with pytest.raises(InputError, match="line 2, row 1: column 'name'") as refused:
        opened_table(rows, label_columns={"finding": "name"})
    assert "Jane" not in refused.value.on_terminal()
    # The user's terminal says which image, messages elsewhere don't.
    assert "a.png" in refused.value.on_terminal()
    assert "a.png" not in str(refused.value)


def test_trailing_empty_rows_are_counted(opened_table):
    rows = [["image", "patient_id", "finding"], ["a.png", "p", 1], ["", "", ""], ["", "", ""]]
    source = opened_table(rows)
    assert len(list(source.rows())) == 1
    assert source.counts() == {"empty_rows": 2}


def test_label_tables_of_dicom_in_their_own_words(opened, tmp_path):
    for number in (1, 2):
        write_dicom(tmp_path / f"{number}.dcm", number)
    lines = ["file,dx,klinik,set", "1.dcm,Positive,north,training", "2.dcm,Negative,,", ",,,"]
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    data = {
        "source": "dicom", "root": tmp_path, "dicom": {"table": "labels.csv"},
        "columns": {"path": "file", "site": "klinik", "split": "set"},
        "label_columns": {"finding": "dx"},
        "values": {"finding": {"Positive": 1, "Negative": 0}, "split": {"training": "train"}},
    }  # fmt: skip
    source = opened(("finding",), **data)
    rows = list(source.rows())
    assert [(row.labels, row.site, row.split) for row in rows] == [
        ((1.0,), "north", "train"),
        ((0.0,), "unknown", None),
    ]
    assert source.counts() == {"empty_rows": 1}
    with pytest.raises(
        InputError, match=r"data.columns names 'image'; accepted with a label table"
    ):
        opened(("finding",), **{**data, "columns": {"image": "file"}})
    with pytest.raises(InputError, match=r"data.values names 'sex'"):
        opened(("finding",), **{**data, "values": {"sex": {"w": "F"}}})
