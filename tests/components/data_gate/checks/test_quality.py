"""Flags of quality by site and class, on counts written by hand; the worst images of an index."""

from __future__ import annotations

import pytest

from components.data_gate.checks.quality import quality, worst
from schemas.documents.ingest import FlaggedBy
from tests.components.data_gate.checks.test_index import index_of, row
from tests.made_documents import ingest_report


def report(flagged: dict[str, tuple[dict, dict]], flags: dict[str, int]):
    """100 images of each of two sites, half of them of each class."""
    made = ingest_report(
        {"train": [0.0, 1.0] * 50, "test": [0.0, 1.0] * 50},
        sites={"train": "north", "test": "south"},
    )
    by = {flag: FlaggedBy(sites=s, classes=c) for flag, (s, c) in flagged.items()}
    return made.model_copy(update={"flagged_by": by, "flags": flags})


def test_a_site_with_many_blurred_images():
    given = report({"blurred": ({"north": 6}, {"opacity=0": 4, "opacity=1": 2})}, {"blurred": 6})
    check = quality(given, 0.05, "stop")
    assert check.stops
    assert check.message.startswith(
        "more than data_gate.quality_fraction 0.05 of the images show little: "
        "6% of site=north blurred (6 of 100); look at them"
    )
    assert [(d["of"], d["flagged"], d["images"]) for d in check.details] == [("site=north", 6, 100)]
    assert quality(given, 0.06, "stop").passed


def test_a_class_with_dark_images_and_all_images():
    classes = {"opacity=0": 2, "opacity=1": 30}
    given = report({"dark": ({"north": 16, "south": 16}, classes)}, {"dark": 32})
    check = quality(given, 0.05, "report")
    assert not check.stops
    found = [(d["of"], d["flagged"], d["images"]) for d in check.details]
    assert found[0] == ("opacity=1", 30, 100)
    assert set(found[1:]) == {
        ("all images", 32, 200), ("site=north", 16, 100), ("site=south", 16, 100)
    }  # fmt: skip


def test_few_flagged_images_and_other_flags():
    given = report(
        {"blank": ({"south": 1}, {}), "range_guessed": ({"north": 90}, {})},
        {"blank": 1, "range_guessed": 90},
    )
    check = quality(given, 0.05, "stop")
    assert check.passed
    assert check.message == "images that show little: blank 1; at most 5% of any site or class"


def test_of_few_images_single_ones_are_no_finding():
    made = ingest_report({"train": [0.0] * 19}, sites={"train": "small"})
    by = {"blank": FlaggedBy(sites={"small": 3}, classes={})}
    given = made.model_copy(update={"flagged_by": by, "flags": {"blank": 3}})
    assert quality(given, 0.05, "stop").passed


@pytest.mark.parametrize(
    ("flag", "column", "values"),
    [
        ("blurred", "blur", [0.81, 0.99, 0.9]),
        ("dark", "brightness", [0.2, 0.01, 0.1]),
        ("blank", "plain", [0.95, 1.0, 0.97]),
        ("low_information", "entropy", [2.9, 0.5, 2.0]),
        ("odd_aspect", "source_width", [40, 400, 3]),
    ],
)
def test_the_worst_come_first(tmp_path, flag, column, values):
    plain = {"blur": 0.4, "brightness": 0.9, "plain": 0.1, "entropy": 7.0}
    plain |= {"source_height": 10, "source_width": 10}
    rows = [
        row(n, "train", "p", f"x{n}", **plain | {column: value}, flags=f"few_levels,{flag}")
        for n, value in enumerate(values)
    ]
    rows += [row(9, "test", "q", "y", **plain, flags=""), row(8, "test", "q", "z", **plain)]
    index = index_of(tmp_path, rows)
    # The 400th of 10 pixels, then 40 of 10 (4) before 3 of 10 (3.3).
    expected = [1, 0, 2] if flag == "odd_aspect" else [1, 2, 0]
    assert [(i.flag, i.split, i.row) for i in worst(index, 5)] == [
        (flag, "train", number) for number in expected
    ]
    assert [i.row for i in worst(index, 1)] == [1]
    assert worst(index, 0) == []
