"""Charts show the numbers that they were given."""

import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from components.reporter.page import charts
from schemas.documents.gate import Metric, Subgroup
from schemas.documents.history import TrainingHistory
from tests.components.reporter.drawn import heights_follow, panels
from tests.made_documents import history


def texts(svg: str) -> list[str]:
    return [element.text for element in ElementTree.fromstring(svg).iter("text")]


def metric(value: float) -> Metric:
    return Metric(value=value, lower=None, upper=None, patients=40, examples=80)


def group(domain: str, column: str, value: str, auc: float, status: str = "pass") -> Subgroup:
    return Subgroup(
        domain=domain,
        column=column,
        value=value,
        auc=auc,
        lower=auc - 0.1,
        upper=auc + 0.1,
        patients=20,
        examples=40,
        by_patient=auc,
        status=status,
    )


def test_roc_leaves_out_unknown_labels() -> None:
    # Positives 0.9 and 0.4 against negatives 0.6 and 0.1: three of four pairs in order, AUC 0.75.
    # The fifth row has weight 0 and the sixth no score: either would change the AUC.
    table = pd.DataFrame(
        {
            "split": "test",
            "domain": "in_distribution",
            "label/t": [1.0, 1.0, 0.0, 0.0, 0.0, 0.0],
            "label/t/weight": [1.0, 1.0, 1.0, 1.0, 0.0, 1.0],
            "prediction/t": [0.9, 0.4, 0.6, 0.1, 0.99, np.nan],
            "decision/t": [1.0, 0.0, 1.0, 0.0, 1.0, 0.0],
        }
    )
    svg = charts.roc_curves(table, ["t"])
    assert "in distribution 0.750" in texts(svg)
    assert charts.roc_curves(table, ["other"]) is None
    # With one class only there is no curve, and no crash either.
    assert charts.roc_curves(table.iloc[:2], ["t"]) is not None


def test_forest_rows_put_each_group_under_its_domain() -> None:
    groups = [
        group("shifted", "site", "b", 0.6),
        group("shifted", "age", "80+", 0.9, "not_enough_data"),
    ]
    overall = {"in_distribution": metric(0.9), "shifted": metric(0.7)}
    rows = charts.forest_rows(overall, groups)
    assert [(row.label, row.value) for row in rows] == [
        ("in distribution", 0.9),
        ("shifted", 0.7),
        ("site b", 0.6),
        ("age 80+", None),
    ]
    assert charts.forest({"in_distribution": metric(0.9)}, [], None) is None


def test_training_curves_pair_training_with_validation(tmp_path) -> None:
    measured = [
        {"loss": 2.0, "validation_loss": 3.0},
        {"loss": 1.0, "validation_loss": 2.5, "probe_auc": 0.9},
    ]
    history("finetune", measured).write(tmp_path)
    svg = charts.training_curves(TrainingHistory.read(tmp_path))
    assert {"Loss", "training", "validation"} <= set(texts(svg))
    assert heights_follow(panels(svg)["Loss"], [[2.0, 1.0], [3.0, 2.5]])
    assert "Linear probe AUC on validation" not in texts(svg)  # one point is not a curve
    history("finetune", []).write(tmp_path)
    assert charts.training_curves(TrainingHistory.read(tmp_path)) is None


def test_histograms_skip_what_does_not_vary() -> None:
    table = pd.DataFrame(
        {"domain": ["in_distribution", "shifted"] * 4, "mean": np.arange(8.0), "width": 64}
    )
    svg = charts.image_histograms(table)
    assert "Mean intensity" in texts(svg)
    assert "Width, pixels" not in texts(svg)
    assert charts.image_histograms(table[["domain", "width"]]) is None


@pytest.mark.parametrize("name", ["<b>&amp;", "$\\frac{", "naïve site"])
def test_names_are_text_in_charts_too(name: str) -> None:
    overall = {"shifted": metric(0.7)}
    one = group("shifted", "site", name, 0.6)
    svg = charts.forest(overall, [one], 0.5)
    assert f"site {name}" in texts(svg)


def test_control_characters_and_endless_names_are_cut() -> None:
    one = group("shifted", "site", "\x00\n" + "x" * 99, 0.6)
    svg = charts.forest({"shifted": metric(0.7)}, [one], None)
    assert f"site \ufffd\ufffd{'x' * 32}…" in texts(svg)


def test_colors_follow_the_page() -> None:
    svg = charts.forest({"shifted": metric(0.7), "in_distribution": metric(0.8)}, [], None)
    assert "var(--shifted)" in svg
    assert not re.search(r"#01010\d", svg)
    assert "metadata" not in svg
