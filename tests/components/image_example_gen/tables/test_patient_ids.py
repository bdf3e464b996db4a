"""Ids of patients: one form of each, what is alike, what is none, what their columns are called."""

import pytest

from components.image_example_gen.tables import patient_ids

ALIKE = [
    ("007", "7", "leading zeros"),
    ("P-007", "P-7", "leading zeros"),
    ("0", "000", "leading zeros"),
    ("ab12", "AB12", "upper and lower case"),
    ("stra\u00dfe", "STRASSE", "upper and lower case"),
    ("12\u200b3", "123", "spaces or invisible characters"),
    ("\ufeff123", "123", "spaces or invisible characters"),
    ("12\u00a03", "12 3", "wide or composed characters"),
    ("12 3", "123", "spaces or invisible characters"),
    ("123.0", "123", "a decimal point"),
    ("\uff11\uff12", "12", "wide or composed characters"),
]


@pytest.mark.parametrize(("first", "second", "how"), ALIKE)
def test_ids_that_are_alike(first, second, how):
    assert patient_ids.folded(first) == patient_ids.folded(second)
    assert patient_ids.difference(first, second) == how


def test_several_differences_at_once():
    assert patient_ids.folded("p007") == patient_ids.folded("P 7.0".replace(".0", ""))
    assert patient_ids.difference("p007", "P 7").startswith("more than one of")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("70", "7"),
        ("100", "10"),
        ("1.2.3", "1.2.4"),
        ("a\u0301", "a"),
        ("p-1", "p-10"),
        ("1-1", "11"),
    ],
)
def test_ids_that_are_different(first, second):
    assert patient_ids.folded(first) != patient_ids.folded(second)


def test_a_part_of_a_combination_is_no_part_of_its_ids():
    assert patient_ids.folded("North\x1f007") == "North\x1f7"
    assert patient_ids.folded("north\x1f007") != patient_ids.folded("North\x1f007")


def test_composed_and_decomposed_letters_are_one_id():
    assert patient_ids.normalized("M\u0075\u0308ller") == "M\u00fcller"
    assert patient_ids.normalized("007") == "007"


@pytest.mark.parametrize("text", ["nan", "NaN", "None", "NULL", "N/A", "#N/A", "-", "Anonymous"])
def test_words_for_nothing(text):
    assert patient_ids.meaningless(text) == "is a word for a missing or removed value"


@pytest.mark.parametrize("text", ["1.23E+05", "1,23e+05", "2E+11"])
def test_rounded_numbers(text):
    assert "spreadsheet" in patient_ids.meaningless(text)


@pytest.mark.parametrize("text", ["7", "nancy", "12E5", "1e5f", "E+05", "p-1", "1.2.840.1"])
def test_ids_that_can_be_ones(text):
    assert patient_ids.meaningless(text) == ""


@pytest.mark.parametrize(
    "name",
    ["PatientID", "patientId", "Patient ID", "subject_id", "Subject", "pid", "PID", "patient",
     "Patient_Nr", "patiant_id", "MRN", "case_id", "anon_patient_id"],
)  # fmt: skip
def test_names_of_columns(name):
    assert patient_ids.like_patients(["image", "finding", name, "site"]) == [name]


def test_names_that_are_of_something_else():
    names = ["Patient Age", "patient_sex", "PatientName", "image", "path", "split", "subclass"]
    assert patient_ids.like_patients(names) == []


def test_the_likeliest_name_is_first():
    assert patient_ids.like_patients(["case", "pid", "PatientID"])[0] == "PatientID"
