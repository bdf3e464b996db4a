"""What messages show of a table, and what they keep to themselves."""

import pytest

from components.image_example_gen.tables import shown

LABEL = "0, 1, -1 (uncertain) or empty (unknown)"


@pytest.mark.parametrize(
    "text", ["2", "-9", "0.5", "Positive", "YES", "NaN", "maybe", "dev", "ok?"]
)
def test_cells_that_are_no_names(text):
    assert shown.cell(text, LABEL) == f"'{text}'"


@pytest.mark.parametrize(
    "text",
    ["Doe^Jane", "Smith", "Doe, Jane", "MRN0012345", "19710203", "4711", "M\u00fcller", "MVZ Nord",
     "jane.doe.1971", "02.03.1971", "doe_jane_from_ward_3"],
)  # fmt: skip
def test_cells_that_can_be_names_or_ids(text):
    found = shown.cell(text, LABEL)
    assert text not in found
    assert f"of {len(text)} characters" in found


def test_what_is_nearly_accepted_is_shown():
    assert shown.cell("In-Distribution", "in_distribution, shifted") == "'In-Distribution'"
    assert shown.cell("Melanomma", "a name of task.classes (melanoma, nevus)") == "'Melanomma'"


def test_columns_are_shown_where_there_is_a_header():
    assert shown.columns(["image", "PID"], ["image", "site"]) == "image, PID"
    assert "Doe" not in shown.columns(["1.png", "Doe^Jane", "1"], ["image", "site"])
    assert shown.columns([], ["image"]) == "none"
    many = ["image", *(f"c{number}" for number in range(99))]
    assert shown.columns(many, ["image"]).endswith("c28, ...")


@pytest.mark.parametrize(
    ("name", "header", "aliases", "expected"),
    [
        ("finding", ["Finding", "x"], (), "Finding"),
        ("pleural_effusion", ["Pleural Effusion"], (), "Pleural Effusion"),
        ("image", ["File Path", "x"], ("filepath",), "File Path"),
        ("pneumonia", ["pneumona"], (), "pneumona"),
        ("pneumonia", ["Doe^Jane", "1"], (), ""),
    ],
)
def test_the_column_that_was_meant(name, header, aliases, expected):
    assert shown.nearest(name, header, aliases) == expected


@pytest.mark.parametrize("text", ["john smith", "p17", "417", "ward_3", "Otter", "Given"])
def test_names_and_ids_in_small_letters_and_few_digits(text):
    accepted = LABEL + "; other words can be given a meaning: data.values={x: {Positive: 1}}"
    assert text not in shown.cell(text, accepted)


def test_columns_of_ids_show_nothing():
    assert shown.cell("17", LABEL, "age") == "'17'"
    assert "17" not in shown.cell("17", LABEL, "PID")
    assert "17" not in shown.cell("17", LABEL, "patient_id")
    assert "smith" not in shown.cell("smith", LABEL, "last_name")


def test_the_name_of_a_label_alone_is_no_header():
    """`scan.png, John Smith, pneumonia` is a row of a table that lists findings."""
    row = ["scan.png", "John Smith", "pneumonia"]
    assert "Smith" not in shown.columns(row, ["image", "pneumonia", "patient_id"])
    header = ["file", "PID", "pneumonia"]
    assert shown.columns(header, ["image", "pneumonia", "file"]) == "file, PID, pneumonia"


@pytest.mark.parametrize("cell", ["image1", "Image_07", "image001"])
def test_a_numbered_cell_is_not_the_column_that_was_meant(cell):
    assert shown.nearest("image", [cell, "John Smith"]) == ""
    assert shown.nearest("covid19", ["COVID-19"]) == "COVID-19"
