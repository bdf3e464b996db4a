"""Counts of an ingestion and the verdict on broken images."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from components.image_example_gen.decoding.images import Picture, Rejected
from components.image_example_gen.rows.row import Row
from components.image_example_gen.rows.units import PlannedImage
from components.image_example_gen.settings import DataSettings
from components.image_example_gen.writing.ingest_report import Summary, build_report, refuse_broken
from schemas.errors import InputError
from tests.made_documents import ingest_report
from trainer_modules.settings import TaskSettings


def planned(number: int, *labels: float | None, site: str = "s") -> PlannedImage:
    """A planned image of which number, labels and site matter."""
    return PlannedImage(
        number, "x", f"id{number}", "p", "", "", site, "in_distribution", labels, ()
    )


def summaries() -> Summary:
    """Two shards merged."""
    one, two = Summary(), Summary()
    one.keep(planned(1, 0.0, 1.0), "train")
    one.keep(planned(2, 1.0, None, site="t"), "train")
    one.reject(planned(9, 0.0, 0.0), Rejected("empty", "0 bytes"))
    two.keep(planned(3, 1.0, None), "test")
    two.reject(planned(4, 0.0, 0.0), Rejected("unreadable", "OSError"))
    return one.merge(two)


def test_report_counts_by_hand():
    task = TaskSettings(kind="multilabel", labels=("a", "b"))
    patients = Counter({"train": 2, "test": 1})
    report = build_report(summaries(), patients, DataSettings(), task, {})
    assert (report.images, report.kept, report.quarantined_count) == (5, 3, 2)
    assert report.reasons == {"empty": 1, "unreadable": 1}
    assert [entry.row for entry in report.quarantined] == [4, 9]
    assert report.quarantined[0].model_dump() == {
        "row": 4, "image_id": "id4", "reason": "unreadable", "detail": "OSError"
    }  # fmt: skip
    assert report.splits["train"].model_dump() == {
        "examples": 2,
        "patients": 2,
        "own_patients": 0,
        "labels": {"a": {"0": 1, "1": 1, "unknown": 0}, "b": {"0": 0, "1": 1, "unknown": 1}},
    }
    assert report.splits["shifted"].examples == 0
    assert report.sites["train"] == {"s": 1, "t": 1}
    assert report.synthetic is True


def test_multiclass_counts_are_by_name():
    task = TaskSettings(kind="multiclass", labels=("kind",), classes=("cat", "dog"))
    summary = Summary()
    for number, value in enumerate((0.0, 1.0, 1.0, None)):
        summary.keep(planned(number, value), "train")
    report = build_report(summary, Counter(), DataSettings(), task, {})
    assert report.splits["train"].labels["kind"] == {"cat": 1, "dog": 2, "unknown": 1}


def test_flags_and_ranges_by_hand():
    total = Summary()
    pixels = np.zeros((8, 8), np.uint8)
    for start in (200, 0):
        part = Summary()
        for number in range(start, start + 150):
            part.flag(planned(number), "range_guessed")
            part.show(Picture(pixels, "guessed 12 bits", inverted=number % 2 == 1))
        part.flag(planned(start + 149), "constant")
        part.show(Picture(pixels))
        total.merge(part)
    report = build_report(
        total, Counter(), DataSettings(), TaskSettings(labels=("a",)), {"not_dicom": 3}
    )
    assert report.flags == {"constant": 2, "range_guessed": 300}
    assert report.ranges == {
        "as stored": 2, "guessed 12 bits": 150, "guessed 12 bits, inverted": 150,
    }  # fmt: skip
    assert report.listing == {"not_dicom": 3}
    # A frequent flag leaves room for a rare one.
    rows = {flag: [e.row for e in report.flagged if e.flag == flag] for flag in report.flags}
    assert rows == {"constant": [149, 349], "range_guessed": list(range(100))}


def test_flags_are_counted_by_site_and_class():
    total = Summary()
    for start, site in ((0, "north"), (10, "south")):
        part = Summary()
        for number in range(start, start + 10):
            image = planned(number, float(number % 2), None if number % 5 else 1.0, site=site)
            part.keep(image, "train")
            if number % 3 == 0:
                part.flag(image, "blurred")
        total.merge(part)
    task = TaskSettings(kind="multilabel", labels=("a", "b"))
    report = build_report(total, Counter(), DataSettings(), task, {})
    # Flagged are 0, 3, 6, 9 of the north and 12, 15, 18 of the south; 0 and 15 have a known b.
    assert report.flagged_by["blurred"].sites == {"north": 4, "south": 3}
    assert report.flagged_by["blurred"].classes == {"a=0": 4, "a=1": 3, "b=1": 2}
    assert report.by_site == {"north": 10, "south": 10}
    assert report.by_class == {
        "a=0": 10,
        "a=1": 10,
        "a=unknown": 0,
        "b=1": 4,
        "b=0": 0,
        "b=unknown": 16,
    }


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "all"),  # synthetic
        ({"source": "nih_cxr14", "root": "/d"}, "all"),
        ({"source": "manifest", "root": "/d"}, "pairs"),
        ({"source": "chexpert", "root": "/d"}, "pairs"),
        ({"source": "manifest", "root": "/d", "private": False}, "all"),
        ({"private": True}, "none"),
        (
            {
                "source": "combined",
                "parts": [
                    {"role": "in_distribution", "source": "nih_cxr14", "root": "/d"},
                    {"role": "shifted", "source": "manifest", "root": "/e"},
                ],
            },
            "pairs",
        ),
    ],
)
def test_which_images_a_report_may_show(settings, expected):
    data = DataSettings(**settings)
    report = build_report(Summary(), Counter(), data, TaskSettings(labels=("a",)), {})
    assert report.pictures == expected


def test_only_the_first_thousand_quarantined_are_listed():
    total = Summary()
    for start in range(0, 1500, 100):
        part = Summary()
        for number in range(start, start + 100):
            part.reject(planned(1500 - number), Rejected("missing", "no such file"))
        total.merge(part)
    assert total.reasons == {"missing": 1500}
    assert [entry.row for entry in total.quarantined] == list(range(1, 1001))


@pytest.mark.parametrize(
    ("kept", "lost", "fraction", "refused"),
    [(95, 5, 0.05, False), (94, 6, 0.05, True), (0, 3, 1.0, True), (9, 0, 0.0, False)],
)
def test_too_many_broken_images_end_the_run(kept, lost, fraction, refused):
    reasons = {row + 1: "unreadable" for row in range(lost)}
    report = ingest_report({"train": [0.0] * kept}, quarantined=reasons)
    if not refused:
        refuse_broken(report, fraction)
        return
    with pytest.raises(InputError) as error:
        refuse_broken(report, fraction)
    for words in (
        f"{lost} of {kept + lost} images",
        "data.max_broken_fraction",
        f"unreadable {lost}",
        "row 1 (unreadable: file-secret.png)",
    ):
        assert words in str(error.value)


def test_broken_images_are_named_on_the_terminal_alone():
    report = ingest_report({"train": [0.0]}, quarantined={2: "unreadable", 3: "empty"})
    rows = [Row(n, f"Doe{n}.png", "p", "", "in_distribution", None, (), ()) for n in range(5)]
    with pytest.raises(InputError) as error:
        refuse_broken(report, 0.1, rows)
    assert error.value.local == "row 2: 'Doe2.png', row 3: 'Doe3.png'"
    assert "Doe" not in str(error.value)
