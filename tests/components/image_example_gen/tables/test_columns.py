"""Label and subgroup cells."""

import pytest

from components.image_example_gen.tables.columns import LabelColumn, SubgroupColumn, bin_names
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
