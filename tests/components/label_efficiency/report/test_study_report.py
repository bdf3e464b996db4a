"""What a study leaves: figures for programs, a page for people."""

import json
import re

import pytest

from components.label_efficiency.cell.settings import StudySettings
from components.label_efficiency.report.study_report import write_study
from schemas.documents.run import RunReport
from schemas.documents.study import StudyMetrics
from tests.components.label_efficiency.report.conftest import cell
from tests.made_documents import ingest_report, run_settings

SETTINGS = StudySettings(resamples=200, seeds=(0, 1), fractions=(0.01, 0.1, 1.0))


@pytest.fixture(scope="module")
def folder(cells, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    write_study(
        folder,
        cells,
        SETTINGS,
        left_out={},
        run_settings=run_settings("data.id_key_file=/secret/key", name="<b>name</b>"),
        ingest=ingest_report({}, quarantined=dict.fromkeys((1, 2, 3), "blank"), source="synthetic"),
    )
    return folder


@pytest.fixture(scope="module")
def figures(folder):
    return json.loads((folder / "study.json").read_text())


@pytest.fixture(scope="module")
def page(folder):
    return (folder / "index.html").read_text()


def test_figures_name_every_point_and_the_headlines(figures):
    names = [curve["name"] for curve in figures["curves"]]
    assert names == ["in_distribution", "shifted", "adapted", "adapted_in_distribution"]
    assert len(figures["curves"][0]["points"]) == 9
    (first, *_) = figures["headlines"]
    assert (first["status"], first["fraction"], first["baseline"]) == ("reached", 0.1, "bit")
    missing = [p for p in figures["curves"][0]["points"] if p["status"] == "not_enough_labels"]
    assert {(p["arm"], p["value"]) for p in missing} == {
        ("remedis", None),
        ("bit", None),
        ("random", None),
    }


def test_summary_has_the_sentences_and_no_verdict_on_a_model(folder, figures):
    assert RunReport.read(folder).verdict == "evaluated"
    assert len(StudyMetrics.read(folder).cells) == 24
    report = json.loads((folder / "report.json").read_text())
    assert report["verdict"] == "evaluated"
    assert report["reasons"] == [one["sentence"] for one in figures["headlines"]]
    assert report["quarantined"] == 3


def test_page_shows_every_point_and_refers_to_nothing_outside(page, figures):
    for curve in figures["curves"]:
        for point in curve["points"]:
            if point["value"] is not None:
                assert f"{point['value']:.3f}" in page
    assert page.count("not enough labels: 1 % of 20 patients") == 6  # three arms, two curves
    assert page.count("<svg") == 1
    assert not re.search(r"(src|href)=\"(?!#)", page)
    assert "SYNTHETIC DATA" in page
    assert "<b>name</b>" not in page
    assert "/secret/key" not in page


def test_study_without_any_point_still_says_so(tmp_path):
    cells = [cell(arm, f, 0, None) for arm in ("remedis", "random") for f in (0.1, 1.0)]
    study = write_study(
        tmp_path,
        cells,
        SETTINGS,
        left_out={"bit": "no weights"},
        run_settings=run_settings(),
        ingest=ingest_report({}),
    )
    assert {one.status for one in study.headlines} == {"not_enough_data"}
    page = (tmp_path / "index.html").read_text()
    assert "No cell could be judged" in page
    assert "BiT only is left out: no weights." in page
