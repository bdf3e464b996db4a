"""Label and subgroup cells."""

import pytest

from components.image_example_gen.tables.columns import (
    LabelColumn,
    Meanings,
    SubgroupColumn,
    bin_names,
)
from schemas.errors import InputError
from trainer_modules.settings import TaskSettings


@pytest.mark.parametrize(
    ("policy", "text", "expected"),
    [
        ("ignore", "0", 0.0),
        ("ignore", "1", 1.0),
        ("ignore", "1.0", 1.0),
        ("ignore", "-1", None),
        ("ignore", "-1.0", None),
        ("ignore", "", None),
        ("zeros", "-1", 0.0),
        ("zeros", "", None),
        ("ones", "-1", 1.0),
        ("ones", "0.0", 0.0),
    ],
)
def test_binary_labels_follow_the_uncertain_policy(policy, text, expected):
    column = LabelColumn(TaskSettings(labels=("a",), uncertain=policy), "a")
    assert column.parse(text) == expected


@pytest.mark.parametrize("text", ["True", "true", "TRUE"])
def test_true_and_false_are_labels(text):
    column = LabelColumn(TaskSettings(labels=("a",)), "a")
    assert column.parse(text) == 1.0
    assert column.parse({"True": "False", "true": "false", "TRUE": "FALSE"}[text]) == 0.0


def test_a_class_may_be_called_true():
    task = TaskSettings(kind="multiclass", labels=("c",), classes=("True", "Pos"))
    column = LabelColumn(task, "c")
    assert (column.parse("True"), column.parse("Pos")) == (0.0, 1.0)
    with pytest.raises(ValueError, match="pos"):
        column.parse("pos")


def test_meanings_of_a_tables_own_values():
    given = {"Positive": "1", "Negative": "0", "Unclear": "-1", "Not done": ""}
    column = LabelColumn(TaskSettings(labels=("a",), uncertain="ones"), "a", meanings=given)
    texts = ("Positive", "negative", "UNCLEAR", "not done", "")
    assert [column.parse(text) for text in texts] == [1.0, 0.0, 1.0, None, None]
    # 1 might mean positive, or the first of two codes: the map says all there is.
    with pytest.raises(ValueError, match="1"):
        column.parse("1")
    assert "Positive, Negative, Unclear, Not done" in column.accepted


def test_an_empty_cell_may_have_a_meaning():
    column = LabelColumn(TaskSettings(labels=("a",)), "a", meanings={"x": "1", "": "0"})
    assert (column.parse("x"), column.parse("")) == (1.0, 0.0)


def test_meanings_that_are_none():
    with pytest.raises(InputError, match=r"data.values.a: 'Positive' becomes '2'; accepted: 0, 1"):
        LabelColumn(TaskSettings(labels=("a",)), "a", meanings={"Positive": "2"})
    task = TaskSettings(kind="multiclass", labels=("c",), classes=("cat", "dog"))
    assert LabelColumn(task, "c", meanings={"felis": "cat"}).parse("Felis") == 0.0
    with pytest.raises(InputError, match="becomes 'cow'"):
        LabelColumn(task, "c", meanings={"bos": "cow"})


def test_meanings_of_subgroups_leave_other_values_alone():
    column = SubgroupColumn("sex", {}, {"1": "M", "2": "F", "9": ""})
    assert [column.parse(text) for text in "129X"] == ["M", "F", "unknown", "X"]


@pytest.mark.parametrize("text", ["2", "yes", "nan", "0.5", " "])
def test_binary_labels_refuse_other_values(text):
    with pytest.raises(ValueError, match=r".*"):
        LabelColumn(TaskSettings(labels=("a",)), "a").parse(text)


def test_class_names_become_their_places():
    task = TaskSettings(kind="multiclass", labels=("c",), classes=("cat", "dog", "frog"))
    column = LabelColumn(task, "c")
    assert [column.parse(t) for t in ("cat", "dog", "frog", "")] == [0.0, 1.0, 2.0, None]
    assert "cat, dog, frog" in column.accepted
    with pytest.raises(ValueError, match="cow"):
        column.parse("cow")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("17.9", "<18"), ("18", "18-<40"), ("39", "18-<40"), ("40", ">=40"), ("", "unknown")],
)
def test_numbers_fall_into_bins_with_closed_lower_edges(text, expected):
    assert SubgroupColumn("age", {"age": (18, 40)}).parse(text) == expected


def test_without_edges_the_text_is_the_subgroup():
    assert SubgroupColumn("sex", {"age": (18,)}).parse("F") == "F"


@pytest.mark.parametrize("text", ["old", "nan"])
def test_binned_subgroups_refuse_what_is_no_number(text):
    with pytest.raises(ValueError, match=r".*"):
        SubgroupColumn("age", {"age": (18,)}).parse(text)


def test_bin_names():
    assert bin_names((0.5,)) == ("<0.5", ">=0.5")
    assert bin_names((18, 40, 65)) == ("<18", "18-<40", "40-<65", ">=65")


def test_meanings_match_however_accents_are_written():
    meanings = Meanings({"L\u00e4sion ": "1"})
    assert meanings.of("La\u0308sion") == meanings.of("l\u00e4sion") == "1"
    assert meanings.of("Lasion") is None
