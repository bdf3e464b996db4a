"""The picture of a confusion matrix shows each cell's numbers, and is as dark as they say."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from components.reporter.page import confusion
from components.reporter.page.content import Content
from components.reporter.page.page import render_card, render_page
from schemas.documents.gate import Confusion
from tests.components.reporter.page.test_charts import texts
from tests.made_documents import classifier_card, gate_verdict, interval, run_settings


def matrix(counts, undecided=None, classes=None) -> Confusion:
    counts = np.asarray(counts)
    sums = counts.sum(axis=1) + np.asarray(undecided if undecided else 0)
    rates = [
        [cell / one if one else None for cell in row] for row, one in zip(counts, sums, strict=True)
    ]
    return Confusion(
        classes=classes or tuple("abcdefghijklmnopqrstuvwxyz"[: len(counts)]),
        counts=counts.tolist(),
        rates=rates,
        undecided=undecided or [0] * len(counts),
    )


def cells(svg: str) -> list[tuple[int, int, float]]:
    """Row, column and darkness of each cell of one panel; white ones are not drawn."""
    found = []
    for path in ElementTree.fromstring(svg).iter("path"):
        style = path.get("style", "")
        if match := re.search(r"fill: var\(--(?:id|shifted)\); opacity: ([0-9.]+)", style):
            corners = np.array(re.findall(r"[ML] (\S+) (\S+)", path.get("d")), float)
            found.append((*corners.min(axis=0), float(match[1])))
    across, down = (sorted({round(one[axis], 2) for one in found}) for axis in (0, 1))
    return [
        (down.index(round(y, 2)), across.index(round(x, 2)), darkness) for x, y, darkness in found
    ]


def test_each_cell_has_its_fraction_its_count_and_its_shade():
    svg = confusion.picture({"shifted": matrix([[3, 1, 0], [0, 2000, 0], [0, 0, 0]])})
    shown = texts(svg)
    assert {"75%", "25%", "100%", "3", "1", "2,000", "shifted"} <= set(shown)
    assert shown.count("0%") == 3
    assert cells(svg) == [(0, 0, 0.375), (0, 1, 0.125), (1, 1, 0.5)]
    assert "class of the image" in shown
    assert 'aria-label="Confusion matrices' in svg


def test_domains_have_their_colors_and_names():
    one = matrix([[5, 5], [0, 10]])
    svg = confusion.picture({"in_distribution": one, "shifted": one})
    assert {"in distribution", "shifted"} <= set(texts(svg))
    assert "var(--id)" in svg
    assert "var(--shifted)" in svg
    assert len(cells(svg)) == 6


def test_images_without_one_class_have_a_column():
    svg = confusion.picture({"shifted": matrix([[6, 2], [0, 9]], undecided=[2, 0])})
    assert "(none or several)" in texts(svg)
    assert cells(svg) == [(0, 0, 0.3), (0, 1, 0.1), (0, 2, 0.1), (1, 1, 0.5)]


@pytest.mark.parametrize(("classes", "numbers"), [(10, True), (20, False), (40, False)])
def test_of_many_classes_the_shades_alone(classes, numbers):
    names = tuple(f"class {one}" for one in range(classes))
    svg = confusion.picture({"shifted": matrix(np.eye(classes, dtype=int) * 4, classes=names)})
    assert ("100%" in texts(svg)) == numbers
    assert "4" not in texts(svg)
    assert cells(svg) == [(one, one, 0.5) for one in range(classes)]


def test_nothing_is_drawn_of_other_models_or_of_too_many_classes():
    assert confusion.picture({}) is None
    names = tuple(map(str, range(41)))
    assert confusion.picture({"shifted": matrix(np.eye(41, dtype=int), classes=names)}) is None


def test_hostile_names_stay_text():
    names = ("<script>", "a\x00b", "$x$")
    svg = confusion.picture({"shifted": matrix(np.eye(3, dtype=int), classes=names)})
    assert "<script>" not in svg
    assert {"<script>", "a\ufffdb", "$x$"} <= set(texts(svg))


def test_the_page_and_the_card_of_a_model_of_classes():
    metrics = {"shifted": {"auc": interval(0.9), "balanced_accuracy": interval(0.8)}}
    gate = gate_verdict(metrics=metrics, confusion={"shifted": matrix([[3, 1], [0, 4]])})
    card = classifier_card(("cat", "dog")).model_copy(
        update={"decision": "highest", "thresholds": {}, "temperature": {}}
    )
    content = Content("not_blessed", (), run_settings(), {}, gate=gate, card=card)
    html = render_page(content)
    assert "Decisions by class" in html
    assert "the class of the highest probability; of equal ones, the first of cat, dog" in html
    said = render_card(content)
    assert "of equal ones, the first of cat, dog. There are no thresholds." in said
    assert "positive at a probability" not in said
    other = Content(
        "not_blessed",
        (),
        run_settings(),
        {},
        gate=gate_verdict(metrics=metrics),
        card=classifier_card(("cat", "dog"), threshold=0.25),
    )
    assert "Decisions by class" not in render_page(other)
    assert "cat: positive at a probability of 0.25 or more" in render_card(other)
