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
